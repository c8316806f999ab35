//! From the embeddings of one batch to named terms and their weighted sum.

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_loss::{Contrast, Keys, Temperature, info_nce, nt_xent};
use equiav_models::Embeddings;
use tch::{Kind, Tensor};

use crate::settings::Settings;

/// The terms of one batch, still on the graph.
#[derive(Debug)]
pub struct Terms {
    /// The weighted sum, to be differentiated, `[]`.
    pub total: Tensor,
    /// Each term by its name: `inter`, `intra_audio`, `intra_visual`.
    pub named: BTreeMap<String, Contrast>,
}

/// The terms of one batch as plain numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The weighted sum.
    pub loss: f64,
    /// Loss and share of anchors that find their positive first, by the term's name.
    pub terms: BTreeMap<String, (f64, f64)>,
}

impl Terms {
    /// The numbers; waits for the device once.
    pub fn figures(&self) -> Figures {
        let each = self.named.values().flat_map(|term| [&term.loss, &term.top1]);
        let all: Vec<Tensor> = std::iter::once(&self.total)
            .chain(each)
            .map(|value| value.detach().to_kind(Kind::Double).reshape([1i64]))
            .collect();
        let numbers = Vec::<f64>::try_from(Tensor::cat(&all, 0)).expect("a row of doubles");
        let (pairs, _) = numbers[1..].as_chunks::<2>();
        let named = self.named.keys().cloned();
        let terms = named.zip(pairs.iter().map(|[loss, top1]| (*loss, *top1))).collect();
        Figures { loss: numbers[0], terms }
    }
}

/// Sums the recipe's losses over `embeddings`, at the learned temperature or else the recipe's.
///
/// ```text
/// total = w_inter InfoNCE(z̄_audio, z̄_visual) + Σ_modality w_modality NT-Xent(ẑ, z')
/// ```
pub fn terms(
    embeddings: &BTreeMap<Modality, Embeddings>,
    learned_temperature: Option<&Tensor>,
    recipe: &Settings,
) -> Terms {
    let fixed = Temperature::Fixed(recipe.objective.temperature);
    let temperature = learned_temperature.map_or(fixed, Temperature::Learned);
    let weights = recipe.objective.weights;
    let mut named = BTreeMap::new();
    let mut weighted = Vec::new();
    for (modality, embedding) in embeddings {
        if let Some(pair) = &embedding.intra {
            let keys = Keys::own(&pair.predicted, &pair.augmented);
            let term = nt_xent(&pair.predicted, &pair.augmented, &keys, temperature);
            weighted.push(&term.loss * weights.intra(*modality));
            named.insert(format!("intra_{modality}"), term);
        }
    }
    // PUBLISHED: keys-without-gradient, the published code gathers these keys without gradient.
    let (audio, visual) =
        (&embeddings[&Modality::Audio].inter, &embeddings[&Modality::Visual].inter);
    let term = info_nce(audio, visual, &Keys::own(audio, visual), temperature);
    weighted.push(&term.loss * weights.inter);
    named.insert("inter".to_owned(), term);
    let total = weighted.into_iter().reduce(|sum, term| sum + term).expect("the inter-modal term");
    Terms { total, named }
}
