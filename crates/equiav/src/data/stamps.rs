//! `equiav data stamps`: the real corpus, fetched.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_corpora::cache_folder;
use equiav_train::{Callback, Event};

use crate::output::progress::Progress;
use crate::output::remark;

/// Fetch the stamps: pictures with spoken words, split by language and by picture
///
/// Needs apt or the package's file, no root, and changes nothing outside the cache folder.
#[derive(clap::Args)]
pub(crate) struct Stamps {
    /// Languages to train on, such as fr,ro; each recipe may choose its own
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    heard: Option<Vec<String>>,

    /// Languages to measure on only
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    unheard: Option<Vec<String>>,

    /// The package's .deb file, where there is no apt to fetch it
    #[arg(long, value_name = "FILE")]
    package: Option<PathBuf>,
}

impl Stamps {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let default = equiav_corpora::Stamps::default();
        let stamps = equiav_corpora::Stamps {
            heard: self.heard.unwrap_or(default.heard),
            unheard: self.unheard.unwrap_or(default.unheard),
            package: self.package,
            ..default
        };
        let mut progress = Progress::new();
        let paths = stamps.write(&cache_folder()?, &mut |done, total| {
            progress.on_event(&Event::Preparing { what: "stamps".to_owned(), done, total });
        })?;
        for count in &paths.languages {
            let (code, clips, distinct) = (&count.language, count.clips, count.distinct);
            remark!("{code:<6} {clips:>5} pictures described, {distinct:>5} sounds that differ");
        }
        for (what, number) in &paths.skipped {
            remark!("{number:>12} {what} skipped");
        }
        remark!("{}", paths.folder.display());
        Ok(ExitCode::SUCCESS)
    }
}
