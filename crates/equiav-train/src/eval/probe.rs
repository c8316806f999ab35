//! What frozen features know of classes: a linear probe and nearest neighbors on pooled plain tokens.
//!
//! Every choice (learning rate, number of neighbors) is made on a validation part of the training list;
//! each test list is measured once, with what was chosen.

mod cache;
mod features;
mod linear;
mod neighbors;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_data::{Clips, Labels, Split, Targets, TrainOverlap};
use ndarray::{Array2, Axis};
use serde::Serialize;

use crate::callback::Callback;
use crate::clips;
use crate::clips::corpus::labels;
use crate::eval::classification::{ClassScores, ClassificationMetrics};
use crate::model::LoadedModel;
use crate::model::Network;
use crate::recipe::{ClassLoss, Settings};
use cache::Cache;
use features::Features;
pub(crate) use features::array;

/// What is probed, and on how much.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Clips to learn from, a manifest or shards; none for the recipe's own.
    pub train: Option<String>,
    /// Lists to test on, each a manifest or shards; none for the recipe's own.
    pub lists: Vec<String>,
    /// The table of classes; none for that of a corpus made on the spot.
    pub labels: Option<PathBuf>,
    /// The share of the training list that choices are made on, above 0 and below 1.
    pub validation: f64,
    /// Clips of each class to learn from; none for all.
    pub per_class: Option<usize>,
    /// The seed of that choice.
    pub seed: u64,
    /// Whether a fresh network of the same recipe is probed instead, for comparison.
    pub random: bool,
}

/// The figures of one way to tell classes from one kind of features.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeMetrics {
    /// What was seen: `audio`, `visual` or `both`.
    pub input: &'static str,
    /// How classes were told: `linear` or `neighbors`.
    pub method: &'static str,
    /// What was chosen on the validation clips, such as `lr 0.01`.
    pub chosen: String,
    /// Clips learned from.
    pub clips: usize,
    /// The figures of the validation clips.
    pub validation: ClassificationMetrics,
    /// The figures of every test list.
    pub test: Vec<ClassificationMetrics>,
}

/// The features of one list with its classes.
struct Known {
    name: String,
    digest: String,
    /// With the list that is learned from; none of that one.
    overlap: Option<TrainOverlap>,
    targets: Targets,
    features: Features,
}

/// Some clips of a list, as one way of probing sees them.
pub(crate) struct Part {
    /// The position of each row's clip in its list.
    pub(crate) clips: Vec<usize>,
    /// `[clips, width]`.
    pub(crate) rows: Array2<f32>,
    /// How much of each class is in each clip, `[clips, classes]`.
    pub(crate) targets: Array2<f32>,
}

/// Probes the network of `trained`, whose run or export is the folder `run`: features are kept there, under
/// `features/`.
///
/// # Errors
///
/// If the corpus or the labels cannot be had, a part has no clip, or libtorch fails.
pub fn probe(
    trained: &LoadedModel,
    run: &Path,
    options: &Probe,
    callback: &mut dyn Callback,
) -> anyhow::Result<Vec<ProbeMetrics>> {
    let share = options.validation;
    ensure!(share > 0.0 && share < 1.0, "--validation {share}: expected above 0 and below 1");
    let recipe = &*trained.recipe;
    let (clips, lists) = options.clips(recipe, callback)?;
    let labels = labels(options.labels.as_deref(), &recipe.data.source)?;
    let device = trained.network.store.device();
    let fresh = options.random.then(|| Network::new(recipe, device)).transpose()?;
    let network = fresh.as_ref().unwrap_or(&trained.network);
    let cache = match options.random {
        true => Cache::untrained(run, recipe),
        false => Cache::of(run, trained)?,
    };
    let frozen = Frozen { network, recipe, labels, cache };
    let mut known = |name: &str, clips: Clips| frozen.known(name, clips, callback);
    let train = known("train", clips.clone())?;
    let test = lists.into_iter().map(|(name, list)| {
        let overlap = Some(TrainOverlap::of(&list, &clips));
        Ok(Known { overlap, ..known(&name, list)? })
    });
    let test: Vec<Known> = test.collect::<anyhow::Result<_>>()?;
    let split = Split::draw(&train.targets, options.seed, share, options.per_class);
    let mut all = Vec::new();
    for (input, modalities) in [
        ("audio", &[Modality::AUDIO][..]),
        ("visual", &[Modality::VISUAL]),
        ("both", &Modality::AUDIO_VISUAL),
    ] {
        let parts = Parts::new(&train, &split, &test, modalities)?;
        all.push(parts.probed(input, "linear", &linear::SWEEP, linear::fit)?);
        all.push(parts.probed(input, "neighbors", &neighbors::SWEEP, neighbors::fit)?);
    }
    Ok(all)
}

impl Probe {
    /// What is learned from, and the named lists that are tested on.
    fn clips(
        &self,
        recipe: &Settings,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<(Clips, Vec<(String, Clips)>)> {
        let open = |list: &String| Ok((list.clone(), Clips::open(list)?));
        let own = self.lists.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
        if let (Some(train), false) = (&self.train, own.is_empty()) {
            return Ok((Clips::open(train)?, own));
        }
        let corpus = recipe.data.source.prepare(callback).context(
            "the recipe's own lists (help: an exported model names none; give --train and --list)",
        )?;
        let train = self.train.as_ref().map(|train| Clips::open(train)).transpose()?;
        let test = if own.is_empty() { corpus.evaluate } else { own };
        Ok((train.unwrap_or(corpus.train), test))
    }
}

/// A network that learns nothing any more, and where its features are kept.
struct Frozen<'a> {
    network: &'a Network,
    recipe: &'a Settings,
    labels: Labels,
    cache: Cache,
}

impl Frozen<'_> {
    /// The features and classes of the clips called `name`.
    fn known(
        &self,
        name: &str,
        clips: Clips,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<Known> {
        let targets = Targets::of(&clips, &self.labels).with_context(|| format!("in `{name}`"))?;
        let digest = clips.digest();
        let dataset = clips::dataset(self.recipe, clips)?;
        let make = || features::features(dataset, self.network, self.recipe);
        let features = self.cache.get(&digest, callback, make)?;
        ensure!(!features.clips.is_empty(), "no clip of `{name}` can be read");
        Ok(Known { name: name.to_owned(), digest, overlap: None, targets, features })
    }
}

/// What one kind of features is learned from, chosen by and tested on.
struct Parts<'a> {
    loss: ClassLoss,
    train: Part,
    validation: (&'a Known, Part),
    test: Vec<(&'a Known, Part)>,
}

/// What scores the rows of a part: `[n, classes]`.
type Score = Box<dyn Fn(&Part) -> anyhow::Result<Array2<f32>>>;

/// What was learned with one setting.
struct Learned {
    setting: f64,
    score: Score,
    validation: ClassificationMetrics,
}

/// A way to score the rows of one part after having learned from another, with a setting.
type Fit = fn(&Part, ClassLoss, f64) -> anyhow::Result<Score>;

impl<'a> Parts<'a> {
    fn new(
        train: &'a Known,
        split: &Split,
        test: &'a [Known],
        modalities: &[Modality],
    ) -> anyhow::Result<Self> {
        let all = |list: &Known| (0..list.targets.clips()).collect::<Vec<_>>();
        let whole = |list: &'a Known| Ok((list, list.part(&all(list), modalities)?));
        Ok(Self {
            loss: if train.targets.are_exclusive() { ClassLoss::Ce } else { ClassLoss::Bce },
            train: train.part(&split.train, modalities).context("the training clips")?,
            validation: (
                train,
                train.part(&split.validation, modalities).context("the validation clips")?,
            ),
            test: test.iter().map(whole).collect::<anyhow::Result<_>>()?,
        })
    }

    /// Learns with every setting of `sweep` and tests the one that is best on the validation clips.
    fn probed(
        &self,
        input: &'static str,
        method: &'static str,
        sweep: &[f64],
        fit: Fit,
    ) -> anyhow::Result<ProbeMetrics> {
        let mut best: Option<(f64, Learned)> = None;
        for setting in sweep {
            let score = fit(&self.train, self.loss, *setting)?;
            let scores = score(&self.validation.1)?;
            let targets = &self.validation.0.targets;
            let validation = scored("validation", &self.validation, scores).metrics(targets)?;
            let value = validation.top1.unwrap_or(validation.map);
            if best.as_ref().is_none_or(|(found, _)| value > *found) {
                best = Some((value, Learned { setting: *setting, score, validation }));
            }
        }
        let (_, learned) = best.context("there is nothing to choose from")?;
        let Learned { setting, score, validation } = learned;
        let tested = |list: &(&Known, Part)| {
            let scores = scored(&list.0.name, list, score(&list.1)?);
            let figures = scores.metrics_with_intervals(&list.0.targets)?;
            Ok(ClassificationMetrics { overlap: list.0.overlap.clone(), ..figures })
        };
        let name = if method == "linear" { "lr" } else { "k" };
        Ok(ProbeMetrics {
            input,
            method,
            chosen: format!("{name} {setting}"),
            clips: self.train.clips.len(),
            validation,
            test: self.test.iter().map(tested).collect::<anyhow::Result<_>>()?,
        })
    }
}

/// The `scores` of a part of a list.
fn scored(name: &str, (list, part): &(&Known, Part), scores: Array2<f32>) -> ClassScores {
    ClassScores {
        list: name.to_owned(),
        listed: part.clips.len() + list.features.skipped.len(),
        digest: list.digest.clone(),
        skipped: list.features.skipped.clone(),
        clips: part.clips.clone(),
        scores,
    }
}

impl Known {
    /// Those of the clips at `positions` whose features are known.
    fn part(&self, positions: &[usize], modalities: &[Modality]) -> anyhow::Result<Part> {
        let place = |clip: &usize| Some((self.features.clips.binary_search(clip).ok()?, *clip));
        let (places, clips): (Vec<usize>, Vec<usize>) = positions.iter().filter_map(place).unzip();
        ensure!(!clips.is_empty(), "no clip of them can be read, or none was chosen");
        let blocks: Vec<Array2<f32>> = modalities
            .iter()
            .map(|modality| self.features.rows[modality].select(Axis(0), &places))
            .collect();
        let views: Vec<_> = blocks.iter().map(Array2::view).collect();
        let targets = clips.iter().flat_map(|clip| self.targets.mixed(*clip, None, 0.0)).collect();
        let shape = (clips.len(), self.targets.count());
        Ok(Part {
            rows: ndarray::concatenate(Axis(1), &views)?,
            targets: Array2::from_shape_vec(shape, targets)?,
            clips,
        })
    }
}
