//! The comparison as Markdown, and its place in docs/performance.md.

use std::fmt::Write as _;

use super::Options;
use super::figures::{Figures, Sides, turns};
use crate::workspace::Workspace;
use crate::{jpeg, machine, written};

const FILE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- written by `cargo xtask bench --peer --write` -->\n";

/// The section's text.
pub(super) fn render(figures: &Figures, options: &Options, rounds: usize, pinned: bool) -> String {
    let mut text = String::new();
    let versions = figures.versions.iter().map(|(name, version)| format!("{name} {version}"));
    let versions: Vec<String> = versions.collect();
    let place = if pinned { "each pinned to the same core" } else { "not pinned" };
    let _ = writeln!(
        text,
        "{}. {}, {} s each, on the same 64 clips (10 s at 16 kHz, frame of 640 x 360), {place}. Ours decodes \
         jpgs by {}.\n",
        machine::and_date(),
        turns(rounds, figures.are_settled()),
        options.seconds,
        jpeg::library()
    );
    let _ =
        writeln!(text, "| one core | equiav | {} | ratio |\n|--|--:|--:|--:|", versions.join(", "));
    let _ = write!(text, "{}", row("samples/s, file to batch", &figures.samples));
    let _ = write!(text, "{}", row("filterbanks/s, 10 s of sound", &figures.filterbanks));
    let workers = figures.two_workers.ratio();
    let _ = writeln!(text, "\nTwo workers of ours give {workers} times the samples/s of one.\n");
    let _ = write!(text, "{}", stages(figures));
    text
}

fn row(what: &str, sides: &Sides) -> String {
    let (ours, peers) = (sides.ours.show(1), sides.peers.show(1));
    format!("| {what} | {ours} | {peers} | {} |\n", sides.ratio())
}

/// Our stages, the longest first.
fn stages(figures: &Figures) -> String {
    let mut stages: Vec<(&String, f64)> =
        figures.stages.iter().map(|(name, rounds)| (name, rounds.median())).collect();
    stages.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    let mut text = String::from("| stage of ours | ms a sample |\n|--|--:|\n");
    for (name, milliseconds) in stages.iter().filter(|(_, milliseconds)| *milliseconds > 0.0) {
        let _ = writeln!(text, "| {name} | {milliseconds:.3} |");
    }
    text
}

/// Puts `text` between the markers of docs/performance.md.
pub(super) fn write(workspace: &Workspace, text: &str) -> Result<(), String> {
    write_between(workspace, BEGIN, text)
}

/// Puts `text` after the line `begin` of docs/performance.md, in the place of what stood there.
pub(super) fn write_between(workspace: &Workspace, begin: &str, text: &str) -> Result<(), String> {
    written::write_between(workspace, FILE, begin, text)
}

#[cfg(test)]
mod tests {
    use super::super::What;
    use super::*;
    use crate::markdown;

    #[test]
    fn the_section_has_its_two_tables() {
        let mut figures = Figures::default();
        for (ours, peers) in [(30.0, 10.0), (50.0, 20.0), (40.0, 10.0)] {
            figures.samples.ours.push(ours);
            figures.samples.peers.push(peers);
        }
        for (name, milliseconds) in [("read files", 0.5), ("resample", 0.0), ("filterbank", 2.0)] {
            figures.stages.entry(name.to_owned()).or_default().push(milliseconds);
        }
        let options = Options { what: What::Data, rounds: 3, seconds: 5.0, size: 10, write: false };
        let text = render(&figures, &options, 3, true);
        let tables = markdown::tables(&text);
        assert_eq!(
            tables[0].rows[0].cells[1..],
            ["40.0 (30.0 to 50.0)", "10.0 (10.0 to 20.0)", "3.000"]
        );
        let names: Vec<&str> = tables[1].rows.iter().map(|row| row.cells[0].as_str()).collect();
        assert_eq!(names, ["filterbank", "read files"]);
    }
}
