//! From the embeddings of one batch to named terms and their weighted sum.

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_loss::{Contrast, Temperature, info_nce, info_nce_blocked, nt_xent, nt_xent_blocked};
use equiav_models::Embeddings;
use equiav_torch::GroupError;
use tch::{Kind, Tensor};

use crate::keys::Everyone;
use crate::measures::measures;
use crate::processes::Processes;
use crate::settings::{Objective, Settings};

/// The terms of one batch, still on the graph.
#[derive(Debug)]
pub struct Terms {
    /// The weighted sum, to be differentiated, `[]`.
    pub total: Tensor,
    /// Each term by its name: `inter`, `intra_audio`, `intra_visual`.
    pub named: BTreeMap<String, Contrast>,
    /// What is watched beside them, without gradient, each `[]`; see [`measures()`].
    pub measures: BTreeMap<String, Tensor>,
}

/// The terms of one batch as plain numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The weighted sum.
    pub loss: f64,
    /// Loss and share of anchors that find their positive first, by the term's name.
    pub terms: BTreeMap<String, (f64, f64)>,
    /// What is watched beside them, by name.
    pub measures: BTreeMap<String, f64>,
}

impl Terms {
    /// The numbers, and those of `more` scalars; waits for the device, once for all.
    pub fn figures<const N: usize>(&self, more: [&Tensor; N]) -> (Figures, [f64; N]) {
        let each = self.named.values().flat_map(|term| [&term.loss, &term.top1]);
        let all = more.into_iter().chain([&self.total]).chain(each).chain(self.measures.values());
        let all: Vec<Tensor> =
            all.map(|value| value.detach().to_kind(Kind::Double).reshape([1i64])).collect();
        let numbers = Vec::<f64>::try_from(Tensor::cat(&all, 0)).expect("a row of doubles");
        let mut numbers = numbers.into_iter();
        let mut next = || numbers.next().expect("as many as were asked for");
        let more = more.map(|_| next());
        let loss = next();
        let terms = self.named.keys().map(|name| (name.clone(), (next(), next()))).collect();
        let measures = self.measures.keys().map(|name| (name.clone(), next())).collect();
        (Figures { loss, terms, measures }, more)
    }
}

impl Figures {
    /// The mean over all processes, each of which has its own part of one batch.
    pub(crate) fn average(&mut self, processes: &Processes) -> Result<(), GroupError> {
        let terms = self.terms.values_mut().flat_map(|(loss, top1)| [loss, top1]);
        let mut all: Vec<&mut f64> =
            [&mut self.loss].into_iter().chain(terms).chain(self.measures.values_mut()).collect();
        let mut numbers: Vec<f64> = all.iter().map(|number| **number).collect();
        processes.mean(&mut numbers, "figures")?;
        all.iter_mut().zip(numbers).for_each(|(number, mean)| **number = mean);
        Ok(())
    }
}

/// Sums the recipe's losses over `embeddings`, compared with those of `everyone`, at the learned
/// temperature or else the recipe's.
///
/// ```text
/// total = w_inter InfoNCE(z̄_audio, z̄_visual) + Σ_modality w_modality NT-Xent(ẑ, z')
/// ```
pub fn terms(
    embeddings: &BTreeMap<Modality, Embeddings>,
    everyone: &Everyone,
    learned_temperature: Option<&Tensor>,
    recipe: &Settings,
) -> Terms {
    let Objective { weights, temperature, rows, .. } = recipe.objective;
    let fixed = Temperature::Fixed(temperature);
    let temperature = learned_temperature.map_or(fixed, Temperature::Learned);
    let rows = rows.map(|rows| rows as i64);
    let mut named = BTreeMap::new();
    let mut weighted = Vec::new();
    for (modality, embedding) in embeddings {
        if let Some(pair) = &embedding.intra {
            let (a, b) = (&pair.predicted, &pair.augmented);
            let keys = everyone.intra(*modality);
            let term = match rows {
                None => nt_xent(a, b, &keys, temperature),
                Some(rows) => nt_xent_blocked(a, b, &keys, temperature, rows),
            };
            weighted.push(&term.loss * weights.intra(*modality));
            named.insert(format!("intra_{modality}"), term);
        }
    }
    let (audio, visual) =
        (&embeddings[&Modality::Audio].inter, &embeddings[&Modality::Visual].inter);
    let keys = everyone.inter();
    let term = match rows {
        None => info_nce(audio, visual, &keys, temperature),
        Some(rows) => info_nce_blocked(audio, visual, &keys, temperature, rows),
    };
    weighted.push(&term.loss * weights.inter);
    named.insert("inter".to_owned(), term);
    let total = weighted.into_iter().reduce(|sum, term| sum + term).expect("the inter-modal term");
    Terms { total, named, measures: measures(embeddings) }
}
