//! Reads `metrics.jsonl`: one JSON object a line, with `step`, `epoch` and numbers under any names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The figures of one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Finished updates.
    pub step: u64,
    /// The epoch, where the line names it.
    pub epoch: Option<u64>,
    /// Every other number by its key; other values are skipped.
    pub values: BTreeMap<String, f64>,
}

/// All records of a run, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// The records.
    pub records: Vec<Record>,
    /// Numbers, from 1, of lines before the last that are no records.
    pub unreadable: Vec<usize>,
}

impl Log {
    /// Reads what `bytes` hold; a last line that is only half written is skipped.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut log = Self::default();
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let last = lines.iter().rposition(|line| !line.is_empty());
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
            match Record::parse(line) {
                Some(record) => log.records.push(record),
                None if Some(index) == last => (),
                None => log.unreadable.push(index + 1),
            }
        }
        log
    }

    /// The points (step, value) of `key`.
    pub fn series(&self, key: &str) -> Vec<(u64, f64)> {
        let point = |record: &Record| Some((record.step, *record.values.get(key)?));
        self.records.iter().filter_map(point).collect()
    }

    /// The values of `key`.
    pub fn values(&self, key: &str) -> Vec<f64> {
        self.series(key).into_iter().map(|(_, value)| value).collect()
    }

    /// Every key that has a number somewhere.
    pub fn keys(&self) -> BTreeSet<&str> {
        self.records.iter().flat_map(|record| record.values.keys().map(String::as_str)).collect()
    }
}

impl Record {
    fn parse(line: &[u8]) -> Option<Self> {
        let object: Map<String, Value> = serde_json::from_slice(line).ok()?;
        let step = object.get("step")?.as_u64()?;
        let epoch = object.get("epoch").and_then(Value::as_u64);
        let figures = object.into_iter().filter(|(key, _)| key != "step" && key != "epoch");
        let values = figures.filter_map(|(key, value)| Some((key, value.as_f64()?))).collect();
        Some(Self { step, epoch, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_written_last_line_is_skipped_and_a_broken_one_before_is_named() {
        let log =
            Log::parse(b"{\"step\":1,\"a\":2}\nhello\n{\"step\":2,\"b\":null}\n{\"step\":3,\"a");
        assert_eq!(log.unreadable, [2]);
        assert_eq!(log.records.len(), 2);
        assert_eq!(log.series("a"), [(1, 2.0)]);
        assert_eq!(log.keys().into_iter().collect::<Vec<_>>(), ["a"]);
        assert_eq!(Log::parse(b""), Log::default());
    }
}
