//! What is measured of a finished run and read from its log.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::super::grid::Cell;
use super::super::record::Record;
use super::Training;
use crate::process::{self, read_json};
use crate::repository::machine_and_date;

impl Training<'_> {
    /// Everything that is kept of the run in `folder`.
    pub(super) fn measure(&self, cell: &Cell, folder: &Path) -> Result<Record> {
        let text = process::capture(
            self.equiav().arg("retrieve").arg(folder).args(["--json", "--ranks"]),
        )?;
        let list: Retrieved = read_json("equiav retrieve", &text)?;
        ensure!(list.found == list.listed, "{} of {} clips were found", list.found, list.listed);
        let ranks = [list.ranks.visual_to_audio, list.ranks.audio_to_visual];
        let path = folder.join("metrics.jsonl");
        let log = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let curve = curve(&log)?;
        let &(clips_seen, seconds) = curve.seen.last().context("nothing was trained")?;
        let machine_and_date = machine_and_date();
        let (machine, date) =
            machine_and_date.rsplit_once("; ").context("the machine has no name")?;
        Ok(Record {
            regime: cell.regime.clone(),
            variant: cell.variant.clone(),
            seed: cell.seed,
            digest: cell.digest.clone(),
            machine: machine.to_owned(),
            date: date.to_owned(),
            clips_seen,
            seconds,
            list: (list.digest, list.listed),
            ranks: ranks.map(|way| way.into_iter().map(|rank| rank.ceil() as u32).collect()),
            probe: cell.probe.map_or(Ok(Vec::new()), |clips| self.probe(folder, clips))?,
            finetune: None,
            curve: curve.measured,
        })
    }

    /// Top-1 of a linear probe by its input, on so many clips of each class.
    fn probe(&self, folder: &Path, per_class: usize) -> Result<Vec<(String, f64)>> {
        let mut command = self.equiav();
        command.arg("probe").arg(folder).args(["--json", "--per-class", &per_class.to_string()]);
        let text = process::capture(&mut command)?;
        let all = text.lines().map(|line| read_json::<Probed>("equiav probe", line));
        let all: Vec<Probed> = all.collect::<Result<_>>()?;
        let linear = all.into_iter().filter(|one| one.method == "linear");
        linear
            .map(|one| {
                let first = one.test.first().context("equiav probe tells of no list")?;
                Ok((one.input, first.top1))
            })
            .collect()
    }
}

#[derive(Deserialize)]
struct Retrieved {
    found: usize,
    listed: usize,
    digest: String,
    ranks: Ranks,
}

#[derive(Deserialize)]
struct Ranks {
    visual_to_audio: Vec<f64>,
    audio_to_visual: Vec<f64>,
}

#[derive(Deserialize)]
struct Probed {
    input: String,
    method: String,
    test: Vec<Top1>,
}

#[derive(Deserialize)]
struct Top1 {
    top1: f64,
}

/// What a log of metrics tells.
#[derive(Debug, Default, PartialEq)]
struct Curve {
    /// After each record of training: clips seen, seconds.
    seen: Vec<(u64, f64)>,
    /// Of each evaluation: clips seen, seconds, R@1.
    measured: Vec<(u64, f64, f64)>,
}

/// Reads the log of a run, a JSON object a line.
fn curve(log: &str) -> Result<Curve> {
    let (mut curve, mut clips, mut seconds) = (Curve::default(), 0.0, 0.0);
    for line in log.lines() {
        let record: serde_json::Map<String, Value> = read_json("the log", line)?;
        let number = |key: &str| record.get(key).and_then(Value::as_f64);
        if let (Some(rate), Some(time)) =
            (number("train/samples_per_second"), number("train/batch_time"))
        {
            clips += rate * time;
            seconds += time;
            curve.seen.push((f64::round(clips) as u64, seconds));
        }
        let ways = record.iter().filter(|(key, _)| key.starts_with("val/") && key.ends_with("/r1"));
        let ways: Vec<f64> = ways.filter_map(|(_, value)| value.as_f64()).collect();
        if !ways.is_empty() {
            let mean = ways.iter().sum::<f64>() / ways.len() as f64;
            curve.measured.push((f64::round(clips) as u64, seconds, mean));
        }
    }
    Ok(curve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_becomes_a_curve() {
        let step = r#"{"step":1,"train/samples_per_second":64.0,"train/batch_time":0.5}"#;
        let measured = r#"{"step":2,"val/x/audio_to_visual/r1":0.25,"val/x/visual_to_audio/r1":0.75,"val/x/audio_to_visual/r10":1}"#;
        let log = format!("{step}\n{step}\n{measured}\n");
        let curve = curve(&log).unwrap();
        assert_eq!(curve.seen, [(32, 0.5), (64, 1.0)]);
        assert_eq!(curve.measured, [(64, 1.0, 0.5)]);
    }
}
