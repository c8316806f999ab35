//! Open metrics as text: whatever names a method reports.

use std::fmt::Write;

use equiav_train::{ListMetrics, Metrics};

/// A block for each list, with one line a metric and its interval.
pub(crate) fn table(metrics: &Metrics) -> String {
    let mut table = String::new();
    for list in &metrics.lists {
        let ListMetrics { found, listed, digest, skipped, collapsed, .. } = list;
        let name = &list.list;
        let _ = writeln!(table, "{name}: {found} of {listed} clips found, list {digest}");
        // Clips of no list have none.
        if let Some(overlap) = &list.overlap {
            let _ = writeln!(table, "  overlap: {overlap}");
        }
        for reason in skipped {
            let _ = writeln!(table, "  skipped: {reason}");
        }
        if let Some(collapsed) = collapsed {
            let _ = writeln!(table, "  collapsed: {collapsed}");
        }
        for metric in &list.values {
            let interval = metric.interval.map(|(low, high)| {
                let [low, high] = [low, high].map(|limit| shown(&metric.name, limit));
                format!("  (95 %: {low} to {high})")
            });
            let (title, value) = (title(&metric.name), shown(&metric.name, metric.value));
            let _ = writeln!(table, "  {title:<28} {value:>8}{}", interval.unwrap_or_default());
        }
    }
    table
}

/// One list in one line, for the end of an epoch: its first metric in each direction, or all where there are no
/// directions.
pub(crate) fn one_line(list: &ListMetrics) -> String {
    let directions = list.values.iter().any(|metric| metric.name.contains('/'));
    let is_told = |name: &str| !directions || name.ends_with("/r1");
    let told = list.values.iter().filter(|metric| is_told(&metric.name));
    let each =
        told.map(|metric| format!("{} {}", title(&metric.name), shown(&metric.name, metric.value)));
    format!("  {}: {}", list.list, each.collect::<Vec<_>>().join(", "))
}

/// What people call a metric: `visual to audio R@1` for `visual_to_audio/r1`.
fn title(name: &str) -> String {
    let (path, name) = name.rsplit_once('/').unwrap_or(("", name));
    let name = match name {
        "map" => "mAP".to_owned(),
        "auc" => "AUC".to_owned(),
        "d_prime" => "d'".to_owned(),
        "top1" => "top-1".to_owned(),
        "top5" => "top-5".to_owned(),
        "tied_share" => "ties".to_owned(),
        other => match other.strip_prefix('r').filter(|depth| depth.parse::<u32>().is_ok()) {
            Some(depth) => format!("R@{depth}"),
            None => other.replace('_', " "),
        },
    };
    format!("{} {name}", path.replace('_', " ")).trim_start().to_owned()
}

/// A share in per cent, and what is none as it is.
fn shown(name: &str, value: f64) -> String {
    match name.rsplit('/').next().unwrap_or(name) {
        "map" | "top1" | "top5" | "r1" | "r5" | "r10" | "tied_share" => {
            format!("{:.1} %", 100.0 * value)
        }
        "median_rank" | "mean_rank" => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use equiav_train::Metric;

    use super::*;

    fn list() -> ListMetrics {
        let mut r1 = Metric::new("visual_to_audio/r1", 0.125);
        r1.interval = Some((0.1, 0.15));
        ListMetrics {
            list: "held-out".to_owned(),
            found: 20,
            listed: 21,
            digest: "abc".to_owned(),
            overlap: None,
            skipped: vec!["clip `x`".to_owned()],
            collapsed: None,
            values: vec![r1, Metric::new("visual_to_audio/median_rank", 3.0)],
        }
    }

    #[test]
    fn a_table_names_every_metric_and_what_was_skipped() {
        let text = table(&Metrics { lists: vec![list()] });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "held-out: 20 of 21 clips found, list abc");
        assert_eq!(lines[1], "  skipped: clip `x`");
        assert_eq!(lines[2], "  visual to audio R@1            12.5 %  (95 %: 10.0 % to 15.0 %)");
        assert_eq!(lines[3], "  visual to audio median rank       3.0");
    }

    #[test]
    fn a_line_tells_the_first_of_each_direction_or_all() {
        assert_eq!(one_line(&list()), "  held-out: visual to audio R@1 12.5 %");
        let values = vec![Metric::new("map", 0.5), Metric::new("my_loss", 1.0)];
        let own = ListMetrics { values, ..list() };
        assert_eq!(one_line(&own), "  held-out: mAP 50.0 %, my loss 1.000");
    }
}
