//! `equiav probe`.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_train::{
    Callback, EquivarianceProbe, Event, LoadedModel, Probe as Options, ProbeMetrics, equivariance,
};

use crate::args::device::OnDevice;
use crate::output::progress::Progress;
use crate::output::{classes, metrics, overlap, retrieval};
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

    /// Read the parameters of augmentations from the features of both views instead of classes: R2 of every
    /// slot of the vectors by a ridge probe, beside a fresh network, and what augmented queries find; kept in the
    /// run folder as equivariance.json, for `equiav report`
    #[arg(long, conflicts_with_all = ["labels", "per_class", "random"])]
    equivariance: bool,

    /// With --equivariance: another run or export to put beside it, such as an invariant twin; may be repeated
    #[arg(long, value_name = "RUN", requires = "equivariance")]
    beside: Vec<PathBuf>,

    /// With --equivariance: how many clips to learn from at most
    #[arg(long, value_name = "CLIPS", default_value_t = 2000, requires = "equivariance")]
    clips: usize,

    /// Print one JSON object a probe instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: OnDevice,
}

impl Probe {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut progress = Progress::new();
        if self.equivariance {
            return self.equivariance(&mut progress);
        }
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
        if let Some(one) = probed.first() {
            overlap::warn(one.test.iter().map(|test| (&test.list, &test.overlap)));
        }
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

    /// What features know of augmentations.
    fn equivariance(&self, progress: &mut Progress) -> anyhow::Result<ExitCode> {
        let open = |path: &PathBuf| {
            let trained = LoadedModel::open_on(path, self.device.choice(), progress)?;
            Ok((path.display().to_string(), trained))
        };
        let runs = [&self.run].into_iter().chain(&self.beside).map(open);
        let runs = runs.collect::<anyhow::Result<Vec<_>>>()?;
        let options = EquivarianceProbe {
            train: self.train.clone(),
            list: self.lists.first().cloned(),
            clips: self.clips,
        };
        let found = equivariance(&runs, &options, progress)?;
        // An exported model is for others to use; a run keeps what was found, for its page.
        if runs[0].1.checkpoint != self.run
            && let Err(error) = found.keep(&self.run)
        {
            progress.on_event(&Event::Warning(format!("the figures are not kept: {error:#}")));
        }
        if self.json {
            outln!("{}", serde_json::to_string(&found)?)?;
        } else {
            out!("{}", retrieval::equivariance(&found))?;
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
