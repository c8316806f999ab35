//! `equiav probe`.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_train::{LoadedModel, Probe as Options, ProbeMetrics};

use crate::args::device::OnDevice;
use crate::output::progress::Progress;
use crate::output::{classes, metrics};
use crate::output::{out, outln};

/// Tell classes from a model's frozen features: a linear probe and nearest neighbors
///
/// Features are the mean of the plain view's tokens, of sound, picture and both. Learning rate and number of
/// neighbors are chosen on a part of the training list; the test lists are measured once. Classes with equal
/// scores stand in no order: top-1 and top-5 are the mean over all orders. Features are kept in the run folder, so
/// that another probe of it takes seconds.
#[derive(clap::Args)]
pub(crate) struct Probe {
    /// The run folder, or an exported model
    run: PathBuf,

    /// Learn from these clips instead of the recipe's own: a manifest or shards
    #[arg(long, value_name = "CLIPS")]
    train: Option<String>,

    /// Test on these clips instead of the recipe's own lists: a manifest or shards; may be repeated
    #[arg(long = "list", value_name = "CLIPS")]
    lists: Vec<String>,

    /// The table of classes, `index,mid,display_name` [default: that of the corpus]
    #[arg(long, value_name = "CSV")]
    labels: Option<PathBuf>,

    /// Clips of each class to learn from [default: all]
    #[arg(long, value_name = "CLIPS")]
    per_class: Option<usize>,

    /// The share of the training list that choices are made on
    #[arg(long, value_name = "SHARE", default_value_t = 0.08)]
    validation: f64,

    /// The seed by which clips are chosen
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Probe a fresh network of the same recipe instead, for comparison
    #[arg(long)]
    random: bool,

    /// Print one JSON object a probe instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: OnDevice,
}

impl Probe {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut progress = Progress::new();
        let trained = LoadedModel::open_on(&self.run, self.device.choice(), &mut progress)?;
        let options = Options {
            train: self.train,
            lists: self.lists,
            labels: self.labels,
            validation: self.validation,
            per_class: self.per_class,
            seed: self.seed,
            random: self.random,
        };
        let probed = equiav_train::probe(&trained, &self.run, &options, &mut progress)?;
        if self.json {
            for one in &probed {
                outln!("{}", serde_json::to_string(one)?)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        match self.random {
            true => outln!("a fresh network of the recipe {}", trained.recipe.name)?,
            false => {
                outln!("{}, {} finished epochs", trained.checkpoint.display(), trained.epoch)?;
            }
        }
        for one in &probed {
            out!("{}", block(one))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The figures of one probe.
fn block(probed: &ProbeMetrics) -> String {
    let ProbeMetrics { input, method, chosen, clips, validation, test } = probed;
    format!(
        "\n{input}, {method} ({chosen}), learned from {clips} clips\n{}\n{}",
        metrics::one_line(&validation.into()),
        classes::classification(test)
    )
}
