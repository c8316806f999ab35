//! `evaluate`: what pre-training is good for, measured on the embedded corpus and written down.

mod figures;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::args::Args;
use crate::output::outln;
use crate::terminal::note;
use crate::workspace::Workspace;
use crate::{jpeg, machine, process, setup, written};
use figures::{Figures, Probed};

pub(crate) const HELP: &str = "\
usage: cargo xtask evaluate [--run DIR] [--out DIR]

Builds with optimisation and, with few labels of the embedded corpus, fine-tunes from the pre-trained run in
DIR (runs/quick if not said; trained first if it is not finished) and from scratch, for as many steps; then
probes its frozen features beside those of a fresh network, and measures where it sees what it hears. What
comes of it is written to docs/results.md.
Runs are kept below --out (runs/evaluate if not said): those that are finished are not made again.
";

const PAGE: &str = "docs/results.md";
const BEGIN: &str = "<!-- written by `cargo xtask evaluate` -->\n";
/// Modalities that a classifier sees.
const MODES: [&str; 3] = ["multimodal", "audio", "visual"];
/// Labelled clips of each class, with the epochs in which they make equally many steps.
const FEW: [(usize, u64); 2] = [(5, 60), (10, 30)];
/// What a classifier starts from, by the name of its run.
const STARTS: [&str; 2] = ["pre-trained", "scratch"];

/// `cargo xtask evaluate`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    let places = Places::parse(arguments)?;
    setup::ensure(workspace)?;
    let program = build(workspace)?;
    let equiav = || {
        let mut command = Command::new(&program);
        command.current_dir(workspace.root());
        command
    };
    // Says at once that it is finished, where it is.
    note(&format!("pre-training in {}", places.run.display()));
    process::run(equiav().args(["pretrain", "quick", "--out"]).arg(&places.run))?;
    let mut text = format!("{}. `cargo xtask evaluate`.\n", machine::and_date());
    text += &fine_tuned(&places, &equiav)?;
    text += &probed(&places, &equiav)?;
    text += &localized(&places, &equiav)?;
    outln!("{text}");
    written::write_between(workspace, PAGE, BEGIN, &text)
}

/// Where the run sees what it hears, beside baselines and silence: the program's own table.
fn localized(places: &Places, equiav: &impl Fn() -> Command) -> Result<String, String> {
    note("localization");
    let table = process::capture(equiav().arg("localize").arg(&places.run))?;
    Ok(format!(
        "\nLocalization ([localization.md](localization.md)), the sounds of the held-out clips in their pictures:\n\n\
         ```text\n{}\n```\n",
        table.trim_end()
    ))
}

/// Where runs lie.
#[derive(Debug, PartialEq)]
struct Places {
    run: PathBuf,
    out: PathBuf,
}

impl Places {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut places = Self { run: "runs/quick".into(), out: "runs/evaluate".into() };
        let mut args = Args::new("evaluate", arguments);
        while let Some(option) = args.next() {
            let target = match option {
                "--run" => &mut places.run,
                "--out" => &mut places.out,
                other => return Err(args.unknown(other)),
            };
            *target = args.value(option)?.into();
        }
        Ok(places)
    }
}

/// Builds the program and says where it is.
fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package", "equiav"]).args(jpeg::features());
    process::run(&mut cargo)?;
    Ok(workspace.target().join("release/equiav"))
}

/// Fine-tunes in every mode, from every start, with few labels; a table of what comes of it.
fn fine_tuned(places: &Places, equiav: &impl Fn() -> Command) -> Result<String, String> {
    let mut rows = String::new();
    let mut list = String::new();
    for mode in MODES {
        for (per_class, epochs) in FEW {
            let mut cells = Vec::new();
            for start in STARTS {
                let out = places.out.join(format!("{mode}-{per_class}-{start}"));
                note(&format!("{mode}, {per_class} clips of each class, {start}"));
                let mut command = equiav();
                command.args(["finetune", "finetune-quick", "--out"]).arg(&out);
                match start {
                    "scratch" => command.arg("--scratch"),
                    _ => command.arg("--from").arg(&places.run),
                };
                for change in [
                    format!("model.mode={mode}"),
                    format!("data.per_class={per_class}"),
                    format!("run.epochs={epochs}"),
                ] {
                    command.args(["--set", &change]);
                }
                process::run(&mut command)?;
                let figures = tested(&out)?;
                list = figures.list();
                cells.push(figures);
            }
            let _ = writeln!(
                rows,
                "| {mode} | {per_class} | {} | {} | {} | {} |",
                cells[0].top1.show(),
                cells[1].top1.show(),
                cells[0].map.show(),
                cells[1].map.show()
            );
        }
    }
    Ok(format!(
        "\nFine-tuning of the recipe [finetune-quick](../recipes/finetune-quick.toml), 300 steps of 24 clips each; \
         the epoch is chosen on 240 further training clips; measured on {list}.\n\n\
         | mode | labelled clips of each class | top-1, pre-trained | from scratch | mAP, pre-trained | from scratch |\n\
         |--|--:|--:|--:|--:|--:|\n{rows}"
    ))
}

/// The figures that a fine-tuning run left.
fn tested(run: &Path) -> Result<Figures, String> {
    let path = run.join("test.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Figures::of_test(&text).ok_or_else(|| format!("{} is not understood", path.display()))
}

/// Probes the run and a fresh network; a table of what comes of it.
fn probed(places: &Places, equiav: &impl Fn() -> Command) -> Result<String, String> {
    let mut rows = String::new();
    for per_class in [Some(10), None] {
        let probe = |random: bool| {
            let mut command = equiav();
            command.arg("probe").arg(&places.run).arg("--json");
            if random {
                command.arg("--random");
            }
            if let Some(clips) = per_class {
                command.args(["--per-class", &format!("{clips}")]);
            }
            let text = process::capture(&mut command)?;
            Probed::all(&text).ok_or_else(|| format!("`equiav probe --json` said\n{text}"))
        };
        note(&format!("probes, {per_class:?} clips of each class"));
        let (trained, fresh) = (probe(false)?, probe(true)?);
        for (trained, fresh) in trained.iter().zip(&fresh) {
            let _ = writeln!(
                rows,
                "| {} | {} | {} | {} | {} | {} | {} |",
                trained.input,
                trained.method,
                trained.clips,
                trained.figures.top1.show(),
                fresh.figures.top1.show(),
                trained.figures.map.show(),
                fresh.figures.map.show()
            );
        }
    }
    Ok(format!(
        "\nFrozen features (the mean of the plain tokens), on the same clips: a linear probe and nearest neighbors, learning rate and \
         number of neighbors chosen on 240 further training clips. Fresh: the same network before any training.\n\n\
         | features | method | clips learned from | top-1, pre-trained | fresh | mAP, pre-trained | fresh |\n\
         |--|--|--:|--:|--:|--:|--:|\n{rows}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let parse = |line: &str| {
            Places::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let places = parse("--run a --out b").unwrap();
        assert_eq!(places, Places { run: "a".into(), out: "b".into() });
        assert_eq!(parse("").unwrap().run, PathBuf::from("runs/quick"));
        assert!(parse("--fast").unwrap_err().contains("`--fast` is no option"));
    }

    #[test]
    fn few_labels_make_equal_steps() {
        let steps = FEW.map(|(per_class, epochs)| 24 * per_class as u64 / 24 * epochs);
        assert_eq!(steps, [300, 300]);
    }
}
