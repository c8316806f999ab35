//! `equiav report`.

mod collect;
mod equivariance;
mod media;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use equiav_train::LoadedModel;

use crate::args::device::OnDevice;
use crate::files::localize::How;
use crate::output::progress::Progress;
use crate::output::remark;

/// Write one page about a run: figures, curves, retrieval, heat maps, recipe, environment
///
/// The page is one HTML file that loads nothing from anywhere: pictures and sounds are part of it. It reads
/// on a phone and in print, in light and dark colors, and without a mouse. The first list of the recipe is
/// shown, or the one that is given.
#[derive(clap::Args)]
pub(crate) struct Report {
    /// The run folder
    run: PathBuf,

    /// The page [default: report.html in the run folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Show these clips instead of the recipe's first list: a manifest or shards
    #[arg(long, value_name = "CLIPS")]
    list: Option<PathBuf>,

    /// How many queries a direction, and how many heat maps
    #[arg(long, default_value = "6")]
    clips: usize,

    #[command(flatten)]
    how: How,

    #[command(flatten)]
    device: OnDevice,
}

impl Report {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut progress = Progress::new();
        let trained = LoadedModel::open_on(&self.run, self.device.choice(), &mut progress)?;
        let asked = collect::PageOptions {
            run: &self.run,
            list: self.list.as_deref(),
            clips: self.clips.max(1),
            maps: self.how.options(&trained),
        };
        let page = collect::report(&trained, &asked, &mut progress)?.to_html();
        let out = self.out.unwrap_or_else(|| self.run.join("report.html"));
        std::fs::write(&out, &page).with_context(|| format!("writing {}", out.display()))?;
        remark!("{} ({:.1} MB)", out.display(), page.len() as f64 / 1e6);
        Ok(ExitCode::SUCCESS)
    }
}
