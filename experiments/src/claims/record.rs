//! What is kept of a run when its folder is gone: a line of JSON, enough for every figure of the page.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::grid::Cell;
#[cfg(doc)]
use super::grid::Tuning;

/// One finished run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) regime: String,
    pub(super) variant: String,
    pub(super) seed: u64,
    /// See [`Cell::digest`].
    pub(super) digest: String,
    /// The processor that trained.
    pub(super) machine: String,
    pub(super) date: String,
    /// Clips seen, repetitions included.
    pub(super) clips_seen: u64,
    /// Seconds of training, evaluations apart.
    pub(super) seconds: f64,
    /// The digest of the list that was measured, and how many clips it has.
    pub(super) list: (String, usize),
    /// Where the right answer of every query stands, from 1: of sounds for pictures, of pictures for sounds.
    pub(super) ranks: [Vec<u32>; 2],
    /// Top-1 of a linear probe in [0, 1], by its input.
    #[serde(default)]
    pub(super) probe: Vec<(String, f64)>,
    /// What came of fine-tuning with few labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) finetune: Option<Tuned>,
    /// R@1 in [0, 1], the mean of both ways, as it was measured on the way: clips seen, seconds, R@1.
    pub(super) curve: Vec<(u64, f64, f64)>,
}

/// What came of fine-tuning a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tuned {
    /// See [`Tuning::digest`].
    pub(super) digest: String,
    /// The digest of the list that was tested, and how many clips it has.
    pub(super) list: (String, usize),
    /// Top-1 in [0, 1], by what the classifier saw.
    pub(super) top1: Vec<(String, f64)>,
}

impl Tuned {
    /// `multimodal 71.2 %, audio 30.0 %`
    pub(super) fn shown(&self) -> String {
        let shown = self.top1.iter().map(|(mode, top1)| format!("{mode} {:.1} %", 100.0 * top1));
        shown.collect::<Vec<_>>().join(", ")
    }
}

impl Record {
    /// The share of queries answered among the first `depth`, in [0, 1], of one way.
    pub(super) fn recall(&self, way: usize, depth: u32) -> f64 {
        recall(&self.ranks[way], depth)
    }

    /// For each clip, how much of both ways is answered first: 0, 0.5 or 1.
    pub(super) fn hits(&self) -> Vec<f64> {
        let [forth, back] = &self.ranks;
        let hit = |rank: &u32| f64::from(u8::from(*rank == 1));
        forth.iter().zip(back).map(|(forth, back)| (hit(forth) + hit(back)) / 2.0).collect()
    }

    /// Samples a second.
    pub(super) fn rate(&self) -> f64 {
        self.clips_seen as f64 / self.seconds
    }
}

/// The share of `ranks` among the first `depth`, in [0, 1].
pub(super) fn recall(ranks: &[u32], depth: u32) -> f64 {
    ranks.iter().filter(|rank| **rank <= depth).count() as f64 / ranks.len() as f64
}

/// The file of all finished runs.
#[derive(Debug)]
pub(super) struct Records {
    path: PathBuf,
    pub(super) all: Vec<Record>,
}

impl Records {
    /// Reads the file at `path`; there need be none.
    pub(super) fn read(path: PathBuf) -> Result<Self> {
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let parsed = text.lines().enumerate().map(|(at, line)| {
            let record = serde_json::from_str(line);
            record.with_context(|| format!("{}: line {} is no record", path.display(), at + 1))
        });
        Ok(Self { all: parsed.collect::<Result<_>>()?, path })
    }

    /// The finished run of `cell`, if there is one under the present settings.
    ///
    /// It may have another variant's name: two that change the recipe in the same way are one run.
    pub(super) fn of(&self, cell: &Cell) -> Option<&Record> {
        let same = |record: &&Record| {
            (&record.regime, record.seed, &record.digest) == (&cell.regime, cell.seed, &cell.digest)
        };
        let mut all = self.all.iter().filter(same);
        all.clone().find(|record| record.variant == cell.variant).or_else(|| all.next())
    }

    /// Adds a finished run and writes the file anew, whole or not at all; an older run in the same place goes.
    pub(super) fn add(&mut self, record: Record) -> Result<()> {
        let ways = &record.ranks;
        ensure!(
            ways[0].len() == record.list.1 && ways[1].len() == record.list.1,
            "ranks are missing"
        );
        let place = |one: &Record| (one.regime.clone(), one.variant.clone(), one.seed);
        let taken = place(&record);
        self.all.retain(|one| place(one) != taken);
        self.all.push(record);
        self.all.sort_by_key(place);
        write_lines(&self.path, &self.all)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Writes a line of JSON for each of `lines` to `path`, whole or not at all.
pub(super) fn write_lines(path: &Path, lines: &[impl Serialize]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension("part");
    let mut file = File::create(&partial)?;
    for line in lines {
        writeln!(file, "{}", serde_json::to_string(line)?)?;
    }
    file.sync_all()?;
    Ok(fs::rename(&partial, path)?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of `regime` and `variant` with such ranks both ways.
    pub(crate) fn record(regime: &str, variant: &str, seed: u64, ranks: Vec<u32>) -> Record {
        Record {
            regime: regime.to_owned(),
            variant: variant.to_owned(),
            seed,
            digest: "d".to_owned(),
            machine: "a processor".to_owned(),
            date: "2026-01-01".to_owned(),
            clips_seen: 640,
            seconds: 8.0,
            list: ("list".to_owned(), ranks.len()),
            probe: vec![("audio".to_owned(), 0.5)],
            finetune: None,
            curve: vec![(640, 8.0, 0.25)],
            ranks: [ranks.clone(), ranks],
        }
    }

    #[test]
    fn records_are_kept_one_for_each_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/records.jsonl");
        let mut records = Records::read(path.clone()).unwrap();
        records.add(record("r", "b", 1, vec![1, 2, 3, 40])).unwrap();
        records.add(record("r", "a", 1, vec![1, 1, 1, 1])).unwrap();
        records.add(record("r", "b", 1, vec![1, 1, 11, 40])).unwrap();
        let again = Records::read(path.clone()).unwrap();
        assert_eq!(again.all, records.all);
        let [first, second] = &again.all[..] else { panic!("{again:?}") };
        assert_eq!(
            (first.variant.as_str(), second.recall(0, 1), second.recall(1, 10)),
            ("a", 0.5, 0.5)
        );
        assert!((second.rate() - 80.0).abs() < 1e-9);
        // Without fine-tuning a line is what it was before there was any.
        assert!(!fs::read_to_string(&path).unwrap().contains("finetune"));
        fs::write(&path, "nonsense\n").unwrap();
        assert!(format!("{:#}", Records::read(path).unwrap_err()).contains("line 1"));
    }
}
