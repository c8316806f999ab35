//! Localization figures as text.

use std::fmt::Write;

use equiav_eval::localization::{Figure, Rule};
use equiav_train::eval::localize::{Compared, LocalizationMetrics, MapKind, Scores};

use super::overlap;

/// All figures of a list.
pub(crate) fn table(figures: &LocalizationMetrics) -> String {
    let LocalizationMetrics { list, found, listed, digest, .. } = figures;
    let mut text = String::new();
    let _ = writeln!(text, "{list}: {found} of {listed} clips measured, list {digest}");
    text += &overlap::line(figures.overlap.as_ref());
    if figures.without_truth > 0 {
        let _ = writeln!(text, "  without a box in the plain view: {}", figures.without_truth);
    }
    for reason in &figures.skipped {
        let _ = writeln!(text, "  skipped: {reason}");
    }
    let [rows, columns] = figures.cells;
    let _ = writeln!(
        text,
        "  truth: {}, {:.1} % of the picture in the mean; maps of {} in {rows} x {columns} cells, blurred by {} patches",
        figures.truth,
        100.0 * figures.truth_area,
        match figures.map {
            MapKind::Tokens => "each token's cosine",
            MapKind::LeftOut => "tokens left out",
        },
        figures.blur
    );
    for ruled in &figures.rules {
        let _ = writeln!(
            text,
            "\n  {:<44}{:>22}{:>22}{:>22}",
            says(ruled.rule),
            "AP50 (cIoU)",
            "mean IoU",
            "AUC"
        );
        for (map, overlaps) in &ruled.maps {
            let [ap50, iou, auc] = [overlaps.ap50, overlaps.mean_iou, overlaps.auc].map(percent);
            let _ = writeln!(text, "    {:<42}{ap50:>22}{iou:>22}{auc:>22}", name(*map));
        }
        let beyond = percent(ruled.beyond_center);
        let _ = writeln!(
            text,
            "    {:<42}{:>22}{beyond:>22}",
            "own sound beyond the center, paired", ""
        );
    }
    let _ = writeln!(text, "\n  {:<44}{:>22}", "greatest value inside the truth", "hits");
    for (map, hits) in &figures.pointing {
        let _ = writeln!(text, "    {:<42}{:>22}", name(*map), percent(*hits));
    }
    text + &lights(figures)
}

/// What lights up, own sounds and controls.
fn lights(figures: &LocalizationMetrics) -> String {
    let mut text = String::new();
    let head = ["map: 5 %", "50 %", "95 %", "AUC", "cosine: 5 %", "50 %", "95 %", "AUC", "lit"];
    let _ = write!(text, "\n  {:<28}", "greatest of map, and cosine");
    for head in head {
        let _ = write!(text, "{head:>12}");
    }
    let own = std::iter::once(("own sound", &figures.own));
    let controls = figures.controls.iter().map(|(name, scores)| (&**name, scores));
    for (name, scores) in own.chain(controls) {
        let Scores { map, cosine, lit, map_auc, cosine_auc } = scores;
        let _ = write!(text, "\n    {:<26}", name.replace('-', " "));
        for value in [map.low, map.median, map.high, *map_auc] {
            let _ = write!(text, "{value:>12.3}");
        }
        for value in [cosine.low, cosine.median, cosine.high, *cosine_auc] {
            let _ = write!(text, "{value:>12.3}");
        }
        let _ = write!(text, "{:>10.1} %", 100.0 * lit);
    }
    let decides = match figures.map {
        MapKind::Tokens => "greatest of map",
        MapKind::LeftOut => "cosine",
    };
    let _ = write!(text, "\n  lit: a {decides} of at least {:.2}", figures.dark);
    text + "\n"
}

/// A rule in words.
pub(crate) fn says(rule: Rule) -> &'static str {
    match rule {
        Rule::HalfArea => "pixels at or above the map's median",
        Rule::HalfRange => "pixels in the upper half of the map's range",
        Rule::TruthArea => "as many best pixels as the truth has",
    }
}

pub(crate) fn name(map: Compared) -> &'static str {
    match map {
        Compared::Model => "own sound",
        Compared::OtherSound => "another clip's sound",
        Compared::Center => "centered box",
        Compared::Whole => "whole picture",
        Compared::Random => "random map",
    }
}

/// `50.4 % (47.1 to 53.6)`; of a single clip without the interval.
pub(crate) fn percent(figure: Figure) -> String {
    let value = format!("{:.1} %", 100.0 * figure.value);
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!("{value} ({:.1} to {:.1})", 100.0 * low, 100.0 * high),
        _ => value,
    }
}
