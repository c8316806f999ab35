//! Samples and filterbanks a second of our loader and of the peer's, on the same files and the same core.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::Options;
use super::paired::{first_goes_first, until_settled};
use super::turns::{Rounds, Sides, pairs_of_turns};
use crate::process::{self, capture, note, read_json};
use crate::repository::{Repository, machine_and_date, peer_python};

pub(super) const BEGIN: &str = "<!-- written by `cargo xtask bench --peer --write` -->\n";
/// Samples a batch, on both sides.
const BATCH: &str = "16";

/// What the rounds are run with.
struct Setting {
    program: PathBuf,
    python: PathBuf,
    script: PathBuf,
    list: PathBuf,
    seconds: String,
    core: Option<usize>,
}

/// All that was measured.
#[derive(Debug, Default)]
struct Figures {
    /// Samples a second on one core.
    samples: Sides,
    /// Filterbanks of 10 s a second on one core.
    filterbanks: Sides,
    /// Samples a second of our loader with two workers, and with one; not pinned.
    two_workers: Sides,
    /// Milliseconds of each of our stages.
    stages: BTreeMap<String, Rounds>,
    /// The peer's packages.
    versions: BTreeMap<String, String>,
}

/// What `equiav data bench --json` prints.
#[derive(Deserialize)]
struct Ours {
    /// One for each number of workers that was asked for.
    loader: Vec<Loader>,
    milliseconds_a_sample: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Loader {
    samples_per_second: f64,
}

/// What the peer prints.
#[derive(Deserialize)]
struct Peers {
    samples_per_second: f64,
    filterbanks_per_second: f64,
    versions: BTreeMap<String, String>,
}

/// Measures, and renders the section.
pub(super) fn measure(repository: &Repository, options: &Options) -> Result<String> {
    let python = peer_python()?;
    // The clips are made anew: that takes seconds, and nothing old can be among them.
    let (peer, clips) =
        (repository.root.join("benches/peer"), repository.target().join("peer-clips"));
    process::run(Command::new(&python).arg(peer.join("files.py")).arg(&clips))?;
    let setting = Setting {
        program: repository.program(),
        python,
        script: peer.join("sample.py"),
        list: clips.join("clips.json"),
        seconds: options.seconds.to_string(),
        core: core(),
    };
    if setting.core.is_none() {
        note("warning: there is no `taskset` here: nothing keeps either side on one core");
    }
    let mut figures = Figures::default();
    let rounds = until_settled(options.rounds as usize, |round| {
        note(&format!("round {} of at most {}", round + 1, options.rounds));
        setting.round(round, &mut figures).map(|()| figures.are_settled())
    })?;
    let place = if setting.core.is_some() { "each pinned to the same core" } else { "not pinned" };
    let turns = pairs_of_turns(rounds, figures.are_settled());
    let heading = format!(
        "{}. {turns}, {} s each, on the same 64 clips (10 s at 16 kHz, frame of 640 x 360), {place}. Ours decodes \
         jpgs by {}.\n\n",
        machine_and_date(),
        options.seconds,
        jpeg_decoder(repository)?
    );
    Ok(heading + &figures.tables())
}

/// The last core, on which the system does least by itself; none where a program cannot be pinned.
fn core() -> Option<usize> {
    let core = std::thread::available_parallelism().ok()?.get() - 1;
    capture(Command::new("taskset").args(["-c", &core.to_string(), "true"])).ok()?;
    Some(core)
}

/// The library that the built program decodes jpgs by.
fn jpeg_decoder(repository: &Repository) -> Result<String> {
    let text = capture(repository.equiav().arg("doctor"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("jpg decoder"));
    let name = line.and_then(|line| line.split_whitespace().next());
    name.map(str::to_owned).context("`equiav doctor` names no jpg decoder")
}

impl Setting {
    fn round(&self, round: usize, figures: &mut Figures) -> Result<()> {
        let ours_first = first_goes_first(round);
        for ours in [ours_first, !ours_first] {
            if ours {
                let mut ours = self.pinned(&self.program);
                figures.add_ours(&capture(self.bench(&mut ours, "1"))?)?;
            } else {
                let mut peer = self.pinned(&self.python);
                peer.arg(&self.script).arg(&self.list);
                peer.args(["--batch", BATCH, "--seconds", &self.seconds]);
                figures.add_peers(&capture(&mut peer)?)?;
            }
        }
        let workers = if ours_first { "1,2" } else { "2,1" };
        let mut free = Command::new(&self.program);
        figures.add_two_workers(&capture(self.bench(&mut free, workers))?, ours_first)
    }

    /// Adds to `command`, our program, what it is to measure.
    fn bench<'a>(&self, command: &'a mut Command, workers: &str) -> &'a mut Command {
        command.args(["data", "bench"]).arg(&self.list).args(["--recipe", "audioset2m", "--json"]);
        command.args(["--batch", BATCH, "--seconds", &self.seconds, "--workers", workers])
    }

    /// `program`, kept on one core where that is possible.
    fn pinned(&self, program: &Path) -> Command {
        let Some(core) = self.core else { return Command::new(program) };
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).arg(program);
        command
    }
}

impl Figures {
    /// Takes what our loader printed in a round on one core.
    fn add_ours(&mut self, text: &str) -> Result<()> {
        let ours: Ours = read_json("equiav data bench", text)?;
        let loader = ours.loader.first().context("equiav data bench measured no loader")?;
        let filterbank = ours.milliseconds_a_sample.get("filterbank");
        let filterbank = filterbank.context("equiav data bench measured no filterbank")?;
        self.samples.ours.push(loader.samples_per_second);
        self.filterbanks.ours.push(1e3 / filterbank);
        for (name, milliseconds) in ours.milliseconds_a_sample {
            self.stages.entry(name).or_default().push(milliseconds);
        }
        Ok(())
    }

    /// Takes what it printed for one and two workers, or for two and one.
    fn add_two_workers(&mut self, text: &str, one_first: bool) -> Result<()> {
        let ours: Ours = read_json("equiav data bench", text)?;
        let speeds: Vec<f64> = ours.loader.iter().map(|loader| loader.samples_per_second).collect();
        let [first, second] = speeds[..] else {
            anyhow::bail!("equiav data bench measured {} loaders, not two", speeds.len());
        };
        let (one, two) = if one_first { (first, second) } else { (second, first) };
        self.two_workers.peers.push(one);
        self.two_workers.ours.push(two);
        Ok(())
    }

    /// Takes what the peer printed in a round.
    fn add_peers(&mut self, text: &str) -> Result<()> {
        let peers: Peers = read_json("the peer", text)?;
        self.samples.peers.push(peers.samples_per_second);
        self.filterbanks.peers.push(peers.filterbanks_per_second);
        self.versions = peers.versions;
        Ok(())
    }

    /// Whether no further pair of turns is needed.
    fn are_settled(&self) -> bool {
        [&self.samples, &self.filterbanks, &self.two_workers]
            .iter()
            .all(|sides| sides.paired().is_settled())
    }

    /// Both sides, and our stages, the longest first.
    fn tables(&self) -> String {
        let versions = self.versions.iter().map(|(name, version)| format!("{name} {version}"));
        let versions = versions.collect::<Vec<_>>().join(", ");
        let mut text = format!("| one core | equiav | {versions} | ratio |\n|--|--:|--:|--:|\n");
        for (what, sides) in [
            ("samples/s, file to batch", &self.samples),
            ("filterbanks/s, 10 s of sound", &self.filterbanks),
        ] {
            let (ours, peers) = (sides.ours.show(1), sides.peers.show(1));
            let _ = writeln!(text, "| {what} | {ours} | {peers} | {} |", sides.ratio());
        }
        let workers = self.two_workers.ratio();
        let _ =
            writeln!(text, "\nTwo workers of ours give {workers} times the samples/s of one.\n");
        text += "| stage of ours | ms a sample |\n|--|--:|\n";
        let stages = self.stages.iter().map(|(name, rounds)| (name, rounds.median()));
        let mut stages: Vec<_> = stages.filter(|(_, milliseconds)| *milliseconds > 0.0).collect();
        stages.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        for (name, milliseconds) in stages {
            let _ = writeln!(text, "| {name} | {milliseconds:.3} |");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#"{"clips": 2, "loader": [{"samples_per_second": 40.0, "workers": 1},
        {"samples_per_second": 76.0}], "milliseconds_a_sample":
        {"filterbank": 2.5, "other": 1.0, "resample": 0.0, "read files": 3.0}}"#;
    const PEERS: &str = r#"{"samples_per_second": 8.0, "filterbanks_per_second": 100.0,
        "versions": {"torch": "2.11.0"}}"#;

    #[test]
    fn figures_of_both_sides_become_tables() {
        let mut figures = Figures::default();
        for round in 0..6 {
            assert!(!figures.are_settled());
            figures.add_ours(OURS).unwrap();
            figures.add_peers(PEERS).unwrap();
            let turned = OURS.replace("76.0", "x").replace("40.0", "76.0").replace('x', "40.0");
            let text = if first_goes_first(round) { OURS } else { &turned };
            figures.add_two_workers(text, first_goes_first(round)).unwrap();
        }
        assert!(figures.are_settled());
        let text = figures.tables();
        assert!(text.starts_with("| one core | equiav | torch 2.11.0 | ratio |"), "{text}");
        let row = "| samples/s, file to batch | 40.0 (40.0 to 40.0) | 8.0 (8.0 to 8.0) | 5.000 [";
        assert!(text.contains(row) && text.contains("give 1.900 [1.900, 1.900] times"), "{text}");
        let stages = "| read files | 3.000 |\n| filterbank | 2.500 |\n| other | 1.000 |\n";
        assert!(text.ends_with(stages), "{text}");
    }

    #[test]
    fn other_text_is_refused_with_its_last_line() {
        let error = Figures::default().add_peers("{}\nno figures").unwrap_err();
        assert_eq!(error.to_string(), "what the peer printed is not understood: no figures");
        assert!(Figures::default().add_ours(PEERS).is_err());
        assert!(Figures::default().add_two_workers("[]", true).is_err());
    }
}
