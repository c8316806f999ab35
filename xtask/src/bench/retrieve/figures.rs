//! What both sides print about retrieval, read and gathered over the rounds.

use std::collections::HashMap;

use tinyjson::JsonValue;

use crate::bench::figures::{Rounds, Sides, not_understood, object, parse};

/// All that was measured.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Seconds of our ranks both ways, beside those of the matrix product alone with the same tiles.
    pub(super) ranks: Sides,
    /// Seconds of our best ten, beside those of the peer's.
    pub(super) top: Sides,
    /// Seconds of the peer's best one, in turn with the same.
    pub(super) peers_top1: Rounds,
    /// The most bytes that our ranks have held, and our best ten.
    pub(super) peaks: [f64; 2],
    /// Our recall at 1, 5 and 10, and the peer's of its best ten.
    pub(super) recalls: [Vec<f64>; 2],
    /// The share of our best ten that the peer has found too.
    pub(super) same: f64,
    /// Threads of either side.
    pub(super) threads: f64,
    /// The peer's version.
    pub(super) version: String,
}

impl Figures {
    /// The number of threads, of what our best ten printed in a turn that does not count.
    pub(super) fn threads_of_top(&mut self, text: &str) -> Result<usize, String> {
        self.threads = take(text, "our best ten", |json| number(json, "threads"))?;
        Ok(self.threads as usize)
    }

    /// Takes what our best ten printed.
    pub(super) fn add_top(&mut self, text: &str) -> Result<(), String> {
        let read = |json: &JsonValue| Some([number(json, "seconds")?, number(json, "peak_bytes")?]);
        let [seconds, peak] = take(text, "our best ten", read)?;
        self.top.ours.push(seconds);
        self.peaks[1] = self.peaks[1].max(peak);
        Ok(())
    }

    /// Whether no further round is needed.
    pub(super) fn are_settled(&self) -> bool {
        self.ranks.paired().is_settled() && self.top.paired().is_settled()
    }

    /// Takes what our ranks printed.
    pub(super) fn add_ranks(&mut self, text: &str) -> Result<(), String> {
        let read = |json: &JsonValue| {
            let recall = numbers(json, "recall")?;
            Some((number(json, "seconds")?, number(json, "peak_bytes")?, recall))
        };
        let (seconds, peak, recall) = take(text, "our ranks", read)?;
        self.ranks.ours.push(seconds);
        self.peaks[0] = self.peaks[0].max(peak);
        self.recalls[0] = recall;
        Ok(())
    }

    /// Takes what the matrix product printed.
    pub(super) fn add_product(&mut self, text: &str) -> Result<(), String> {
        self.ranks.peers.push(take(text, "the matrix product", |json| number(json, "seconds"))?);
        Ok(())
    }

    /// Takes what the peer printed.
    pub(super) fn add_peers(&mut self, text: &str) -> Result<(), String> {
        let (json, read) = (parse(text), |json: &JsonValue| {
            let version: String =
                object(object(json)?.get("versions")?)?.get("faiss-cpu")?.get().cloned()?;
            let seconds = [number(json, "seconds_top1")?, number(json, "seconds_top10")?];
            Some((seconds, numbers(json, "recall")?, number(json, "same")?, version))
        });
        let found = json.as_ref().and_then(read).ok_or_else(|| not_understood("the peer", text))?;
        let ([one, ten], recall, same, version) = found;
        self.peers_top1.push(one);
        self.top.peers.push(ten);
        (self.recalls[1], self.same, self.version) = (recall, same, version);
        Ok(())
    }
}

fn take<T>(text: &str, what: &str, read: impl Fn(&JsonValue) -> Option<T>) -> Result<T, String> {
    parse(text).as_ref().and_then(read).ok_or_else(|| not_understood(what, text))
}

fn number(json: &JsonValue, name: &str) -> Option<f64> {
    let object: &HashMap<String, JsonValue> = object(json)?;
    object.get(name)?.get::<f64>().copied()
}

fn numbers(json: &JsonValue, name: &str) -> Option<Vec<f64>> {
    let list: &Vec<JsonValue> = object(json)?.get(name)?.get()?;
    list.iter().map(|value| value.get::<f64>().copied()).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two rounds.
    pub(crate) fn figures() -> Figures {
        let mut figures = Figures::default();
        for seconds in [2.0, 4.0] {
            let ours = |seconds: f64, peak: f64| {
                format!(
                    r#"{{"seconds": {seconds}, "threads": 2, "peak_bytes": {peak}, "recall": [0.5, 0.6, 0.7]}}"#
                )
            };
            assert_eq!(figures.threads_of_top(&ours(seconds + 1.0, 8e8)), Ok(2));
            figures.add_top(&ours(seconds + 1.0, 8e8)).unwrap();
            figures.add_ranks(&ours(seconds + 2.0, 9e8)).unwrap();
            figures.add_product(&ours(seconds, 1.0)).unwrap();
            let peer = r#"{"seconds_top1": 6.0, "seconds_top10": 8.0, "recall": [0.5, 0.6, 0.7],
                "same": 0.999999, "threads": 2, "versions": {"faiss-cpu": "1.2.3"}}"#;
            figures.add_peers(peer).unwrap();
        }
        figures
    }

    #[test]
    fn what_is_printed_is_read() {
        let figures = figures();
        assert_eq!((figures.ranks.ours.median(), figures.top.ours.median()), (5.0, 4.0));
        assert_eq!((figures.ranks.peers.median(), figures.top.peers.median()), (3.0, 8.0));
        assert!(!figures.are_settled(), "two rounds have no interval");
        assert_eq!((figures.peaks, figures.threads), ([9e8, 8e8], 2.0));
        assert_eq!((figures.version.as_str(), figures.same), ("1.2.3", 0.999999));
        assert_eq!(figures.recalls[0], figures.recalls[1]);
    }

    #[test]
    fn other_text_is_refused() {
        let mut figures = Figures::default();
        assert!(figures.add_ranks("{}").unwrap_err().contains("our ranks"));
        assert!(figures.add_peers("nothing").unwrap_err().contains("the peer"));
        assert!(figures.add_top("").is_err() && figures.add_product("[]").is_err());
    }
}
