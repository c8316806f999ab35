//! Classification figures as text.

use std::fmt::Write;

use equiav_train::eval::classification::ClassificationMetrics;

use super::overlap;

/// One line a figure of each list, with its interval.
pub(crate) fn classification(all: &[ClassificationMetrics]) -> String {
    let mut table = String::new();
    for figures in all {
        let ClassificationMetrics { list, found, listed, digest, classes, with_positives, .. } =
            figures;
        let _ = writeln!(
            table,
            "{list}: {found} of {listed} clips found, list {digest}; {with_positives} of {classes} classes"
        );
        table += &overlap::line(figures.overlap.as_ref());
        for reason in &figures.skipped {
            let _ = writeln!(table, "  skipped: {reason}");
        }
        if let Some(collapsed) = &figures.collapsed {
            let _ = writeln!(table, "  collapsed: {collapsed}");
        }
        for (name, value) in figures.named() {
            let interval = figures.intervals.get(name).map(|(low, high)| {
                format!("  (95 %: {} to {})", shown(name, *low), shown(name, *high))
            });
            let (title, value) = (title(name), shown(name, value));
            let _ = writeln!(table, "  {title:<8} {value:>8}{}", interval.unwrap_or_default());
        }
        if let Some(tied) = figures.tied_share.filter(|tied| *tied > 0.0) {
            let tied = 100.0 * tied;
            let _ = writeln!(
                table,
                "  {tied:.1} % of the clips score a wrong class exactly as high as theirs; every order of those counts alike"
            );
        }
    }
    table
}

/// What people call a figure.
fn title(name: &str) -> &str {
    match name {
        "map" => "mAP",
        "auc" => "AUC",
        "d_prime" => "d'",
        "top1" => "top-1",
        "top5" => "top-5",
        other => other,
    }
}

/// A share in per cent, and what is none as it is.
fn shown(name: &str, value: f64) -> String {
    match name {
        "map" | "top1" | "top5" => format!("{:.1} %", 100.0 * value),
        _ => format!("{value:.3}"),
    }
}
