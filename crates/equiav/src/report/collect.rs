//! Everything that stands on a run's page, from its folder, its log and its newest checkpoint.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use equiav_augment::Modality;
use equiav_data::{Clips, Dataset, TrainOverlap, preview::preview};
use equiav_eval::Coverage;
use equiav_report::page::{Answer, HeatMaps, Map, Query, RetrievalGallery, RunReport};
use equiav_report::{Run, RunFolders};
use equiav_train::eval::embeddings::embed;
use equiav_train::eval::gallery::{RankedAnswers, answered};
use equiav_train::eval::localize::{Localizer, MapOptions, PlaceMap, Truths, localize};
use equiav_train::eval::retrieval::{RetrievalMetrics, retrieve};
use equiav_train::run_dir::environment::{environment, kept};
use equiav_train::{Callback, EquivarianceMetrics, LoadedModel};

use super::equivariance;
use super::media::{heard, jpeg, png, seen};
use super::tables::{classes, headlines, lead, overlaps, recalls, silence, trained_on, training};
use crate::files::localize::own_truths;

/// Answers shown to a query.
const BEST: usize = 5;
/// Clips on the augmentation's preview.
const PREVIEWED: usize = 3;
/// Width of heat maps on the page, in pixels.
const SIDE: u32 = 192;

/// What is to be shown.
pub(super) struct PageOptions<'a> {
    pub(super) run: &'a Path,
    pub(super) list: Option<&'a Path>,
    pub(super) clips: usize,
    pub(super) maps: MapOptions,
}

/// Gathers the page; what one part lacks is said there and does not hinder the others.
pub(super) fn report(
    trained: &LoadedModel,
    asked: &PageOptions<'_>,
    callback: &mut dyn Callback,
) -> anyhow::Result<RunReport> {
    let run = opened(asked.run)?;
    let recipe = &trained.recipe;
    let mut report = RunReport {
        title: recipe.name.clone(),
        recipe: recipe.to_toml(),
        curves: equiav_report::curves(&run)?,
        online: equiav_report::online_curves(&run)?,
        environment: facts(asked.run, &run, trained),
        ..RunReport::default()
    };
    let corpus = recipe.data.source.prepare(callback);
    let list = match (asked.list, &corpus) {
        (Some(list), _) => {
            let name = list.display().to_string();
            Some((name.clone(), Clips::open(&name)?))
        }
        (None, Ok(corpus)) => corpus.evaluate.first().cloned(),
        (None, Err(_)) => None,
    };
    let train = corpus.as_ref().ok().map(|corpus| &corpus.train);
    match list {
        Some((name, clips)) => {
            let overlap = train.map(|train| TrainOverlap::of(&clips, train));
            shown(trained, (&name, clips), asked, &mut report)?;
            report.figures.extend(overlap.as_ref().map(trained_on));
        }
        None => report.missing.push("No list to measure: give one by --list.".to_owned()),
    }
    match corpus.and_then(|corpus| previewed(trained, corpus.train)) {
        Ok(picture) => report.preview = Some(picture),
        Err(error) => report.missing.push(format!("No augmentation preview: {error:#}.")),
    }
    match EquivarianceMetrics::kept(asked.run) {
        Ok(kept) => report.equivariance = equivariance::section(kept.as_ref(), asked.run, trained),
        Err(error) => report.missing.push(format!("No figures of equivariance: {error:#}.")),
    }
    report.lead = lead(&run, trained);
    report.figures.extend(training(&run));
    Ok(report)
}

fn opened(folder: &Path) -> anyhow::Result<Run> {
    let RunFolders { runs, broken } = equiav_report::find(&[folder.to_owned()]);
    let reason = || broken.first().map(|broken| broken.reason.clone()).unwrap_or_default();
    runs.into_iter().next().with_context(reason)
}

/// What is measured and seen on one list.
fn shown(
    trained: &LoadedModel,
    (list, clips): (&str, Clips),
    asked: &PageOptions<'_>,
    report: &mut RunReport,
) -> anyhow::Result<()> {
    let dataset = equiav_train::dataset(&trained.recipe, clips)?;
    let retrieved = retrieve(list, dataset.clone(), &trained.network, &trained.recipe)?;
    let embedded = embed(dataset.clone(), &trained.network, &trained.recipe)?;
    let ways = [(Modality::VISUAL, Modality::AUDIO), (Modality::AUDIO, Modality::VISUAL)];
    let answer = |(from, to)| anyhow::Ok((from, answered(&embedded, from, to, BEST)?));
    let ways = [answer(ways[0])?, answer(ways[1])?];
    for (from, answered) in &ways {
        report.galleries.push(gallery(&dataset, *from, answered, (&retrieved, asked.clips))?);
    }
    report.figures.extend(headlines(&retrieved));
    report.tables.push(recalls(&retrieved));
    report.tables.extend(classes(dataset.clips(), [&ways[0].1, &ways[1].1]));
    let truths = match asked.list {
        Some(list) => Truths::of_corpus(list),
        None => own_truths(trained),
    };
    let localizer = Localizer::new(trained, asked.maps)?;
    let mut maps = heat_maps(&dataset, &localizer, asked.clips)?;
    match truths.and_then(|truths| localize(list, dataset, &localizer, &truths)) {
        Ok(figures) => {
            maps.table = Some(overlaps(&figures));
            maps.notes.push(silence(&figures));
        }
        Err(error) => maps.notes.push(format!("Not scored: {error:#}.")),
    }
    report.maps = Some(maps);
    Ok(())
}

fn gallery(
    dataset: &Dataset,
    from: Modality,
    answered: &[RankedAnswers],
    (retrieved, count): (&RetrievalMetrics, usize),
) -> anyhow::Result<RetrievalGallery> {
    let step = answered.len().div_ceil(count).max(1);
    let queries: anyhow::Result<Vec<Query>> = answered
        .iter()
        .step_by(step)
        .map(|one| query(dataset, from, one, answered.len()))
        .collect();
    let RetrievalMetrics { list, coverage, .. } = retrieved;
    let Coverage { found, listed, digest } = coverage;
    let title = match from {
        Modality::AUDIO => "Sound to picture",
        _ => "Picture to sound",
    };
    let note = format!(
        "One clip in {step} of {list} asks, whatever came of it: {found} of {listed} clips, list {digest}. \
         The number is the cosine. An answer is right when it is of the query's own clip."
    );
    Ok(RetrievalGallery { title: title.to_owned(), note, queries: queries? })
}

fn query(
    dataset: &Dataset,
    from: Modality,
    answered: &RankedAnswers,
    candidates: usize,
) -> anyhow::Result<Query> {
    let item = |modality: Modality, clip: usize| match modality {
        Modality::AUDIO => heard(dataset, clip),
        _ => seen(dataset, clip),
    };
    let to = if from == Modality::VISUAL { Modality::AUDIO } else { Modality::VISUAL };
    let answer = |(clip, similarity): &(usize, f64)| {
        let right = *clip == answered.query;
        Ok(Answer { item: item(to, *clip)?, right, similarity: *similarity })
    };
    let answers = answered.answers.iter().map(answer).collect::<anyhow::Result<_>>()?;
    Ok(Query { item: item(from, answered.query)?, answers, rank: answered.rank.mean(), candidates })
}

fn heat_maps(
    dataset: &Arc<Dataset>,
    localizer: &Localizer<'_>,
    count: usize,
) -> anyhow::Result<HeatMaps> {
    let silence = localizer.silence()?;
    let step = dataset.len().div_ceil(count).max(1);
    let mut maps = Vec::new();
    for clip in (0..dataset.len()).step_by(step) {
        let clips = dataset.clips();
        let id = clips.id(clip).to_owned();
        let picture = clips.picture(clip, clips.middle_frame(clip), dataset.orientation())?;
        let places = localizer.picture(&picture)?;
        let sound = localizer.sound(&clips.sound(clip, dataset.front_end().window)?)?;
        let (own, still) = (localizer.fit(&places, &sound)?, localizer.fit(&places, &silence)?);
        let drawn = |map: &PlaceMap, what: &str| {
            let over = equiav_data::sheet::heat::scaled(&map.over(&picture), SIDE);
            let (cosine, state) = (map.similarity, if map.lit { "" } else { ", dark" });
            let alt = format!("Heat map over {id} for {what}, cosine {cosine:.2}{state}");
            anyhow::Ok((format!("For {what}: cosine {cosine:.2}{state}"), jpeg(&over, alt)?))
        };
        let plain = seen(dataset, clip)?.picture.context("a picture")?;
        let pictures = vec![
            ("The picture".to_owned(), plain),
            drawn(&own, "its sound")?,
            drawn(&still, "silence")?,
        ];
        let heard = heard(dataset, clip)?;
        maps.push(Map { name: id.clone(), pictures, sound: heard.sound, note: heard.labels });
    }
    let note = "How far the similarity of picture and sound falls when a place is left out. All maps have one \
                scale: what is not seen is at or below 0, yellow is 1 and above. Where the cosine of picture and \
                sound as wholes is too low, the map is dark.";
    Ok(HeatMaps { notes: vec![note.to_owned()], table: None, maps })
}

fn previewed(trained: &LoadedModel, clips: Clips) -> anyhow::Result<equiav_report::page::Picture> {
    let dataset = equiav_train::dataset(&trained.recipe, clips)?;
    let drawn = preview(&dataset, PREVIEWED)?;
    let alt = "Spectrograms and frames of training clips before and after augmentation, with what was done";
    png(&drawn.sheet, alt.to_owned())
}

/// What the run folder knows, and what made this page.
fn facts(folder: &Path, run: &Run, trained: &LoadedModel) -> Vec<(String, String)> {
    let mut facts = vec![
        ("run folder".to_owned(), run.name.clone()),
        ("state".to_owned(), format!("{:?}, {} epochs", run.state, run.epochs_done)),
    ];
    let checkpoint = trained.checkpoint.file_name().unwrap_or_default();
    facts.push(("checkpoint".to_owned(), checkpoint.to_string_lossy().into_owned()));
    let begun = kept(folder);
    if begun.is_empty() {
        facts.push(("made with".to_owned(), "not kept: a run of an earlier version".to_owned()));
    }
    facts.extend(begun.into_iter().map(|(name, value)| (format!("begun with: {name}"), value)));
    facts.extend(
        environment().into_iter().map(|(name, value)| (format!("this page: {name}"), value)),
    );
    facts
}
