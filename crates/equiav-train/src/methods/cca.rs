//! Canonical correlation analysis with trained encoders, and its relatives: DCCA (Andrew et al., ICML 2013), DCCAE, CorrAE,
//! DistAE, SplitAE (Wang et al., ICML 2015), S-DCCA (Zeng et al., arXiv 1908.03744).
//!
//! One loss over an estimate of covariances and a number that is made of canonical correlations, beside reconstruction.
//! What is compared afterwards is a linear CCA of what the heads make of training clips, fitted at each evaluation and saved as
//! readouts: the correlation of a batch is biased and is nowhere reported. docs/methods/cca.md has the formulas.

mod agreement;
mod decoders;
mod settings;

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_cca::{Covariances, LinearCca};
use ndarray::Array2;
use tch::{Device, Kind, Tensor, nn};

use self::decoders::Decoders;
pub use self::settings::{Agreement, CcaSettings, CodeDecoder, Sum};
use super::classes::{self, Classes};
use super::named::MethodSection;
use super::towers::Towers;
use crate::callback::Callback;
use crate::clips::{DeviceBatch, EvaluationLists, HeldOut, RunClips};
use crate::engine::{Gather, Gathered, Method, Named, Needs, StepContext, Term, seeded};
use crate::eval::embeddings::Embedded;
use crate::metrics::{Metric, Metrics};
use crate::recipe::MethodSettings;

/// The term of what pulls codes together.
pub const AGREEMENT: &str = "agreement";
/// What the fitted covariances are raised by, as a share of a column's mean variance: their inverse is needed.
const FIT_RIDGE: f64 = 1e-6;

/// The CCA family over towers.
#[derive(Debug)]
pub struct Cca {
    /// Encoders, heads and readouts.
    pub towers: Towers,
    settings: CcaSettings,
    decoders: Option<Decoders>,
    classes: Option<Classes>,
    /// The covariances of the steps before, and those that the step under way makes of them.
    running: Option<Covariances>,
    next: Option<Covariances>,
}

impl Cca {
    /// The method of `settings` over `towers` of two modalities, whose codes are reconstructed to as many numbers as
    /// `inputs` says of each where there are decoders.
    ///
    /// # Errors
    ///
    /// If there are not two modalities, or their codes differ in length.
    pub fn new(
        towers: Towers,
        settings: CcaSettings,
        inputs: &[(Modality, i64)],
    ) -> anyhow::Result<Self> {
        let modalities = towers.modalities();
        ensure!(modalities.len() == 2, "the method compares two modalities, not {modalities:?}");
        let decoders = settings.decoder.as_ref();
        let decoders =
            decoders.map(|decoder| Decoders::new(&towers, decoder, inputs)).transpose()?;
        Ok(Self { towers, settings, decoders, classes: None, running: None, next: None })
    }

    fn pair<'a>(&self, rows: impl Fn(&str) -> &'a Tensor) -> [&'a Tensor; 2] {
        let modalities = self.towers.modalities();
        [0, 1].map(|side: usize| rows(&format!("code_{}", modalities[side])))
    }

    /// The covariances of a step, on the graph of its own rows.
    fn covariances(&mut self, all: &Gathered) -> Covariances {
        let [a, b] = self.pair(|name| all.rows(name));
        let now = Covariances::of_rows(a, b);
        let Agreement::Correlation { running, pair_share, .. } = self.settings.agreement else {
            return now;
        };
        let now = if self.settings.needs_labels() {
            now.mixed((a, b), all.rows("classes"), pair_share)
        } else {
            now
        };
        let Some(momentum) = running else { return now };
        let next = match &self.running {
            Some(before) => now.after(before, momentum),
            None => now,
        };
        self.next = Some(next.detached());
        next
    }

    /// Fits the readouts on what the heads make of training clips.
    fn fit(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<()> {
        let modalities = self.towers.modalities();
        let branches = [0, 1].map(|side: usize| &self.towers.network.branches[&modalities[side]]);
        let [Some(a), Some(b)] = branches.map(|branch| branch.readout()) else { return Ok(()) };
        let all =
            lists.embed_train(self.settings.fit_clips, self.device(), |batch| self.codes(batch))?;
        let rows = |name: &str| tensor(&all.rows[name]);
        let codes = [0, 1].map(|side: usize| rows(&format!("code_{}", modalities[side])));
        let [x, y] = codes.map(|code| code.to_kind(Kind::Double));
        let mut covariances = Covariances::of_rows(&x, &y);
        if let (Agreement::Correlation { pair_share, .. }, Some(classes)) =
            (&self.settings.agreement, all.rows.get("classes"))
        {
            covariances = covariances.mixed((&x, &y), &tensor(classes), *pair_share);
        }
        let fitted = LinearCca::of_covariances(&covariances, (&x, &y), FIT_RIDGE)
            .context("fitting the readouts on training clips")?;
        let components = a.components();
        ensure!(components <= fitted.components(), "model.readout = {components}: too many");
        for (readout, (mean, weights)) in
            [a, b].into_iter().zip(fitted.truncated(components).maps())
        {
            readout.set(mean, weights)?;
        }
        Ok(())
    }

    /// What the heads make of plain views, and the classes where they count.
    fn codes(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let heads = self.towers.heads(batch).into_iter();
        let mut rows: Named =
            heads.map(|(modality, code)| (format!("code_{modality}"), code)).collect();
        if self.settings.needs_labels() {
            rows.insert("classes".to_owned(), classes::shares(batch, self.classes.as_ref())?);
        }
        Ok(rows)
    }

    fn device(&self) -> Device {
        self.towers.network.store.device()
    }
}

impl MethodSection for CcaSettings {
    const NAME: &'static str = "cca";
    type Method = Cca;

    fn check(recipe: &MethodSettings<Self>) -> anyhow::Result<()> {
        let towers =
            recipe.model.as_ref().context("the method needs networks (help: a section [model])")?;
        recipe.method.check(towers.head.outputs(towers.encoder.width), recipe.run.batch)
    }

    fn build(
        recipe: &MethodSettings<Self>,
        device: Device,
        clips: &RunClips,
    ) -> anyhow::Result<Cca> {
        let numbers = |(modality, kind): (Modality, equiav_frontend::InputKind)| {
            let (channels, height, width) = kind.shape(&recipe.front_end);
            (modality, (channels * height * width) as i64)
        };
        let inputs: Vec<_> =
            crate::recipe::inputs(&recipe.modality).into_iter().map(numbers).collect();
        let towers = Towers::of(recipe, device)?;
        // Decoders have a stream of their own, so that towers begin alike with and without them.
        let seed = recipe.seed.wrapping_add(1);
        let mut cca = seeded(seed, || Cca::new(towers, recipe.method.clone(), &inputs))?;
        if recipe.method.needs_labels() {
            cca.classes = Classes::of(clips)?;
        }
        Ok(cca)
    }
}

impl Method for Cca {
    fn needs(&self) -> Needs {
        let labels = self.settings.needs_labels() && self.classes.is_none();
        Needs { modalities: self.towers.modalities(), augmented: false, labels }
    }

    fn variables(&self) -> &nn::VarStore {
        &self.towers.network.store
    }

    fn start(&mut self, _: &mut dyn Callback) -> anyhow::Result<()> {
        self.towers.start()
    }

    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let mut rows = self.codes(batch)?;
        if let Some(decoders) = &self.decoders {
            let errors = decoders.errors(&rows, batch);
            rows.extend(errors);
        }
        Ok(rows)
    }

    fn gather(&self, name: &str) -> Gather {
        match name {
            _ if name.starts_with("code_") => Gather::WithGradient,
            "classes" => Gather::Constant,
            _ => Gather::Own,
        }
    }

    /// `L = agreement(codes of the global batch) + Σ_modality weight_modality mean |x - decoder(code)|²`
    fn terms(
        &mut self,
        own: &Named,
        all: &Gathered,
        _: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let agreement = self.settings.agreement.clone();
        let codes = self.pair(|name| all.rows(name));
        let covariances = || self.covariances(all);
        let pulled = agreement::loss(&agreement, codes, covariances)?;
        let term = |name: String, loss| Term { name, loss, accuracy: None };
        let mut terms: Vec<Term> =
            pulled.map(|loss| term(AGREEMENT.to_owned(), loss)).into_iter().collect();
        let errors = own.iter().filter(|(name, _)| name.starts_with(decoders::TERM));
        terms.extend(errors.map(|(name, errors)| term(name.clone(), errors.mean(Kind::Float))));
        Ok(terms)
    }

    fn term_names(&self) -> Vec<String> {
        let reconstructed = self.towers.modalities().into_iter().map(decoders::term);
        [AGREEMENT.to_owned()].into_iter().chain(reconstructed).collect()
    }

    fn measures(&self, own: &Named) -> Named {
        self.towers.spreads(own, "code")
    }

    fn step_end(&mut self, _: &StepContext<'_>) -> anyhow::Result<()> {
        if let Some(next) = self.next.take() {
            self.running = Some(next);
        }
        Ok(())
    }

    fn state(&self) -> Named {
        let named = |covariances: &Covariances| {
            let Covariances { aa, bb, ab } = covariances;
            [("aa", aa), ("bb", bb), ("ab", ab)]
                .map(|(name, value)| (name.to_owned(), value.shallow_clone()))
                .into()
        };
        self.running.as_ref().map(named).unwrap_or_default()
    }

    fn load(&mut self, mut state: Named) -> anyhow::Result<()> {
        self.next = None;
        if state.is_empty() {
            self.running = None;
            return Ok(());
        }
        let mut take = |name: &str| {
            let there = state.remove(name).map(|value| value.to_device(self.device()));
            there.with_context(|| format!("the running covariance `{name}` is missing"))
        };
        self.running = Some(Covariances { aa: take("aa")?, bb: take("bb")?, ab: take("ab")? });
        Ok(())
    }

    /// Retrieval by the readouts, and `canonical_correlation`, the sum of the correlations of their outputs.
    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        tch::no_grad(|| self.fit(lists))?;
        self.towers.evaluate(lists, |embedded, _| Ok(correlation(embedded).into_iter().collect()))
    }

    fn online_cost(&self) -> Option<f64> {
        Some(0.5)
    }

    fn evaluate_online(&self, held_out: &HeldOut<'_>) -> anyhow::Result<Vec<Metric>> {
        self.towers.evaluate_online(held_out)
    }
}

/// The sum over columns of the correlations between two modalities' embeddings; none of fewer than three clips, whose columns
/// correlate whatever they are.
fn correlation(embedded: &Embedded) -> Option<Metric> {
    let rows: Vec<_> = embedded.rows.values().filter(|rows| rows.nrows() > 2).collect();
    let [a, b] = rows[..] else { return None };
    let column = |(x, y): (ndarray::ArrayView1<'_, f32>, ndarray::ArrayView1<'_, f32>)| {
        let centered = |column: ndarray::ArrayView1<'_, f32>| {
            let column = column.mapv(f64::from);
            let mean = column.mean().unwrap_or_default();
            column - mean
        };
        let (x, y) = (centered(x), centered(y));
        let lengths = (x.dot(&x) * y.dot(&y)).sqrt();
        if lengths > 0.0 { x.dot(&y) / lengths } else { 0.0 }
    };
    let sum = a.columns().into_iter().zip(b.columns()).map(column).sum();
    Some(Metric::new("canonical_correlation", sum))
}

fn tensor(rows: &Array2<f32>) -> Tensor {
    Tensor::try_from(rows).expect("rows in standard order")
}
