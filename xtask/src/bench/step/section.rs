//! The comparison of the step as Markdown, and its place in docs/performance.md.

use std::fmt::Write as _;

use super::Case;
use super::figures::Figures;
use crate::bench::section::write_between;
use crate::machine;
use crate::workspace::Workspace;

const BEGIN: &str = "<!-- written by `cargo xtask bench --peer step --write` -->\n";

/// The section's text.
pub(super) fn render(cases: &[(&Case, Figures)], centroid: &str) -> String {
    let mut text = String::new();
    let first = cases.first().map(|(_, figures)| figures);
    let (torch, threads) =
        first.map_or(("", 0.0), |figures| (figures.torch.as_str(), figures.threads));
    let _ = writeln!(
        text,
        "{}. PyTorch {torch}, {threads} threads each. Medians (least to most) over pairs of turns (A B, B A), \
         each of which makes the steps of the last column and takes the median without the first. Ratios of \
         speed are the median of pairs with its 95 % interval; where that is wider than a point to either side, \
         the ratio is marked with a star.\n",
        machine::and_date()
    );
    text += &tables(cases);
    let _ = writeln!(
        text,
        "\nWhat the centroid of 16 adds to a step of ours with the clean pair ({}): {centroid}.",
        cases.first().map_or("", |(case, _)| case.name)
    );
    text
}

/// Speeds, memory and losses of both sides, and where the time of our steps goes.
pub(crate) fn tables(cases: &[(&Case, Figures)]) -> String {
    let mut text = String::from(
        "| step | samples/s of equiav | of the peer | ratio | GB of equiav | of the peer | ratio \
             | losses differ by | pairs | steps |\n|--|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (case, figures) in cases {
        let Figures { samples, memory, losses, rounds, .. } = figures;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {}{} | {:.2} | {:.2} | {:.2} | {losses:.1e} | {rounds} | {} |",
            case.name,
            samples.ours.show(3),
            samples.peers.show(3),
            samples.ratio(),
            if figures.are_settled() { "" } else { " *" },
            memory.ours.median(),
            memory.peers.median(),
            memory.paired().ratio(),
            case.steps
        );
    }
    text += "\n";
    text + &phases(cases)
}

/// Where the time of our steps goes.
fn phases(cases: &[(&Case, Figures)]) -> String {
    let names: Vec<&String> =
        cases.first().map_or_else(Vec::new, |(_, figures)| figures.phases.keys().collect());
    let mut text = String::from("| ms of a step of ours |");
    names.iter().for_each(|name| text += &format!(" {name} |"));
    text += "\n|--|";
    text += &"--:|".repeat(names.len());
    text += "\n";
    for (case, figures) in cases {
        text += &format!("| {} |", case.name);
        for name in &names {
            let time = figures.phases.get(*name).map_or(0.0, |rounds| rounds.median());
            text += &format!(" {time:.1} |");
        }
        text += "\n";
    }
    text
}

/// Puts `text` between this section's markers.
pub(super) fn write(workspace: &Workspace, text: &str) -> Result<(), String> {
    write_between(workspace, BEGIN, text)
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::{OURS, PEERS};
    use super::*;
    use crate::markdown;

    #[test]
    fn the_section_has_its_two_tables() {
        let mut figures = Figures::default();
        figures.add(OURS, PEERS).unwrap();
        figures.add(&OURS.replace("6.0", "12.0"), PEERS).unwrap();
        let [case, ..] = &super::super::CASES;
        figures.rounds = 2;
        let text = render(&[(case, figures)], "1.23 %");
        let tables = markdown::tables(&text);
        assert_eq!(
            tables[0].rows[0].cells[1..],
            [
                "9.000 (6.000 to 12.000)",
                "3.000 (3.000 to 3.000)",
                "3.000 *",
                "2.00",
                "4.00",
                "0.50",
                "2.0e-3",
                "2",
                "3"
            ]
        );
        assert_eq!(tables[1].rows[0].cells[1..], ["10.0", "1.0"]);
        assert!(text.contains("fp32): 1.23 %."));
    }
}
