//! The limit of a corpus: what an oracle finds in a list that reads the factors from the files. Measured once a list.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::grid::{Cell, Grid, Regime};
use super::record::{Records, write_lines};
use crate::process::{self, note, read_json};

/// What the oracle finds in one list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    /// The digest of the list, and how many clips it has.
    pub(super) list: (String, usize),
    /// The arguments of the program that measured it.
    pub(super) command: Vec<String>,
    /// Where the right answer of every query stands, as in a record.
    pub(super) ranks: [Vec<u32>; 2],
}

/// The file of all limits.
#[derive(Debug)]
pub(super) struct Limits {
    path: PathBuf,
    all: Vec<Limit>,
}

impl Limits {
    /// Reads the file at `path`; there need be none.
    pub(super) fn read(path: PathBuf) -> Result<Self> {
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let limits = text.lines().map(|line| read_json("equiav data oracle", line));
        let all = limits.collect::<Result<_>>().with_context(|| path.display().to_string())?;
        Ok(Self { path, all })
    }

    /// The limit of the list with such a digest.
    pub(super) fn of(&self, list: &(String, usize)) -> Option<&Limit> {
        self.all.iter().find(|limit| limit.list == *list)
    }

    /// Measures the lists of finished runs whose limit is not known; `program` starts equiav. What is no procedural
    /// corpus has no limit, which is told.
    pub(super) fn measure(
        &mut self,
        grid: &Grid,
        cells: &[Cell],
        records: &Records,
        program: impl Fn() -> Command,
    ) -> Result<()> {
        for regime in &grid.regimes {
            let own = cells.iter().filter(|cell| cell.regime == regime.name);
            if own.filter_map(|cell| records.of(cell)).all(|run| self.of(&run.list).is_some()) {
                continue;
            }
            let arguments = arguments(grid, regime);
            note(&format!("the limit of the corpus of {}", regime.name));
            let measured = process::capture(program().args(&arguments).args(["--json", "--ranks"]));
            match measured {
                Ok(text) => self.add(limit(&text, arguments)?)?,
                Err(error) => note(&format!("{} has no limit: {error:#}", regime.name)),
            }
        }
        Ok(())
    }

    fn add(&mut self, limit: Limit) -> Result<()> {
        self.all.retain(|one| one.list != limit.list);
        self.all.push(limit);
        self.all.sort_by(|one, other| one.list.cmp(&other.list));
        write_lines(&self.path, &self.all)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// The program's arguments for the corpus of `regime`.
fn arguments(grid: &Grid, regime: &Regime) -> Vec<String> {
    let set = grid.set.iter().chain(&regime.set);
    let set = set.flat_map(|change| ["--set".to_owned(), change.clone()]);
    ["data", "oracle", &regime.recipe].map(str::to_owned).into_iter().chain(set).collect()
}

/// What the program printed about the first list.
fn limit(text: &str, command: Vec<String>) -> Result<Limit> {
    let first = text.lines().next().context("equiav data oracle measured no list")?;
    let Measured { digest, listed, ranks } = read_json("equiav data oracle", first)?;
    let ranks = [ranks.visual_to_audio, ranks.audio_to_visual];
    let ranks = ranks.map(|way| way.into_iter().map(|rank| rank.ceil() as u32).collect());
    Ok(Limit { list: (digest, listed), command, ranks })
}

#[derive(Deserialize)]
struct Measured {
    digest: String,
    listed: usize,
    ranks: Ranks,
}

#[derive(Deserialize)]
struct Ranks {
    visual_to_audio: Vec<f64>,
    audio_to_visual: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::super::record::{Record, tests::record};
    use super::*;

    #[test]
    fn a_list_is_measured_once() {
        let grid: Grid = toml::from_str(
            r#"set = ["a=1"]
               variants = [{ name = "v", about = "one" }]
               regimes = [{ name = "r", about = "here", recipe = "quick", set = ["b=2"], choose = [0] }]"#,
        )
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("recipes")).unwrap();
        fs::write(folder.path().join("recipes/quick.toml"), "a = 0").unwrap();
        let cells = grid.cells(folder.path()).unwrap();
        let path = folder.path().join("deep/limits.jsonl");
        let mut records = Records::read(folder.path().join("records.jsonl")).unwrap();
        let mut limits = Limits::read(path.clone()).unwrap();
        let failing = || Command::new("false");
        limits.measure(&grid, &cells, &records, failing).unwrap();
        let record = record("r", "v", 0, vec![1, 2]);
        records.add(Record { digest: cells[0].digest.clone(), ..record }).unwrap();
        // What has no limit ends nothing.
        limits.measure(&grid, &cells, &records, failing).unwrap();
        assert!(!path.exists());
        let ranks = r#"{"visual_to_audio":[1.0,1.5],"audio_to_visual":[1,1]}"#;
        let printed =
            format!(r#"{{"list":"held-out","digest":"list","listed":2,"ranks":{ranks}}}"#);
        let printing = || {
            let mut command = Command::new("sh");
            command.args(["-c", "echo \"$0\"", &printed]);
            command
        };
        limits.measure(&grid, &cells, &records, printing).unwrap();
        limits.measure(&grid, &cells, &records, failing).unwrap();
        let mut again = Limits::read(path).unwrap();
        let limit = again.of(&("list".to_owned(), 2)).unwrap();
        assert_eq!(limit.ranks, [vec![1, 2], vec![1, 1]]);
        assert_eq!(limit.command, ["data", "oracle", "quick", "--set", "a=1", "--set", "b=2"]);
        again.add(Limit { list: ("other".to_owned(), 2), ..limit.clone() }).unwrap();
        assert_eq!(again.all.len(), 2);
    }
}
