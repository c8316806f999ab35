//! Ranks and best candidates of both sides on the same vectors.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use super::Options;
use super::paired::{first_goes_first, until_settled};
use super::turns::{Rounds, Sides, pairs_of_turns};
use crate::process::{self, capture, note, read_json};
use crate::repository::{Repository, machine_and_date, peer_python};

pub(super) const BEGIN: &str = "<!-- written by `cargo xtask bench --peer retrieve --write` -->\n";
/// Numbers a vector.
const WIDTH: &str = "512";

/// What the rounds are run with.
struct Setting {
    program: PathBuf,
    python: PathBuf,
    script: PathBuf,
    folder: PathBuf,
    size: String,
}

/// All that was measured.
#[derive(Debug, Default)]
struct Figures {
    /// Seconds of our ranks both ways, beside those of the matrix product alone with the same tiles.
    ranks: Sides,
    /// Seconds of our best ten, beside those of the peer's.
    top: Sides,
    /// Seconds of the peer's best one, in turn with the same.
    peers_top1: Rounds,
    /// The most bytes that our ranks have held, and our best ten.
    peaks: [f64; 2],
    /// Our recall at 1, 5 and 10, and the peer's of its best ten.
    recalls: [Vec<f64>; 2],
    /// The share of our best ten that the peer has found too.
    same: f64,
    /// The peer's version.
    version: String,
}

/// What our example `retrieval` prints of its best ten, its ranks, or the matrix product.
#[derive(Deserialize)]
struct Ours {
    seconds: f64,
    #[serde(default)]
    threads: usize,
    #[serde(default)]
    peak_bytes: f64,
    #[serde(default)]
    recall: Vec<f64>,
}

/// What the peer prints.
#[derive(Deserialize)]
struct Peers {
    seconds_top1: f64,
    seconds_top10: f64,
    recall: Vec<f64>,
    same: f64,
    versions: Versions,
}

#[derive(Deserialize)]
struct Versions {
    #[serde(rename = "faiss-cpu")]
    faiss: String,
}

/// Measures, and renders the section.
pub(super) fn measure(repository: &Repository, options: &Options) -> Result<String> {
    let setting = Setting {
        program: repository.target().join("release/examples/retrieval"),
        python: peer_python()?,
        script: repository.root.join("benches/peer/retrieve.py"),
        folder: repository.target().join("peer-retrieval"),
        size: options.size.to_string(),
    };
    process::run(&mut setting.ours("make"))?;
    // The peer is told the threads of ours, and reads the positions that the best ten leave.
    let threads = read_ours("top", &capture(&mut setting.ours("top"))?)?.threads;
    let mut figures = Figures::default();
    let rounds = until_settled(options.rounds as usize, |round| {
        let (most, size) = (options.rounds, &setting.size);
        note(&format!("round {} of at most {most}: {size} x {size}", round + 1));
        setting.round(round, threads, &mut figures).map(|()| figures.are_settled())
    })?;
    let turns = pairs_of_turns(rounds, figures.are_settled());
    let heading = format!(
        "{}. {} rows and as many columns of 512 numbers, {threads} threads each. {turns}.\n\n",
        machine_and_date(),
        options.size
    );
    Ok(heading + &figures.render())
}

fn read_ours(turn: &str, text: &str) -> Result<Ours> {
    read_json(&format!("our example `retrieval {turn}`"), text)
}

impl Setting {
    /// Every side once, those that are compared beside each other; every second round in the other order.
    fn round(&self, round: usize, threads: usize, figures: &mut Figures) -> Result<()> {
        let mut turns = ["top", "peer", "product", "ranks"];
        if !first_goes_first(round) {
            turns.reverse();
        }
        for turn in turns {
            let mut side = if turn == "peer" { self.peer(threads) } else { self.ours(turn) };
            figures.add(turn, &capture(&mut side)?)?;
        }
        Ok(())
    }

    fn ours(&self, what: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(what).arg(&self.folder).args([&self.size, WIDTH]);
        command
    }

    fn peer(&self, threads: usize) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg(&self.folder).args([WIDTH, &threads.to_string()]);
        command
    }
}

impl Figures {
    /// Takes what was printed in `turn`.
    fn add(&mut self, turn: &str, text: &str) -> Result<()> {
        if turn == "peer" {
            let peers: Peers = read_json("the peer", text)?;
            self.peers_top1.push(peers.seconds_top1);
            self.top.peers.push(peers.seconds_top10);
            self.recalls[1] = peers.recall;
            (self.same, self.version) = (peers.same, peers.versions.faiss);
            return Ok(());
        }
        let ours = read_ours(turn, text)?;
        match turn {
            "ranks" => {
                self.ranks.ours.push(ours.seconds);
                self.peaks[0] = self.peaks[0].max(ours.peak_bytes);
                self.recalls[0] = ours.recall;
            }
            "top" => {
                self.top.ours.push(ours.seconds);
                self.peaks[1] = self.peaks[1].max(ours.peak_bytes);
            }
            _ => self.ranks.peers.push(ours.seconds),
        }
        Ok(())
    }

    /// Whether no further round is needed.
    fn are_settled(&self) -> bool {
        self.ranks.paired().is_settled() && self.top.paired().is_settled()
    }

    fn render(&self) -> String {
        let Self { ranks, top, peers_top1, peaks, .. } = self;
        let (product, peers_top) = (&ranks.peers, &top.peers);
        let mut text = String::from(
            "| what | seconds | of the product's time | of the peer's time | GB at most |\n|--|--:|--:|--:|--:|\n",
        );
        let mut row = |what: &str, seconds: &Rounds, peak: Option<f64>| {
            let _ = writeln!(
                text,
                "| {what} | {} | {:.2} | {:.2} | {} |",
                seconds.show(1),
                seconds.median() / product.median(),
                seconds.median() / peers_top.median(),
                peak.map_or(String::new(), |bytes| format!("{:.2}", bytes / 1e9))
            );
        };
        row("matrix product alone, the same tiles", product, None);
        row("ranks both ways", &ranks.ours, Some(peaks[0]));
        row("best ten of each row", &top.ours, Some(peaks[1]));
        row(&format!("faiss-cpu {}, best ten of each row", self.version), peers_top, None);
        row("faiss-cpu, best one of each row", peers_top1, None);
        let list = |recalls: &[f64]| {
            let each = recalls.iter().map(|recall| format!("{:.3} %", 100.0 * recall));
            each.collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(
            text,
            "\nTurn by turn, ranks both ways take {} times the product's time, and our best ten {} times the \
             peer's.\n\nR@1, R@5 and R@10 from rows to columns: {}, and {} by the peer's best ten. Of our best \
             ten the peer has {:.5} % too.",
            ranks.ratio(),
            top.ratio(),
            list(&self.recalls[0]),
            list(&self.recalls[1]),
            100.0 * self.same
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_becomes_ratios_of_medians() {
        let mut figures = Figures::default();
        for seconds in [2.0, 4.0] {
            let ours = |seconds: f64, peak: f64| {
                format!(
                    r#"{{"seconds": {seconds}, "threads": 2, "peak_bytes": {peak}, "recall": [0.5, 0.6, 0.7]}}"#
                )
            };
            assert_eq!(read_ours("top", &ours(seconds, 8e8)).unwrap().threads, 2);
            figures.add("top", &ours(seconds + 1.0, 8e8)).unwrap();
            figures.add("ranks", &ours(seconds + 2.0, 9e8)).unwrap();
            figures.add("product", &ours(seconds, 1.0)).unwrap();
            let peer = r#"{"seconds_top1": 6.0, "seconds_top10": 8.0, "recall": [0.5, 0.6, 0.7],
                "same": 0.999999, "threads": 2, "versions": {"faiss-cpu": "1.2.3"}}"#;
            figures.add("peer", peer).unwrap();
        }
        assert!(!figures.are_settled(), "two rounds have no interval");
        let text = figures.render();
        assert!(text.contains("| ranks both ways | 5.0 (4.0 to 6.0) | 1.67 | 0.62 | 0.90 |"));
        assert!(text.contains("| faiss-cpu 1.2.3, best ten of each row |"), "{text}");
        // 4 / 2 and 6 / 4; 3 / 8 and 5 / 8.
        assert!(text.contains("take 1.750 times the product's time, and our best ten 0.500 times"));
        assert!(text.contains("50.000 %, 60.000 %, 70.000 %, and"), "{text}");
    }

    #[test]
    fn other_text_is_refused() {
        let mut figures = Figures::default();
        assert!(figures.add("ranks", "{}").unwrap_err().to_string().contains("retrieval ranks"));
        assert!(figures.add("peer", "nothing").unwrap_err().to_string().contains("the peer"));
        assert!(figures.add("top", "").is_err() && figures.add("product", "[]").is_err());
    }
}
