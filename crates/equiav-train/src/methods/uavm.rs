//! A unified audio-visual model (Gong et al., arXiv 2208.00061): a classifier whose upper blocks are the same for sound and picture,
//! and which sees one of both at a time.
//!
//! What is shared is the recipe's `model.encoder.shared_from`; without it the method trains encoders that have nothing in common,
//! which it is to be compared with. docs/methods/uavm.md tells what of it is published.

mod classifier;
mod settings;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use equiav_augment::random::{below, beta, unit};
use equiav_augment::{Modality, Purpose, stream};
use equiav_data::{Clips, Visit};
use equiav_loss::{binary_cross_entropy, cross_entropy};
use ndarray::Array2;
use tch::{Device, Kind, Tensor, nn};

use self::classifier::Classifier;
pub use self::settings::UavmSettings;
use super::classes::{self, Classes};
use super::named::MethodSection;
use super::towers::Towers;
use crate::callback::Callback;
use crate::clips::{DeviceBatch, EvaluationLists, HeldOut, Input, InputView, RunClips};
use crate::engine::{Gather, Gathered, Method, Named, Needs, StepContext, Term, seeded};
use crate::eval::embeddings::Embedded;
use crate::metrics::{Metric, Metrics};
use crate::recipe::MethodSettings;

/// The rows of class scores, and the term of their loss.
const SCORES: &str = "scores";
const TERM: &str = "class";
/// Both parameters of the distribution of shares in a mixture.
const BETA: f64 = 10.0;

/// A classifier over towers that sees one modality a step.
#[derive(Debug)]
pub struct Uavm {
    /// The encoders; pooled tokens are what is classified.
    pub towers: Towers,
    settings: UavmSettings,
    seed: u64,
    classifiers: BTreeMap<Modality, Classifier>,
    classes: Option<Classes>,
    /// What the step under way sees.
    seen: Modality,
    /// Of the step under way, by clip: the row of whom it is mixed with, and how much of itself is left.
    mixed: BTreeMap<usize, (usize, f64)>,
    /// The views of the step under way, and their labels, where any is mixed.
    whole: Option<[Tensor; 2]>,
}

impl Uavm {
    /// The method of `settings` over `towers` for so many `classes`, with what it draws keyed by `seed`.
    ///
    /// # Errors
    ///
    /// If there are not sound and picture, or one classifier is to take tokens of two widths.
    pub fn new(
        towers: Towers,
        settings: UavmSettings,
        classes: usize,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let modalities = towers.modalities();
        ensure!(
            modalities == Modality::AUDIO_VISUAL,
            "the method sees sounds or pictures, not {modalities:?}"
        );
        let widths = modalities
            .clone()
            .into_iter()
            .map(|modality| towers.network.branches[&modality].encoder().width());
        let widths: Vec<i64> = widths.collect();
        ensure!(
            settings.own_classifiers || widths[0] == widths[1],
            "one classifier takes encoders of one width, not of {widths:?} (help: method.own_classifiers = true)"
        );
        let classifier = |(modality, width): (Modality, i64)| {
            let name = if settings.own_classifiers { modality.name() } else { "all" };
            let path = towers.own_variables() / format!("classifier_{name}");
            (modality, Classifier::new(&path, width, classes as i64))
        };
        let classifiers = modalities.into_iter().zip(widths).map(classifier).collect();
        let (seen, mixed) = (Modality::AUDIO, BTreeMap::new());
        Ok(Self { towers, settings, seed, classifiers, classes: None, seen, mixed, whole: None })
    }

    /// The class scores of pooled tokens of `modality`, `[n, width]`.
    pub fn scores(&self, modality: Modality, pooled: &Tensor) -> Tensor {
        self.classifiers[&modality].forward(pooled)
    }

    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        self.towers.network.parameters()
    }

    /// Draws who is mixed with whom, in the whole batch of this rank.
    fn mix(&mut self, batch: &DeviceBatch) -> anyhow::Result<()> {
        self.mixed.clear();
        self.whole = None;
        if self.settings.mixup == 0.0 {
            return Ok(());
        }
        for visit in &batch.visits {
            let mut rng = stream(self.seed, visit.key(), visit.clip as u64, Purpose::Mix);
            if unit(&mut rng) < self.settings.mixup {
                let partner = below(batch.visits.len(), &mut rng);
                self.mixed.insert(visit.clip, (partner, beta(BETA, &mut rng)));
            }
        }
        let views = batch.inputs[&self.seen].plain.values.shallow_clone();
        self.whole = Some([views, classes::shares(batch, self.classes.as_ref())?]);
        Ok(())
    }

    /// `own` rows, those of the clips of `visits`, mixed with rows of the `whole` batch.
    fn mixture(&self, own: &Tensor, whole: &Tensor, visits: &[Visit]) -> Tensor {
        let of = |visit: &Visit| self.mixed.get(&visit.clip).copied().unwrap_or((0, 1.0));
        let partners: Vec<i64> = visits.iter().map(|visit| of(visit).0 as i64).collect();
        let shares: Vec<f32> = visits.iter().map(|visit| of(visit).1 as f32).collect();
        let partners =
            whole.index_select(0, &Tensor::from_slice(&partners).to_device(own.device()));
        let mut shape = vec![1; own.dim()];
        shape[0] = visits.len() as i64;
        let shares = Tensor::from_slice(&shares).view(shape.as_slice()).to_device(own.device());
        own * &shares + partners * (1.0 - shares)
    }

    /// What is learned of a batch, `[b, classes]`.
    fn targets(&self, batch: &DeviceBatch) -> anyhow::Result<Tensor> {
        let mut targets = classes::shares(batch, self.classes.as_ref())?;
        if let Some([_, whole]) = &self.whole {
            targets = self.mixture(&targets, whole, &batch.visits);
        }
        let (smoothing, count) = (self.settings.smoothing, targets.size()[1] as f64);
        Ok(targets * (1.0 - smoothing) + smoothing / count)
    }

    /// The shares of clips whose best class is theirs, by each modality and by the mean of both scores, with intervals.
    fn accuracies(&self, embedded: &Embedded, clips: &Clips) -> anyhow::Result<Vec<Metric>> {
        let Some(classes) = &self.classes else { return Ok(Vec::new()) };
        let Some(labels) = classes.single(clips, &embedded.clips) else { return Ok(Vec::new()) };
        let scores = |(modality, rows): (&Modality, &Array2<f32>)| {
            let rows = Tensor::try_from(rows).expect("rows in standard order");
            let device = self.towers.network.store.device();
            let scores = tch::no_grad(|| self.scores(*modality, &rows.to_device(device)));
            (modality.to_string(), scores.to_kind(Kind::Double))
        };
        let mut all: Vec<(String, Tensor)> = embedded.rows.iter().map(scores).collect();
        if let [(_, a), (_, b)] = &all[..] {
            all.push(("both".to_owned(), (a + b) / 2.0));
        }
        let metric = |(name, scores): (String, Tensor)| {
            let best: Vec<i64> = Vec::try_from(scores.argmax(1, false))?;
            let hits =
                best.iter().zip(&labels).map(|(best, label)| f64::from(u8::from(best == label)));
            let hits: Vec<f64> = hits.collect();
            let found = equiav_eval::localization::Figure::of(
                &hits,
                self.seed,
                equiav_eval::localization::mean,
            );
            let interval = found.low.zip(found.high);
            anyhow::Ok(Metric { name: format!("{name}/top1"), value: found.value, interval })
        };
        all.into_iter().map(metric).collect()
    }
}

impl MethodSection for UavmSettings {
    const NAME: &'static str = "uavm";
    type Method = Uavm;

    fn check(recipe: &MethodSettings<Self>) -> anyhow::Result<()> {
        let towers =
            recipe.model.as_ref().context("the method needs networks (help: a section [model])")?;
        ensure!(
            towers.head.kind == equiav_models::HeadKind::None && towers.readout.is_none(),
            "model.head: pooled tokens are classified as they are (help: model.head.kind = \"none\")"
        );
        recipe.method.check()
    }

    fn build(
        recipe: &MethodSettings<Self>,
        device: Device,
        clips: &RunClips,
    ) -> anyhow::Result<Uavm> {
        let towers = Towers::of(recipe, device)?;
        let classes = Classes::of(clips)?.context("the method needs labeled clips")?;
        let build = || Uavm::new(towers, recipe.method.clone(), classes.count(), recipe.seed);
        let mut method = seeded(recipe.seed.wrapping_add(1), build)?;
        method.classes = Some(classes);
        Ok(method)
    }
}

impl Method for Uavm {
    fn needs(&self) -> Needs {
        let labels = self.classes.is_none();
        Needs { modalities: self.towers.modalities(), augmented: false, labels }
    }

    fn variables(&self) -> &nn::VarStore {
        &self.towers.network.store
    }

    fn rows_are_independent(&self) -> bool {
        true
    }

    fn start(&mut self, _: &mut dyn Callback) -> anyhow::Result<()> {
        self.towers.start()
    }

    /// Throws the coin, which all ranks throw alike, and draws mixtures.
    fn step_start(&mut self, step: &StepContext<'_>) -> anyhow::Result<()> {
        let mut coin = stream(self.seed, step.step, 0, Purpose::Coin);
        let audio = unit(&mut coin) < self.settings.audio_share;
        self.seen = if audio { Modality::AUDIO } else { Modality::VISUAL };
        self.mix(step.batch)
    }

    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let Input { plain, .. } = &batch.inputs[&self.seen];
        let values = match &self.whole {
            Some([whole, _]) => self.mixture(&plain.values, whole, &batch.visits),
            None => plain.values.shallow_clone(),
        };
        let view =
            InputView { values, material: plain.material.as_ref().map(Tensor::shallow_clone) };
        let features = self.towers.features(self.seen, &view);
        let pooled = self.towers.network.branches[&self.seen].pool(&features).point;
        Ok(Named::from([(SCORES.to_owned(), self.scores(self.seen, &pooled))]))
    }

    fn gather(&self, _: &str) -> Gather {
        Gather::Own
    }

    /// `L = cross-entropy(scores of the one modality that is seen, labels)`
    fn terms(
        &mut self,
        own: &Named,
        _: &Gathered,
        step: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let targets = self.targets(step.batch)?;
        let found = match self.settings.multilabel {
            true => binary_cross_entropy(&own[SCORES], &targets),
            false => cross_entropy(&own[SCORES], &targets),
        };
        Ok(vec![Term::contrast(TERM, found)])
    }

    fn term_names(&self) -> Vec<String> {
        vec![TERM.to_owned()]
    }

    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        self.towers.evaluate(lists, |embedded, clips| self.accuracies(embedded, clips))
    }

    fn online_cost(&self) -> Option<f64> {
        Some(1.0)
    }

    fn evaluate_online(&self, held_out: &HeldOut<'_>) -> anyhow::Result<Vec<Metric>> {
        self.towers.evaluate_online(held_out)
    }
}
