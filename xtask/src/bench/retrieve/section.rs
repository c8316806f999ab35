//! The comparison of retrieval as Markdown, and its place in docs/performance.md.

use std::fmt::Write as _;

use super::figures::Figures;
use crate::bench::Options;
use crate::bench::figures::{Rounds, turns};
use crate::bench::section::write_between;
use crate::machine;
use crate::workspace::Workspace;

const BEGIN: &str = "<!-- written by `cargo xtask bench --peer retrieve --write` -->\n";

/// The section's text.
pub(super) fn render(figures: &Figures, options: &Options, rounds: usize) -> String {
    let Figures { ranks, top, peers_top1, peaks, .. } = figures;
    let (product, peers_top) = (&ranks.peers, &top.peers);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}. {} rows and as many columns of 512 numbers, {} threads each. {}.\n",
        machine::and_date(),
        options.size,
        figures.threads,
        turns(rounds, figures.are_settled())
    );
    let _ = writeln!(
        text,
        "| what | seconds | of the product's time | of the peer's time | GB at most |\n|--|--:|--:|--:|--:|"
    );
    let mut row = |what: &str, seconds: &Rounds, peak: Option<f64>| {
        let _ = writeln!(
            text,
            "| {what} | {} | {:.2} | {:.2} | {} |",
            seconds.show(1),
            seconds.median() / product.median(),
            seconds.median() / peers_top.median(),
            peak.map_or(String::new(), |bytes| format!("{:.2}", bytes / 1e9))
        );
    };
    row("matrix product alone, the same tiles", product, None);
    row("ranks both ways", &ranks.ours, Some(peaks[0]));
    row("best ten of each row", &top.ours, Some(peaks[1]));
    row(&format!("faiss-cpu {}, best ten of each row", figures.version), peers_top, None);
    row("faiss-cpu, best one of each row", peers_top1, None);
    let _ = writeln!(
        text,
        "\nTurn by turn, ranks both ways take {} times the product's time, and our best ten {} times the \
         peer's.",
        ranks.ratio(),
        top.ratio()
    );
    let [ours, peers] = &figures.recalls;
    let _ = writeln!(
        text,
        "\nR@1, R@5 and R@10 from rows to columns: {}, and {} by the peer's best ten. Of our best ten the peer \
         has {:.5} % too.",
        list(ours),
        list(peers),
        100.0 * figures.same
    );
    text
}

/// Puts `text` into docs/performance.md.
pub(super) fn write(workspace: &Workspace, text: &str) -> Result<(), String> {
    write_between(workspace, BEGIN, text)
}

fn list(recalls: &[f64]) -> String {
    let each: Vec<String> =
        recalls.iter().map(|recall| format!("{:.3} %", 100.0 * recall)).collect();
    each.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;
    use crate::bench::What;
    use crate::markdown;

    #[test]
    fn ratios_are_those_of_medians() {
        let options =
            Options { what: What::Retrieve, rounds: 2, seconds: 5.0, size: 300, write: false };
        let text = render(&figures(), &options, 2);
        let table = &markdown::tables(&text)[0];
        assert_eq!(table.rows[1].cells[1..], ["5.0 (4.0 to 6.0)", "1.67", "0.62", "0.90"]);
        assert_eq!(table.rows[3].cells[0], "faiss-cpu 1.2.3, best ten of each row");
        // 4 / 2 and 6 / 4; 3 / 8 and 5 / 8.
        assert!(text.contains("take 1.750 times the product's time, and our best ten 0.500 times"));
        assert!(text.contains("300 rows") && text.contains("50.000 %, 60.000 %, 70.000 %, and"));
    }
}
