//! `equiav data synth`: the procedural corpus as files.

mod oracle;

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_corpora::Synthetic;
use equiav_train::{Callback, Event};

use crate::output::progress::Progress;
use crate::output::remark;
pub(super) use oracle::OracleCommand;

/// Generate the procedural corpus as wav, jpg and manifests
///
/// What is seen decides what is heard; docs/corpora.md tells how.
#[derive(clap::Args)]
pub(crate) struct Synth {
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Number of classes
    #[arg(long)]
    classes: Option<usize>,

    /// Number of clips to train on
    #[arg(long)]
    instances: Option<usize>,

    /// Number of further clips, never trained on
    #[arg(long)]
    held_out: Option<usize>,

    /// How much background, clutter and noise, 0 to 1
    #[arg(long)]
    nuisance: Option<f64>,

    /// Other seeds give other clips
    #[arg(long)]
    seed: Option<u64>,
}

impl Synth {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let default = Synthetic::default();
        let corpus = Synthetic {
            classes: self.classes.unwrap_or(default.classes),
            instances: self.instances.unwrap_or(default.instances),
            held_out: self.held_out.unwrap_or(default.held_out),
            nuisance: self.nuisance.unwrap_or(default.nuisance),
            seed: self.seed.unwrap_or(default.seed),
            ..default
        };
        let mut progress = Progress::new();
        let paths = corpus.write(&self.out, &mut |done, total| {
            progress.on_event(&Event::Preparing {
                what: "synthetic corpus".to_owned(),
                done,
                total,
            });
        })?;
        for path in [&paths.train, &paths.valid, &paths.labels] {
            remark!("{}", path.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
