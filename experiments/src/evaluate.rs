//! `evaluate`: what pre-training is good for, measured on the embedded corpus and written down.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::generated_docs;
use crate::process::{self, note, print, read_json};
use crate::repository::{Repository, machine_and_date};

const PAGE: &str = "docs/results.md";
const BEGIN: &str = "<!-- written by `cargo xtask evaluate` -->\n";
/// Modalities that a classifier sees.
const MODES: [&str; 3] = ["multimodal", "audio", "visual"];
/// Labeled clips of each class, with the epochs in which they make equally many steps.
const FEW: [(usize, u64); 2] = [(5, 60), (10, 30)];
/// What a classifier starts from, by the name of its run.
const STARTS: [&str; 2] = ["pre-trained", "scratch"];

/// Fine-tune and probe a pre-trained run and write the figures to docs/results.md
///
/// With few labels of the embedded corpus, fine-tunes from the pre-trained run (trained first if it is not finished)
/// and from scratch, for as many steps; then probes its frozen features beside those of a fresh network, and measures
/// localization. Runs that are finished are not made again.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The pre-trained run
    #[arg(long, value_name = "DIR", default_value = "runs/quick")]
    run: PathBuf,
    /// Where the runs of this command are kept
    #[arg(long, value_name = "DIR", default_value = "runs/evaluate")]
    out: PathBuf,
}

/// `cargo xtask evaluate`.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    // Says at once that it is finished, where it is.
    note(&format!("pre-training in {}", options.run.display()));
    let mut pretrain = repository.equiav();
    process::run(pretrain.args(["pretrain", "quick", "--out"]).arg(&options.run))?;
    let mut text = format!("{}. `cargo xtask evaluate`.\n", machine_and_date());
    text += &fine_tuned(repository, options)?;
    text += &probed(repository, &options.run)?;
    text += &localized(repository, &options.run)?;
    print(&text)?;
    generated_docs::write_between(repository, PAGE, BEGIN, &text)
}

/// Where the run sees what it hears, beside baselines and silence: the program's own table.
fn localized(repository: &Repository, run: &Path) -> Result<String> {
    note("localization");
    let table = process::capture(repository.equiav().arg("localize").arg(run))?;
    Ok(format!(
        "\nLocalization ([localization.md](localization.md)), the sounds of the held-out clips in their pictures:\n\n\
         ```text\n{}\n```\n",
        table.trim_end()
    ))
}

/// Fine-tunes in every mode, from every start, with few labels; a table of what comes of it.
fn fine_tuned(repository: &Repository, options: &Options) -> Result<String> {
    let (mut rows, mut list) = (String::new(), String::new());
    for mode in MODES {
        for (per_class, epochs) in FEW {
            let mut figures = Vec::new();
            for start in STARTS {
                note(&format!("{mode}, {per_class} clips of each class, {start}"));
                let changes = [
                    format!("model.mode={mode}"),
                    format!("data.per_class={per_class}"),
                    format!("run.epochs={epochs}"),
                ];
                let out = options.out.join(format!("{mode}-{per_class}-{start}"));
                figures.push(fine_tune(repository, &options.run, start, &out, &changes)?);
            }
            list = figures[0].list();
            let cells: Vec<String> = ["top1", "map"]
                .into_iter()
                .flat_map(|name| figures.iter().map(move |figures| figures.show(name)))
                .collect::<Result<_>>()?;
            let _ = writeln!(rows, "| {mode} | {per_class} | {} |", cells.join(" | "));
        }
    }
    Ok(format!(
        "\nFine-tuning of the recipe [finetune-quick](../recipes/finetune-quick.toml), 300 steps of 24 clips each; \
         the epoch is chosen on 240 further training clips; measured on {list}.\n\n\
         | mode | labeled clips of each class | top-1, pre-trained | from scratch | mAP, pre-trained | from scratch |\n\
         |--|--:|--:|--:|--:|--:|\n{rows}"
    ))
}

/// Fine-tunes one run into `out`, unless it is there, and reads the figures that it left.
fn fine_tune(
    repository: &Repository,
    run: &Path,
    start: &str,
    out: &Path,
    changes: &[String],
) -> Result<Figures> {
    let mut command = repository.equiav();
    command.args(["finetune", "finetune-quick", "--out"]).arg(out);
    match start {
        "scratch" => command.arg("--scratch"),
        _ => command.arg("--from").arg(run),
    };
    command.args(changes.iter().flat_map(|change| ["--set", change]));
    process::run(&mut command)?;
    let path = repository.root.join(out).join("test.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let test: Test = read_json(&path.display().to_string(), &text)?;
    test.lists.into_iter().next().with_context(|| format!("{} has no list", path.display()))
}

/// Probes the run and a fresh network; a table of what comes of it.
fn probed(repository: &Repository, run: &Path) -> Result<String> {
    let mut rows = String::new();
    for per_class in [Some("10"), None] {
        note(&format!("probes, {} clips of each class", per_class.unwrap_or("all")));
        let probe = |extra: &[&str]| {
            let mut command = repository.equiav();
            command.arg("probe").arg(run).arg("--json").args(extra);
            command.args(per_class.iter().flat_map(|clips| ["--per-class", clips]));
            Probe::all(&process::capture(&mut command)?)
        };
        for (trained, fresh) in probe(&[])?.iter().zip(&probe(&["--random"])?) {
            let _ = write!(rows, "| {} | {} | {} ", trained.input, trained.method, trained.clips);
            for name in ["top1", "map"] {
                let (trained, fresh) = (trained.first()?.show(name)?, fresh.first()?.show(name)?);
                let _ = write!(rows, "| {trained} | {fresh} ");
            }
            rows += "|\n";
        }
    }
    Ok(format!(
        "\nFrozen features (the mean of the plain tokens), on the same clips: a linear probe and nearest neighbors, learning rate and \
         number of neighbors chosen on 240 further training clips. Fresh: the same network before any training.\n\n\
         | features | method | clips learned from | top-1, pre-trained | fresh | mAP, pre-trained | fresh |\n\
         |--|--|--:|--:|--:|--:|--:|\n{rows}"
    ))
}

/// `test.json` of a fine-tuning run.
#[derive(Deserialize)]
struct Test {
    lists: Vec<Figures>,
}

/// The figures of one list: shares by name, some with an interval.
#[derive(Debug, Deserialize)]
struct Figures {
    found: u64,
    listed: u64,
    digest: String,
    #[serde(default)]
    intervals: BTreeMap<String, Option<(f64, f64)>>,
    #[serde(flatten)]
    shares: BTreeMap<String, serde_json::Value>,
}

/// A line of `equiav probe --json`.
#[derive(Debug, Deserialize)]
struct Probe {
    input: String,
    method: String,
    clips: u64,
    test: Vec<Figures>,
}

impl Figures {
    /// `61.3 % (55.1 to 67.2)`.
    fn show(&self, name: &str) -> Result<String> {
        let share = self.shares.get(name).and_then(serde_json::Value::as_f64);
        let share = share.with_context(|| format!("list {} has no {name}", self.digest))?;
        let interval = self
            .intervals
            .get(name)
            .copied()
            .flatten()
            .map(|(low, high)| format!(" ({:.1} to {:.1})", 100.0 * low, 100.0 * high));
        Ok(format!("{:.1} %{}", 100.0 * share, interval.unwrap_or_default()))
    }

    /// What was measured.
    fn list(&self) -> String {
        format!("{} of {} held-out clips, list {}", self.found, self.listed, self.digest)
    }
}

impl Probe {
    fn all(text: &str) -> Result<Vec<Self>> {
        text.lines().map(|line| read_json("equiav probe --json", line)).collect()
    }

    fn first(&self) -> Result<&Figures> {
        self.test.first().context("equiav probe --json tells of no list")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"found":3,"listed":4,"digest":"abc","top1":0.5,"map":0.25,
        "intervals":{"top1":[0.4,0.625]}}"#;

    #[test]
    fn figures_are_read_with_and_without_intervals() {
        let text = format!(r#"{{"checkpoints":["step-1"],"lists":[{LIST}]}}"#);
        let test: Test = read_json("a run", &text).unwrap();
        let figures = &test.lists[0];
        assert_eq!(figures.show("top1").unwrap(), "50.0 % (40.0 to 62.5)");
        assert_eq!(figures.show("map").unwrap(), "25.0 %");
        assert_eq!(figures.show("auc").unwrap_err().to_string(), "list abc has no auc");
        assert_eq!(figures.list(), "3 of 4 held-out clips, list abc");
        assert!(read_json::<Test>("a run", "{}").is_err());
    }

    #[test]
    fn probes_come_one_a_line() {
        let list = LIST.replace('\n', " ");
        let line = format!(r#"{{"input":"both","method":"linear","clips":7,"test":[{list}]}}"#);
        let all = Probe::all(&format!("{line}\n{line}\n")).unwrap();
        assert_eq!((all.len(), &*all[1].input, all[0].clips), (2, "both", 7));
        assert!(Probe::all("nonsense").unwrap_err().to_string().ends_with("nonsense"));
    }

    #[test]
    fn few_labels_make_equal_steps() {
        let steps = FEW.map(|(per_class, epochs)| 24 * per_class as u64 / 24 * epochs);
        assert_eq!(steps, [300, 300]);
    }
}
