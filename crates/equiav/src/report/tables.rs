//! Figures of a run's page in rows and words; gathers nothing.

use equiav_data::{Clips, TrainOverlap};
use equiav_eval::Retrieval;
use equiav_report::Run;
use equiav_report::page::{Headline, Table};
use equiav_train::LoadedModel;
use equiav_train::eval::gallery::{ClassRecall, RankedAnswers, by_class};
use equiav_train::eval::localize::{Compared, LocalizationMetrics, MapKind};
use equiav_train::eval::retrieval::RetrievalMetrics;

use crate::output::localization::{name, percent, says};

pub(super) fn headlines(retrieved: &RetrievalMetrics) -> Vec<Headline> {
    let both = [
        ("R@1, picture to sound", &retrieved.visual_to_audio),
        ("R@1, sound to picture", &retrieved.audio_to_visual),
    ];
    let one = |(label, figures): (&str, &Retrieval)| Headline {
        label: label.to_owned(),
        value: format!("{:.1} %", 100.0 * figures.r1),
        note: format!("chance {:.2} %, {} clips", 100.0 * figures.chance.r1, figures.gallery),
    };
    both.into_iter().map(one).collect()
}

/// How much of the measured list was trained on.
pub(super) fn trained_on(overlap: &TrainOverlap) -> Headline {
    Headline {
        label: "Trained on as well".to_owned(),
        value: format!("{:.1} %", 100.0 * overlap.share),
        note: overlap.to_string(),
    }
}

pub(super) fn training(run: &Run) -> Vec<Headline> {
    let summary = equiav_report::RunSummary::of(run);
    let one = |label: &str, value: Option<String>, note: &str| {
        value.map(|value| Headline { label: label.to_owned(), value, note: note.to_owned() })
    };
    let loss = summary.loss.map(|loss| format!("{loss:.3}"));
    let speed = summary.samples_per_second.map(|speed| format!("{speed:.0}/s"));
    let all = [
        one("Loss", loss, "mean of the last 50 steps"),
        one("Clips", speed, "median of all steps, while training"),
    ];
    all.into_iter().flatten().collect()
}

pub(super) fn lead(run: &Run, trained: &LoadedModel) -> String {
    let epochs = run.epochs().map(|all| format!(" of {all}")).unwrap_or_default();
    let millions = trained.network.parameters() as f64 / 1e6;
    let (epoch, seed) = (trained.epoch, trained.recipe.seed);
    format!("{millions:.2} million parameters, {epoch}{epochs} epochs, seed {seed}.")
}

pub(super) fn recalls(retrieved: &RetrievalMetrics) -> Table {
    let row = |(way, figures): (&str, &Retrieval)| {
        let cell =
            |recall: f64, chance: f64| format!("{:.1} % ({:.1})", 100.0 * recall, 100.0 * chance);
        vec![
            way.to_owned(),
            cell(figures.r1, figures.chance.r1),
            cell(figures.r5, figures.chance.r5),
            cell(figures.r10, figures.chance.r10),
            format!("{:.1}", figures.median_rank),
            format!("{:.1} %", 100.0 * figures.tied_share.unwrap_or(0.0)),
        ]
    };
    let ways = [
        ("picture to sound", &retrieved.visual_to_audio),
        ("sound to picture", &retrieved.audio_to_visual),
    ];
    Table {
        title: format!("Retrieval on {}", retrieved.list),
        note: "Recall with chance in brackets, the median rank of the right answer, and the share of wrong ones tied \
               with it, which are neither won nor lost."
            .to_owned(),
        columns: ["", "R@1", "R@5", "R@10", "median rank", "tied"].map(str::to_owned).into(),
        rows: ways.into_iter().map(row).collect(),
    }
}

/// Nothing where there are no labels.
pub(super) fn classes(clips: &Clips, ways: [&[RankedAnswers]; 2]) -> Option<Table> {
    let classes = by_class(clips, ways);
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let row = |(label, recall): (&String, &ClassRecall)| {
        let short = label.rsplit('/').next().unwrap_or(label).to_owned();
        let shares = [recall.first, recall.tenth].concat();
        let cells = shares.into_iter().map(percent);
        [short, recall.clips.to_string()].into_iter().chain(cells).collect()
    };
    let columns =
        ["class", "clips", "R@1 to sound", "R@1 to picture", "R@10 to sound", "R@10 to picture"];
    (!classes.is_empty()).then(|| Table {
        title: "By class".to_owned(),
        note: "How often a clip's own answer comes first, and among the first ten.".to_owned(),
        columns: columns.map(str::to_owned).into(),
        rows: classes.iter().map(row).collect(),
    })
}

pub(super) fn overlaps(figures: &LocalizationMetrics) -> Table {
    let mut rows = Vec::new();
    for ruled in &figures.rules {
        for (map, overlaps) in &ruled.maps {
            let cells = [overlaps.ap50, overlaps.mean_iou, overlaps.auc].map(percent);
            let what = format!("{}: {}", says(ruled.rule), name(*map));
            rows.push(std::iter::once(what).chain(cells).collect());
        }
    }
    for (map, hits) in &figures.pointing {
        let what = format!("greatest value inside the truth: {}", name(*map));
        rows.push(vec![what, percent(*hits), String::new(), String::new()]);
    }
    Table {
        title: "Localization".to_owned(),
        note: format!(
            "{} of {} clips, list {}; truth: {}. In brackets the 95 % bootstrap interval.",
            figures.found, figures.listed, figures.digest, figures.truth
        ),
        columns: ["region, and map", "AP50 (cIoU), or hits", "mean IoU", "AUC"]
            .map(str::to_owned)
            .into(),
        rows,
    }
}

pub(super) fn silence(figures: &LocalizationMetrics) -> String {
    let share = |lit: f64| format!("{:.1} %", 100.0 * lit);
    let by_map = figures.map == MapKind::Tokens;
    let mut text = format!(
        "Lit, with a {} of at least {:.2}: {} of the pictures for their own sound",
        if by_map { "greatest value of the map" } else { "cosine" },
        figures.dark,
        share(figures.own.lit)
    );
    for (control, scores) in &figures.controls {
        let auc = if by_map { scores.map_auc } else { scores.cosine_auc };
        let (name, lit) = (control.replace('-', " "), share(scores.lit));
        text += &format!(", {lit} for {name} (told from own sounds with an AUC of {auc:.3})");
    }
    let model = figures.pointing[&Compared::Model];
    format!("{text}. The greatest value lies in the box in {}.", percent(model))
}
