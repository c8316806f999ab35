//! The limit of the procedural corpus: what is found by who reads its factors from the files, beside what a model
//! finds. No network is run here.

use anyhow::{bail, ensure};
use equiav_corpora::Oracle;
use equiav_data::{Clip, Clips, TrainOverlap};
use equiav_eval::{Bootstrap, Coverage, Rank, Retrieval, ranks, same};
use ndarray::Array2;

use crate::callback::{Callback, Event};
use crate::eval::retrieval::{QueryRanks, RetrievalMetrics};
use crate::recipe::{Evaluation, Source};

/// Measures on every list of `source` to be evaluated how well an [`Oracle`] finds pictures by sounds and the other way
/// round. How far its readings of one clip lie apart it learns from the first `learn_from` clips of the training list.
///
/// # Errors
///
/// If `source` is no procedural corpus, the corpus cannot be made or a file of it cannot be read.
pub fn oracle(
    source: &Source,
    learn_from: usize,
    evaluation: &Evaluation,
    callback: &mut dyn Callback,
) -> anyhow::Result<Vec<RetrievalMetrics>> {
    ensure!(
        matches!(source, Source::Synthetic(_)),
        "an oracle knows the factors of the procedural corpus alone (help: --set 'data.source={{ kind = \"synthetic\" }}')"
    );
    let corpus = source.prepare(callback)?;
    let train = clips(&corpus.train)?;
    let train = &train[..learn_from.min(train.len())];
    let oracle = Oracle::fit(train, &mut reading("training clips", callback))?;
    let mut measured = Vec::new();
    for (name, list) in &corpus.evaluate {
        let clips = clips(list)?;
        let scores = oracle.scores(clips, &mut reading(name, callback))?;
        let overlap = Some(TrainOverlap::of(list, &corpus.train));
        measured.push(RetrievalMetrics { overlap, ..figures(name, list, &scores, evaluation)? });
    }
    Ok(measured)
}

/// The figures of `scores`, a row for each picture.
fn figures(
    name: &str,
    list: &Clips,
    scores: &[Vec<f64>],
    evaluation: &Evaluation,
) -> anyhow::Result<RetrievalMetrics> {
    let count = scores.len();
    let scores: Vec<f32> = scores.iter().flatten().map(|score| *score as f32).collect();
    let scores = Array2::from_shape_vec((count, count), scores)?;
    let how = Bootstrap::usual(evaluation.seed);
    let ways = [ranks(scores.view(), same)?, ranks(scores.t(), same)?];
    let sum_up = |ranks: &[Rank]| Retrieval::of_ranks(ranks, count).with_intervals(ranks, &how);
    let each = |ranks: &[Rank]| ranks.iter().map(Rank::mean).collect();
    let [forth, back] = &ways;
    Ok(RetrievalMetrics {
        list: name.to_owned(),
        coverage: Coverage { found: count, listed: list.len(), digest: list.digest() },
        overlap: None,
        skipped: Vec::new(),
        variant: None,
        collapsed: None,
        visual_to_audio: sum_up(forth)?,
        audio_to_visual: sum_up(back)?,
        ranks: Some(QueryRanks { visual_to_audio: each(forth), audio_to_visual: each(back) }),
    })
}

/// The clips of a list of files.
fn clips(list: &Clips) -> anyhow::Result<&[Clip]> {
    match list {
        Clips::Manifest(manifest) => Ok(&manifest.clips),
        Clips::Shards(_) => bail!("an oracle reads files of their own, not shards"),
    }
}

/// Tells `callback` how many clips have been read.
fn reading(what: &str, callback: &mut dyn Callback) -> impl FnMut(usize, usize) {
    let what = format!("reading {what}");
    move |done, total| callback.on_event(&Event::Preparing { what: what.clone(), done, total })
}
