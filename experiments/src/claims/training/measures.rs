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
        let Retrieved { digest, listed, ranks, .. } = retrieved(&text, &cell.lists)?;
        let ranks = [ranks.visual_to_audio, ranks.audio_to_visual];
        let path = folder.join("metrics.jsonl");
        let log = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let curve = curve(&log, &cell.lists)?;
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
            list: (digest, listed),
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

/// What was found in the lists that are `wanted`, or in the first, as of one list: the queries of one after those of the
/// other, each ranked in its own gallery.
fn retrieved(text: &str, wanted: &[String]) -> Result<Retrieved> {
    let all = text.lines().map(|line| read_json::<Retrieved>("equiav retrieve", line));
    let all: Vec<Retrieved> = all.collect::<Result<_>>()?;
    for name in wanted {
        ensure!(all.iter().any(|one| one.list == *name), "there is no list `{name}`");
    }
    let first = all.first().context("equiav retrieve measured no list")?.list.clone();
    let is_wanted =
        |list: &String| if wanted.is_empty() { *list == first } else { wanted.contains(list) };
    let mut lists = all.into_iter().filter(|one| is_wanted(&one.list));
    let mut whole = lists.next().context("no list is wanted")?;
    for one in lists {
        whole.digest = format!("{}+{}", whole.digest, one.digest);
        (whole.found, whole.listed) = (whole.found + one.found, whole.listed + one.listed);
        whole.ranks.visual_to_audio.extend(one.ranks.visual_to_audio);
        whole.ranks.audio_to_visual.extend(one.ranks.audio_to_visual);
    }
    ensure!(whole.found == whole.listed, "{} of {} clips were found", whole.found, whole.listed);
    Ok(whole)
}

#[derive(Deserialize)]
struct Retrieved {
    list: String,
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

/// Reads the log of a run, a JSON object a line; of evaluations, the `lists` that are named, or all.
fn curve(log: &str, lists: &[String]) -> Result<Curve> {
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
        let is_wanted = |key: &str| {
            let list = key.strip_prefix("val/").and_then(|rest| rest.split('/').next());
            list.is_some_and(|list| lists.is_empty() || lists.iter().any(|one| one == list))
        };
        let ways = record.iter().filter(|(key, _)| key.ends_with("/r1") && is_wanted(key));
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
        let all = curve(&log, &[]).unwrap();
        assert_eq!(all.seen, [(32, 0.5), (64, 1.0)]);
        assert_eq!(all.measured, [(64, 1.0, 0.5)]);
        assert_eq!(curve(&log, &["x".to_owned()]).unwrap(), all);
        assert!(curve(&log, &["y".to_owned()]).unwrap().measured.is_empty());
    }

    #[test]
    fn queries_of_several_lists_count_as_those_of_one() {
        let line = |list: &str, rank: u32| {
            let ranks = format!(r#"{{"visual_to_audio":[{rank},2],"audio_to_visual":[1,{rank}]}}"#);
            format!(
                r#"{{"list":"{list}","digest":"d{list}","found":2,"listed":2,"ranks":{ranks}}}"#
            )
        };
        let text = format!("{}\n{}\n{}\n", line("a", 3), line("b", 4), line("c", 5));
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            retrieved(&text, &names)
        };
        let (first, two) = (of(&[]).unwrap(), of(&["a", "c"]).unwrap());
        assert_eq!((first.digest.as_str(), first.listed), ("da", 2));
        assert_eq!((two.digest.as_str(), two.listed), ("da+dc", 4));
        assert_eq!(two.ranks.visual_to_audio, [3.0, 2.0, 5.0, 2.0]);
        assert_eq!(two.ranks.audio_to_visual, [1.0, 3.0, 1.0, 5.0]);
        assert!(of(&["z"]).is_err());
    }
}
