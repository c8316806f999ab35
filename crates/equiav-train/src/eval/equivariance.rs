//! Whether features are equivariant: what a linear map reads of an augmentation's parameters from the features of both
//! views, and what a disturbed query still finds.
//!
//! An equivariant encoder keeps what an augmentation did, so that each slot of the parameter vector can be read from
//! the features of the plain and of the augmented view; an invariant one loses it. (Probing of parameters: Devillers
//! and Lefort, EquiMod, arXiv 2211.01244; Garrido et al., SIE, arXiv 2302.10283.)

mod figures;
mod ridge;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, ensure};
use equiav_augment::{Modality, Slot};
use equiav_data::{Clips, Dataset, Order, Sampler};
use equiav_eval::{Rank, Relevance, UnitRows};
use equiav_models::{Features, ViewKind};
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use tch::{Device, Kind, Tensor};

use crate::callback::Callback;
use crate::clips::{self, DeviceBatch, HostBatch, Input, TrainClips};
use crate::engine::narrowed;
use crate::eval::embeddings::{Variant, fixed_vectors};
use crate::eval::probe::array;
use crate::eval::ranking;
use crate::model::{LoadedModel, Network};
use crate::recipe::Settings;
pub use figures::{EquivarianceMetrics, GroupMetrics, QueryMetrics, SlotMetrics};

/// The epoch whose augmentations are probed: no training reaches it, so none of these draws was trained on.
const EPOCH: u64 = 1 << 32;

/// What is probed, and on how much.
#[derive(Clone, Debug)]
pub struct EquivarianceProbe {
    /// Clips to learn from, a manifest or shards; none for the recipe's own.
    pub train: Option<String>,
    /// The list to test on, a manifest or shards; none for the recipe's first.
    pub list: Option<String>,
    /// How many of the clips to learn from, at most.
    pub clips: usize,
}

/// What one network makes of the clips of one list.
#[derive(Default)]
struct Seen {
    /// `[n, 2 width]`: the features of the plain and of the augmented view.
    features: BTreeMap<Modality, Vec<Array2<f32>>>,
    /// `[n, P]`
    vectors: BTreeMap<Modality, Vec<Array2<f32>>>,
    /// `[n, out]`: inter-modal embeddings of the plain views, of the augmented ones.
    embeddings: [BTreeMap<Modality, Vec<Array2<f32>>>; 2],
}

/// Probes the networks of `runs`, each with a name; all on the clips and augmentations of the first one's recipe.
///
/// # Errors
///
/// If the clips cannot be had, networks take other inputs than the first one's, or libtorch fails.
pub fn equivariance(
    runs: &[(String, LoadedModel)],
    options: &EquivarianceProbe,
    callback: &mut dyn Callback,
) -> anyhow::Result<EquivarianceMetrics> {
    let (_, first) = runs.first().context("there is no run to probe")?;
    let recipe = &*first.recipe;
    let fresh = Network::new(recipe, first.network.store.device())?;
    let mut networks: Vec<(&str, &Network)> = Vec::new();
    for (name, run) in runs {
        ensure!(
            run.recipe.front_end == recipe.front_end
                && serde_json::to_value(&run.recipe.augment)?
                    == serde_json::to_value(&recipe.augment)?,
            "{name} takes other inputs or augmentations than {}: they cannot be compared",
            runs[0].0
        );
        networks.push((name, &run.network));
    }
    networks.push(("random", &fresh));
    let own = |run: &LoadedModel| Variant::of(&run.recipe);
    let variants = runs.iter().map(|(_, run)| own(run)).chain([own(first)]);
    let device = first.network.store.device();
    let embedders: Vec<Embedder<'_>> = networks
        .iter()
        .zip(variants)
        .map(|((_, network), variant)| Embedder {
            network,
            vectors: fixed_vectors(variant, recipe, device),
        })
        .collect();
    let [train, test] = options.datasets(recipe, callback)?;
    let train = seen(&train, options.clips, &embedders, (recipe, device))?;
    let test = seen(&test, usize::MAX, &embedders, (recipe, device))?;
    let each: Vec<[Seen; 2]> =
        train.into_iter().zip(test).map(|(train, test)| [train, test]).collect();
    let count = |seen: &Seen| {
        let blocks = seen.vectors.values().next().into_iter().flatten();
        blocks.map(Array2::nrows).sum()
    };
    Ok(EquivarianceMetrics {
        epochs: first.epoch,
        seed: recipe.seed,
        networks: networks.iter().map(|(name, _)| (*name).to_owned()).collect(),
        clips: (count(&each[0][0]), count(&each[0][1])),
        slots: slots(recipe, &each)?,
        queries: Modality::AUDIO_VISUAL
            .into_iter()
            .map(|query| queries(query, &each))
            .collect::<anyhow::Result<_>>()?,
    })
}

impl EquivarianceProbe {
    /// The clips to learn from and to test on.
    fn datasets(
        &self,
        recipe: &Settings,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<[Arc<Dataset>; 2]> {
        let open = |list: &String| Clips::open(list);
        let own =
            [self.train.as_ref().map(open).transpose()?, self.list.as_ref().map(open).transpose()?];
        let lists = match own {
            [Some(train), Some(list)] => [train, list],
            [train, list] => {
                let corpus = recipe.data.source.prepare(callback).context(
                    "the recipe's own lists (help: an exported model names none; give --train and --list)",
                )?;
                let measured = corpus.evaluate.into_iter().next().map(|(_, list)| list);
                let list = list.or(measured).context("there is no list to test on: give --list")?;
                [train.unwrap_or(corpus.train), list]
            }
        };
        let [train, list] = lists.map(|list| clips::dataset(recipe, list));
        Ok([train?, list?])
    }
}

/// A network, and how it embeds a clip.
struct Embedder<'a> {
    network: &'a Network,
    /// The set of vectors that every clip is embedded with, as the network's own loss between the modalities has it;
    /// drawn once.
    vectors: BTreeMap<Modality, Tensor>,
}

/// What each of `networks` makes of at most `most` clips of `dataset`, each with one augmentation; clips are read and
/// augmented once for all of them.
fn seen(
    dataset: &Arc<Dataset>,
    most: usize,
    networks: &[Embedder<'_>],
    (recipe, device): (&Settings, Device),
) -> anyhow::Result<Vec<Seen>> {
    let batch = recipe.evaluation.batch.min(dataset.len());
    let clips = TrainClips::Unlabeled {
        dataset: dataset.clone(),
        order: Order::Shuffled,
        options: clips::loader_options(&recipe.data),
    };
    let sampler = Sampler::new(recipe.seed, dataset.len(), batch);
    let mut all: Vec<Seen> = networks.iter().map(|_| Seen::default()).collect();
    let wanted = most.div_ceil(batch).min(sampler.batches());
    ensure!(wanted > 0, "fewer clips than a batch can be read");
    for host in clips.batches(sampler.pass(EPOCH, 0))?.take(wanted) {
        let host: HostBatch = host?;
        let batch = host.to_device(EPOCH, device);
        for (seen, embedder) in all.iter_mut().zip(networks) {
            tch::no_grad(|| seen.add(&batch, embedder, recipe))?;
        }
    }
    Ok(all)
}

impl Seen {
    fn add(
        &mut self,
        batch: &DeviceBatch,
        Embedder { network, vectors }: &Embedder<'_>,
        recipe: &Settings,
    ) -> anyhow::Result<()> {
        let device = network.store.device();
        for (modality, input) in &batch.inputs {
            let Input { plain, augmented: Some(augmented), vectors: Some(drawn), .. } = input
            else {
                anyhow::bail!("{modality} has no augmented views");
            };
            let branch = &network.branches[modality];
            let pooled = |values: &Tensor, view| {
                let tokens = branch.encode(values, view);
                branch.pool(&Features::new(tokens)).point.to_kind(Kind::Float)
            };
            let features = narrowed(device, recipe.compute.precision, || {
                let views = [(plain, ViewKind::Plain), (augmented, ViewKind::Augmented)];
                Tensor::cat(&views.map(|(input, view)| pooled(&input.values, view)), 1)
            });
            self.features.entry(*modality).or_default().push(array(&features)?);
            self.vectors.entry(*modality).or_default().push(array(drawn)?);
            for (embeddings, input) in self.embeddings.iter_mut().zip([plain, augmented]) {
                let embed = || branch.embed(&input.values, vectors.get(modality), None);
                let embedded = narrowed(device, recipe.compute.precision, embed);
                embeddings.entry(*modality).or_default().push(array(&embedded)?);
            }
        }
        Ok(())
    }
}

/// How well each network tells each slot.
fn slots(recipe: &Settings, each: &[[Seen; 2]]) -> anyhow::Result<Vec<SlotMetrics>> {
    let (front_end, augment) = (&recipe.front_end, &recipe.augment);
    let of = |modality: Modality| -> Vec<Slot> {
        match modality {
            Modality::AUDIO => augment.audio.slots_at(front_end.spectrogram_size()),
            _ => augment.visual.slots(),
        }
    };
    let mut all = Vec::new();
    for modality in Modality::AUDIO_VISUAL {
        let read = each.iter().map(|[train, test]| {
            let part = |seen: &Seen| {
                anyhow::Ok((
                    stacked(&seen.features[&modality])?,
                    stacked(&seen.vectors[&modality])?,
                ))
            };
            let (train, test) = (part(train)?, part(test)?);
            ridge::r2((&train.0, &train.1), (&test.0, &test.1))
        });
        let read = read.collect::<anyhow::Result<Vec<Vec<Option<f64>>>>>()?;
        let slots = of(modality);
        let groups = figures::groups(&slots);
        all.extend(slots.iter().zip(groups).enumerate().map(|(at, (slot, group))| SlotMetrics {
            modality,
            group,
            slot: slot.name.to_owned(),
            r2: read.iter().map(|slots| slots.get(at).copied().flatten()).collect(),
        }));
    }
    Ok(all)
}

/// What plain and augmented queries of one modality find, by each network.
fn queries(query: Modality, each: &[[Seen; 2]]) -> anyhow::Result<QueryMetrics> {
    let other =
        Modality::AUDIO_VISUAL.into_iter().find(|one| *one != query).context("one modality")?;
    let r1 = |seen: &Seen, asked: usize| -> anyhow::Result<f64> {
        let rows = |place: usize, modality| stacked(&seen.embeddings[place][&modality]);
        let (queries, gallery) = (rows(asked, query)?, rows(0, other)?);
        let unit = |rows: ArrayView2<'_, f32>| UnitRows::new("embeddings", rows);
        let relevance = Relevance::same(queries.nrows());
        let ranks = ranking::ranks(&unit(queries.view())?, &unit(gallery.view())?, &relevance)?;
        let first = ranks.rows_to_columns.iter().map(|rank: &Rank| rank.within(1)).sum::<f64>();
        Ok(first / ranks.rows_to_columns.len() as f64)
    };
    let all = |asked| each.iter().map(|[_, test]| r1(test, asked)).collect::<anyhow::Result<_>>();
    Ok(QueryMetrics { query, plain_r1: all(0)?, disturbed_r1: all(1)? })
}

fn stacked(blocks: &[Array2<f32>]) -> anyhow::Result<Array2<f32>> {
    let views: Vec<ArrayView2<'_, f32>> = blocks.iter().map(Array2::view).collect();
    Ok(concatenate(Axis(0), &views)?)
}
