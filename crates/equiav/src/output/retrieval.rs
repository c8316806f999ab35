//! Figures of retrieval and of equivariance as text.

use std::fmt::Write;

use equiav_eval::{ConfidenceInterval, Retrieval, RetrievalIntervals};
use equiav_train::EquivarianceMetrics;
use equiav_train::eval::embeddings::Variant;
use equiav_train::eval::retrieval::RetrievalMetrics;

use super::overlap;

/// A table with one row per list and direction, beside chance; intervals in brackets.
pub(crate) fn retrieval(all: &[RetrievalMetrics]) -> String {
    let mut table = String::new();
    for figures in all {
        let RetrievalMetrics { list, coverage, skipped, variant, .. } = figures;
        let _ = writeln!(table, "{list}: {coverage}{}", variant.map_or(String::new(), of_variant));
        table += &overlap::line(figures.overlap.as_ref());
        for reason in skipped {
            let _ = writeln!(table, "  skipped: {reason}");
        }
        if let Some(collapsed) = &figures.collapsed {
            let _ = writeln!(table, "  collapsed: {collapsed}");
        }
        let _ = writeln!(
            table,
            "  {:<16} {:>26} {:>26} {:>26}  {:>22}  {:>20}  {:>12}  {:>9}",
            "",
            "R@1 % [95 %] (chance)",
            "R@5 % [95 %] (chance)",
            "R@10 % [95 %] (chance)",
            "median rank of gallery",
            "mean rank",
            "ties (share)",
            "p at R@10"
        );
        for (way, found) in ways(figures) {
            let _ = writeln!(table, "  {way:<16} {}", row(found));
        }
    }
    table
}

/// One direction's figures.
fn row(found: &Retrieval) -> String {
    let Retrieval { r1, r5, r10, chance, intervals, .. } = found;
    let within = |of: fn(&RetrievalIntervals) -> ConfidenceInterval, scale: f64| {
        let Some(ConfidenceInterval { low, high, .. }) = intervals.as_ref().map(of) else {
            return String::new();
        };
        format!(" [{:.1}, {:.1}]", scale * low, scale * high)
    };
    let recall = |recall: &f64, chance: f64, interval: String| {
        format!("{:.1}{interval} ({:.1})", 100.0 * recall, 100.0 * chance)
    };
    let median = within(|all| all.median_rank, 1.0);
    let mean = within(|all| all.mean_rank, 1.0);
    format!(
        "{:>26} {:>26} {:>26}  {:>22}  {:>20}  {:>12}  {:>9.1e}",
        recall(r1, chance.r1, within(|all| all.r1, 100.0)),
        recall(r5, chance.r5, within(|all| all.r5, 100.0)),
        recall(r10, chance.r10, within(|all| all.r10, 100.0)),
        format!("{:.1}{median} / {}", found.median_rank, found.gallery),
        format!("{:.1}{mean}", found.mean_rank),
        tied(found),
        found.p_value.r10,
    )
}

/// Queries with a tie, and the share of wrong candidates that are tied with the right one.
fn tied(found: &Retrieval) -> String {
    let share = found.tied_share.map(|share| format!(" ({:.1} %)", 100.0 * share));
    format!("{}{}", found.ties, share.unwrap_or_default())
}

/// Which embeddings were compared.
fn of_variant(variant: Variant) -> String {
    match variant {
        Variant::Clean => ", plain views".to_owned(),
        Variant::Centroid { vectors, seed } => {
            format!(", centroids of {vectors} from vectors of seed {seed}")
        }
    }
}

/// Both directions with their names.
fn ways(figures: &RetrievalMetrics) -> [(&'static str, &Retrieval); 2] {
    [("visual to audio", &figures.visual_to_audio), ("audio to visual", &figures.audio_to_visual)]
}

/// R2 of every slot by network, and what plain and augmented queries find.
pub(crate) fn equivariance(metrics: &EquivarianceMetrics) -> String {
    let (train, test) = metrics.clips;
    let mut table = String::new();
    for (number, name) in metrics.networks.iter().enumerate() {
        let _ = writeln!(table, "({}) {name}", number + 1);
    }
    let heads = (1..=metrics.networks.len()).map(|number| format!("{:>8}", format!("({number})")));
    let heads = heads.collect::<String>();
    let _ = writeln!(table, "R2 of slots, learned from {train} clips, tested on {test}");
    let _ = writeln!(table, "  {:<8} {:<28}{heads}", "", "slot");
    for slot in &metrics.slots {
        let r2 = slot.r2.iter().map(|r2| match r2 {
            Some(r2) => format!("{r2:>8.3}"),
            None => format!("{:>8}", "-"),
        });
        let r2 = r2.collect::<String>();
        let _ = writeln!(table, "  {:<8} {:<28}{r2}", slot.modality, slot.slot);
    }
    let _ = writeln!(table, "R2 by augmentation, the mean over its slots that change");
    for group in metrics.groups() {
        let r2 = group.r2.iter().map(|r2| format!("{r2:>8.3}")).collect::<String>();
        let _ = writeln!(table, "  {:<8} {:<28}{r2}", group.modality, group.group);
    }
    let _ = writeln!(table, "R@1 %, gallery of {test}");
    for query in &metrics.queries {
        for (how, r1) in [("plain", &query.plain_r1), ("augmented", &query.disturbed_r1)] {
            let r1 = r1.iter().map(|r1| format!("{:>8.1}", 100.0 * r1)).collect::<String>();
            let _ = writeln!(table, "  {:<8} {:<28}{r1}", query.query, format!("{how} queries"));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use equiav_eval::{Bootstrap, Coverage, Rank};

    use super::*;

    fn retrieved() -> RetrievalMetrics {
        let ranks: Vec<Rank> =
            (0..20).map(|above| Rank { above, tied: 0, best: 1, correct: 1 }).collect();
        let figures = Retrieval::of_ranks(&ranks, 20);
        let with = figures.with_intervals(&ranks, &Bootstrap::usual(1)).expect("intervals");
        RetrievalMetrics {
            list: "held-out".to_owned(),
            coverage: Coverage { found: 20, listed: 21, digest: "abc".to_owned() },
            overlap: None,
            skipped: vec!["clip `x`".to_owned()],
            variant: Some(Variant::Centroid { vectors: 4, seed: 7 }),
            collapsed: None,
            visual_to_audio: with,
            audio_to_visual: figures,
            ranks: None,
        }
    }

    #[test]
    fn rows_have_intervals_where_there_are_some() {
        let text = retrieval(&[retrieved()]);
        let lines: Vec<&str> = text.lines().collect();
        let first =
            "held-out: 20 of 21 clips found, list abc, centroids of 4 from vectors of seed 7";
        assert_eq!((lines[0], lines[2]), (first, "  skipped: clip `x`"));
        assert_eq!(lines[1], "  overlap: not known, the training list is not here");
        assert!(lines[4].contains("5.0 [0.0, 15.0] (5.0)"), "{}", lines[4]);
        assert!(lines[5].contains("5.0 (5.0)") && !lines[5].contains('['), "{}", lines[5]);
        assert_eq!((lines[3].len(), lines[5].len()), (lines[4].len(), lines[4].len()));
        assert!(lines[4].contains("  0 (0.0 %)  "), "{}", lines[4]);
    }

    #[test]
    fn what_has_collapsed_says_so() {
        let rank = Rank { above: 0, tied: 19, best: 1, correct: 1 };
        let figures = Retrieval::of_ranks(&[rank; 20], 20);
        let all = RetrievalMetrics {
            collapsed: Some("every sound has the same embedding".to_owned()),
            visual_to_audio: figures,
            ..retrieved()
        };
        let text = retrieval(&[all]);
        assert!(text.contains("\n  collapsed: every sound has the same embedding\n"), "{text}");
        assert!(text.contains("5.0 (5.0)") && text.contains("  20 (100.0 %)  "), "{text}");
    }

    #[test]
    fn figures_of_earlier_versions_are_read() {
        let old = r#"{"list": "held-out", "found": 3, "listed": 4, "left_out": [], "digest": "d",
            "visual_to_audio": {"r1": 0.5, "r5": 1.0, "r10": 1.0, "median_rank": 1.5, "mean_rank": 1.5,
            "ties": 0, "queries": 2, "gallery": 2, "chance": {"r1": 0.5, "r5": 1.0, "r10": 1.0},
            "p_value": {"r1": 1.0, "r5": 1.0, "r10": 1.0}}, "audio_to_visual": "#;
        let both =
            &old[old.find("{\"r1").expect("figures")..old.rfind(", \"audio").expect("the end")];
        let read: RetrievalMetrics =
            serde_json::from_str(&format!("{old}{both}}}")).expect("old figures");
        assert_eq!((read.coverage.found, read.coverage.listed, read.variant), (3, 4, None));
        let written = serde_json::to_value(retrieved()).expect("JSON");
        assert_eq!((&written["found"], &written["digest"]), (&20.into(), &"abc".into()));
        assert_eq!(written["visual_to_audio"]["intervals"]["bootstrap"]["resamples"], 1000);
        assert!(retrieval(&[read]).starts_with("held-out: 3 of 4 clips found, list d\n"));
    }
}
