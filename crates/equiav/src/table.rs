//! Retrieval figures as text.

use std::fmt::Write;

use equiav_eval::Retrieval;
use equiav_train::retrieve::Retrieved;

/// A table with one row per list and direction, beside chance.
pub(crate) fn retrieval(all: &[Retrieved]) -> String {
    let mut table = String::new();
    for figures in all {
        let Retrieved { list, found, listed, digest, .. } = figures;
        let _ = writeln!(table, "{list}: {found} of {listed} clips found, list {digest}");
        for reason in &figures.left_out {
            let _ = writeln!(table, "  left out: {reason}");
        }
        let _ = writeln!(
            table,
            "  {:<16} {:>14} {:>14} {:>14}  {:>9}  {:>5}  {:>9}",
            "", "R@1 (chance)", "R@5 (chance)", "R@10 (chance)", "median", "ties", "p at R@10"
        );
        for (way, found) in ways(figures) {
            let cell = |recall: f64, chance: f64| {
                format!("{:.1} % ({:.1})", 100.0 * recall, 100.0 * chance)
            };
            let _ = writeln!(
                table,
                "  {way:<16} {:>14} {:>14} {:>14}  {:>5.1}/{:<3}  {:>5}  {:>9.1e}",
                cell(found.r1, found.chance.r1),
                cell(found.r5, found.chance.r5),
                cell(found.r10, found.chance.r10),
                found.median_rank,
                found.gallery,
                found.ties,
                found.p_value.r10,
            );
        }
    }
    table
}

/// One list in one line, for the end of an epoch.
pub(crate) fn one_line(figures: &Retrieved) -> String {
    let each = ways(figures).map(|(way, found)| format!("{way} {:.1} %", 100.0 * found.r1));
    let chance = 100.0 * figures.visual_to_audio.chance.r1;
    format!("  {}: R@1 {} (chance {chance:.2} %)", figures.list, each.join(", "))
}

/// Both directions with their names.
fn ways(figures: &Retrieved) -> [(&'static str, &Retrieval); 2] {
    [("visual to audio", &figures.visual_to_audio), ("audio to visual", &figures.audio_to_visual)]
}
