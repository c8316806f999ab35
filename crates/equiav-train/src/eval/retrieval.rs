//! Zero-shot retrieval: ranks the embeddings of each modality by the other's.

mod collapse;

use std::sync::Arc;

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_data::{Clips, Dataset, TrainOverlap};
use equiav_eval::{Bootstrap, ConfidenceInterval, Coverage, Rank, Relevance, Retrieval, UnitRows};
use serde::{Deserialize, Serialize};
use tch::Device;

use self::collapse::collapse;
use crate::callback::Callback;
use crate::clips::{self, DeviceBatch, EvaluationLists};
use crate::distributed::World;
use crate::engine::{Named, narrowed};
use crate::eval::embeddings::{Embedded, Variant, embed_as, embed_sharded};
use crate::eval::{online, ranking};
use crate::metrics::{ListMetrics, Metric, Metrics};
use crate::model::LoadedModel;
use crate::model::Network;
use crate::recipe::{Evaluation, Settings};

/// The retrieval figures of one list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RetrievalMetrics {
    /// The list's name in the recipe.
    pub list: String,
    /// Of how many of its clips.
    #[serde(flatten)]
    pub coverage: Coverage,
    /// What the list has in common with the one that was trained on; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<TrainOverlap>,
    /// Why each of the other clips could not be read.
    #[serde(rename = "left_out")]
    pub skipped: Vec<String>,
    /// Which embeddings were compared; none in figures of earlier versions, which had the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// In what the embeddings have collapsed, so that they tell clips apart no more; none where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapsed: Option<String>,
    /// Which sound fits a picture.
    pub visual_to_audio: Retrieval,
    /// Which picture fits a sound.
    pub audio_to_visual: Retrieval,
    /// Where the right answer of every query stands; kept only where it was asked for, see
    /// [`without_ranks`](Self::without_ranks).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranks: Option<QueryRanks>,
}

/// Where the right answer of every query stands, from 1, the mean over all orders of equal scores; in the order of
/// the list's clips that were found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct QueryRanks {
    /// Of the sounds that fit a picture.
    pub visual_to_audio: Vec<f64>,
    /// Of the pictures that fit a sound.
    pub audio_to_visual: Vec<f64>,
}

impl RetrievalMetrics {
    /// The figures of all queries alone.
    pub fn without_ranks(self) -> Self {
        Self { ranks: None, ..self }
    }
}

impl From<&RetrievalMetrics> for ListMetrics {
    fn from(metrics: &RetrievalMetrics) -> Self {
        let ways = [
            ("visual_to_audio", &metrics.visual_to_audio),
            ("audio_to_visual", &metrics.audio_to_visual),
        ];
        Self {
            list: metrics.list.clone(),
            found: metrics.coverage.found,
            listed: metrics.coverage.listed,
            digest: metrics.coverage.digest.clone(),
            overlap: metrics.overlap.clone(),
            skipped: metrics.skipped.clone(),
            collapsed: metrics.collapsed.clone(),
            values: ways.into_iter().flat_map(|(way, found)| values(way, found)).collect(),
        }
    }
}

/// The metrics of one direction, called `way`.
fn values(way: &str, found: &Retrieval) -> Vec<Metric> {
    let of = |interval: Option<ConfidenceInterval>| {
        interval.map(|ConfidenceInterval { low, high, .. }| (low, high))
    };
    let intervals = found.intervals;
    let all = [
        ("r1", found.r1, of(intervals.map(|all| all.r1))),
        ("r5", found.r5, of(intervals.map(|all| all.r5))),
        ("r10", found.r10, of(intervals.map(|all| all.r10))),
        ("median_rank", found.median_rank, of(intervals.map(|all| all.median_rank))),
        ("mean_rank", found.mean_rank, of(intervals.map(|all| all.mean_rank))),
        ("tied_share", found.tied_share.unwrap_or(0.0), None),
    ];
    let metric =
        |(name, value, interval)| Metric { name: format!("{way}/{name}"), value, interval };
    all.into_iter().map(metric).collect()
}

/// Embeds the clips of `dataset` as the recipe has them and measures how well each modality finds the
/// other.
///
/// # Errors
///
/// If no clip can be read, or a file that was read once cannot be read again.
pub fn retrieve(
    list: &str,
    dataset: Arc<Dataset>,
    network: &Network,
    recipe: &Settings,
) -> anyhow::Result<RetrievalMetrics> {
    retrieve_as(Variant::of(recipe), list, dataset, network, recipe)
}

/// As [`retrieve`], each rank having embedded its share, with what is measured of the same embeddings, `beside` included; every
/// clip counts once.
///
/// # Errors
///
/// As [`retrieve`], or if a process does not take part within the limit.
pub(crate) fn retrieve_sharded(
    list: &str,
    dataset: &Arc<Dataset>,
    (network, recipe): (&Network, &Settings),
    world: &World,
    beside: &dyn Fn(&Embedded) -> anyhow::Result<Vec<Metric>>,
) -> anyhow::Result<ListMetrics> {
    let embedded = embed_sharded(dataset.clone(), network, recipe, world)?;
    world.rank0_then_broadcast("retrieval", || {
        let online = [online::metrics(&embedded, dataset.clips())?, beside(&embedded)?].concat();
        let variant = Some(Variant::of(recipe));
        let figures = figures(variant, list, dataset, embedded, &recipe.evaluation)?;
        let mut metrics = ListMetrics::from(&figures);
        metrics.values.extend(online);
        Ok(metrics)
    })
}

/// Measures, on every list of `lists`, how well the rows of either modality find the other's: `embed` makes of a batch
/// of plain views `[b, width]` under the name of each modality, `audio` and `visual`, in the precision of the recipe.
///
/// # Errors
///
/// If no clip of a list can be read, `embed` fails, or a rank does not take part within the limit.
pub fn retrieve_lists(
    lists: &EvaluationLists<'_>,
    evaluation: &Evaluation,
    device: Device,
    embed: impl Fn(&DeviceBatch) -> anyhow::Result<Named>,
) -> anyhow::Result<Metrics> {
    let one = |(name, dataset): &(String, Arc<Dataset>)| {
        let embed = |batch: &_| narrowed(device, lists.precision, || embed(batch));
        let embedded = lists.embed(dataset, device, embed)?.into();
        let figures = || figures(None, name, dataset, embedded, evaluation);
        Ok((&lists.world.rank0_then_broadcast("retrieval", figures)?).into())
    };
    let lists = lists.lists.iter().map(one).collect::<anyhow::Result<_>>()?;
    Ok(Metrics { lists })
}

/// Embeds the clips of `dataset` as `variant` has them and measures how well each modality finds the
/// other, with intervals over the queries.
///
/// # Errors
///
/// As [`retrieve`].
pub fn retrieve_as(
    variant: Variant,
    list: &str,
    dataset: Arc<Dataset>,
    network: &Network,
    recipe: &Settings,
) -> anyhow::Result<RetrievalMetrics> {
    let embedded = embed_as(variant, dataset.clone(), network, recipe)?;
    figures(Some(variant), list, &dataset, embedded, &recipe.evaluation)
}

impl LoadedModel {
    /// Measures retrieval on `list`, called `name` in the figures.
    ///
    /// # Errors
    ///
    /// If no clip can be read.
    pub fn retrieve(&self, name: &str, list: Clips) -> anyhow::Result<RetrievalMetrics> {
        let dataset = clips::dataset(&self.recipe, list)?;
        retrieve(name, dataset, &self.network, &self.recipe)
    }

    /// Measures retrieval on every list that the recipe names.
    ///
    /// # Errors
    ///
    /// If there is none, as in exported models that were trained on somebody's own lists, or if a
    /// list cannot be had or none of its clips can be read.
    pub fn retrieve_all(
        &self,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<Vec<RetrievalMetrics>> {
        let corpus = self.recipe.data.source.prepare(callback)?;
        let measure = |(name, list): (String, Clips)| {
            let overlap = Some(TrainOverlap::of(&list, &corpus.train));
            Ok(RetrievalMetrics { overlap, ..self.retrieve(&name, list)? })
        };
        corpus.evaluate.into_iter().map(measure).collect()
    }
}

/// The figures of embeddings.
fn figures(
    variant: Option<Variant>,
    list: &str,
    dataset: &Dataset,
    mut embedded: Embedded,
    evaluation: &Evaluation,
) -> anyhow::Result<RetrievalMetrics> {
    let found = embedded.clips.len();
    ensure!(found > 0, "no clip of `{list}` can be read");
    let answers = answers(dataset, &embedded.clips, evaluation)?;
    let measure = |embedded: &mut Embedded| {
        let visual = unit_rows(embedded, Modality::VISUAL)?;
        let audio = unit_rows(embedded, Modality::AUDIO)?;
        let ranks = ranking::ranks(&visual, &audio, &answers)?;
        let how = Bootstrap::usual(evaluation.seed);
        let sum_up = |ranks: &[_]| Retrieval::of_ranks(ranks, found).with_intervals(ranks, &how);
        let ways = [sum_up(&ranks.rows_to_columns)?, sum_up(&ranks.columns_to_rows)?];
        // Where every answer is right, as of one picture with many sounds, nothing is to be told apart.
        let all_right = ranks.rows_to_columns.iter().all(|rank| rank.correct == found);
        let collapsed = if all_right { None } else { collapse([&visual, &audio], &ways) };
        let each = |ranks: &[Rank]| ranks.iter().map(Rank::mean).collect();
        let ranks = QueryRanks {
            visual_to_audio: each(&ranks.rows_to_columns),
            audio_to_visual: each(&ranks.columns_to_rows),
        };
        anyhow::Ok((collapsed, ways, ranks))
    };
    let (collapsed, [visual_to_audio, audio_to_visual], ranks) =
        measure(&mut embedded).with_context(|| format!("measuring `{list}`"))?;
    Ok(RetrievalMetrics {
        list: list.to_owned(),
        coverage: Coverage { found, listed: dataset.len(), digest: dataset.clips().digest() },
        overlap: None,
        skipped: embedded.skipped.into_values().collect(),
        variant,
        collapsed,
        visual_to_audio,
        audio_to_visual,
        ranks: Some(ranks),
    })
}

/// One modality's embeddings as unit vectors, in the place of those of any length.
fn unit_rows(embedded: &mut Embedded, modality: Modality) -> anyhow::Result<UnitRows> {
    let rows = embedded.rows.remove(&modality);
    let rows = rows.with_context(|| format!("there are no {modality} embeddings"))?;
    let what = match modality {
        Modality::AUDIO => "audio embeddings",
        Modality::VISUAL => "visual embeddings",
        other => other.name(),
    };
    Ok(UnitRows::new(what, rows.view())?)
}

/// Which clips answer each other: those with the same sound or picture to the byte, or each itself alone
/// when duplicates do not count as correct.
fn answers(
    dataset: &Dataset,
    rows: &[usize],
    evaluation: &Evaluation,
) -> anyhow::Result<Relevance> {
    let same = Relevance::same(rows.len());
    if !evaluation.duplicates_correct {
        return Ok(same);
    }
    let equal = |modality| {
        let key = |clip: &usize| Ok(dataset.content_key(*clip, modality)?);
        let keys = rows.iter().map(key).collect::<anyhow::Result<Vec<u64>>>()?;
        anyhow::Ok(Relevance::of_equal_keys(&keys, &keys))
    };
    Ok(same.or(equal(Modality::AUDIO)?).or(equal(Modality::VISUAL)?))
}
