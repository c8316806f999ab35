//! `equiav data scan`: what is wrong with the videos of a folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use equiav_ingest::{IngestSettings, Scanned, Summary, page, scan};
use equiav_train::{Callback, Event};

use super::window_args::{self, WindowArgs};
use crate::output::progress::Progress;
use crate::output::{Unwritable, errln, outln, remark};

/// Where a finding has the policy `fail`.
const REFUSED: u8 = 3;

/// Say of every video of a folder whether it can be used, and why not
///
/// Looks at each as `ingest` would, and writes no clip. Ends with 0 when no fault has the policy
/// `fail`, with 3 when one has, with 1 when the scan itself fails.
#[derive(clap::Args)]
pub(crate) struct Scan {
    /// Where the videos are, at any depth
    folder: PathBuf,

    /// Write what was found as a list in JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write it as a page with thumbnails
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    #[command(flatten)]
    windows: WindowArgs,
}

impl Scan {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.windows.settings()?;
        let ffmpeg = window_args::ffmpeg()?;
        let mut progress = Progress::new();
        let found = scan(&self.folder, &settings, &ffmpeg, &mut |done, total| {
            progress.on_event(&Event::Preparing { what: "scan".to_owned(), done, total });
        })?;
        if let Some(path) = &self.json {
            let reports: Vec<_> = found.iter().map(|scanned| &scanned.report).collect();
            write(path, &serde_json::to_string_pretty(&reports)?)?;
        }
        if let Some(path) = &self.html {
            write(path, &page(&self.folder.display().to_string(), &found))?;
        }
        found.iter().try_for_each(print)?;
        window_args::print(&Summary::of(found.iter().map(|scanned| &scanned.report)));
        for path in self.json.iter().chain(&self.html) {
            remark!("{}", path.display());
        }
        Ok(verdict(&found, &settings))
    }
}

/// One line: `2 clips  name  finding; finding`.
fn print(scanned: &Scanned) -> Result<(), Unwritable> {
    let report = &scanned.report;
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    outln!("{:>5} clips  {}  {}", report.clips, report.file, findings.join("; "))
}

/// Names what the policy refuses.
fn verdict(found: &[Scanned], settings: &IngestSettings) -> ExitCode {
    let mut refused = 0;
    for scanned in found {
        for finding in scanned.refused(&settings.policy) {
            errln!("refused by policy: {}: {finding}", scanned.report.file);
            refused += 1;
        }
    }
    if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
