//! Fine-tuning: the recipe's labeled clips and classifier handed to the engine, then the test lists.

use std::path::PathBuf;

use super::clips::{LabeledClips, weights};
use super::{Classification, Labeler, test};
use crate::callback::Callback;
use crate::clips::{RunClips, TrainClips, labeled_loader_options};
use crate::engine::{RunOptions, train};
use crate::eval::classification::ClassificationMetrics;
use crate::metrics::Metrics;
use crate::recipe::FinetuneRecipe;
use crate::run_dir::{Best, State};

/// How a fine-tuning run ended.
#[derive(Clone, Debug)]
pub struct FinetuneSummary {
    /// Finished epochs.
    pub epochs: u64,
    /// Steps made, skipped ones included.
    pub steps: u64,
    /// Steps skipped since their loss or gradient was not finite.
    pub skipped: u64,
    /// The last metrics of the validation clips; none without such clips.
    pub validation: Metrics,
    /// The best evaluation of the validation clips.
    pub best: Option<Best>,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// The test lists with the chosen weights; empty while the run is not over.
    pub test: Vec<ClassificationMetrics>,
    /// The checkpoints that the tested weights come from; several are averaged.
    pub tested: Vec<PathBuf>,
    /// The signal that stopped the run before its end; the same call goes on with the next step.
    pub stopped: Option<i32>,
}

/// Fine-tunes by `recipe`; see [`train`] for where, with whom, and what resuming promises.
///
/// # Errors
///
/// As [`train`]; also if what the recipe starts from cannot be read or does not fit, a label is unknown, or the
/// weights of clips are not as many as the clips.
pub fn finetune(
    recipe: &FinetuneRecipe,
    options: RunOptions<'_>,
    callback: &mut dyn Callback,
) -> anyhow::Result<FinetuneSummary> {
    let RunOptions { out, world, .. } = options;
    let (mut lists, mut whole) = (Vec::new(), None);
    let run = train(recipe, options, callback, |device, callback| {
        let LabeledClips { train, validation, test } = LabeledClips::prepare(recipe, callback)?;
        world.group.await_all("corpus")?;
        world.ensure_same_lists(
            test.iter().map(|list| (&*list.name, list.labeled.dataset().clips().digest())),
        )?;
        lists = test;
        whole = Some(train.dataset().clips().clone());
        let network = Labeler::new(recipe, train.targets().count(), device);
        let options = labeled_loader_options(&recipe.data);
        let clips = RunClips {
            train: TrainClips::Labeled {
                weights: weights(recipe, &train)?,
                labeled: train,
                options,
            },
            lists: Vec::new(),
            batch: recipe.evaluation.batch,
            options,
        };
        Ok((Classification { network, recipe: (**recipe).clone(), validation }, clips))
    })?;
    world.abort_on_error(|| {
        let (tested, test) = match run.stopped {
            Some(_) => (Vec::new(), Vec::new()),
            None => test::test(&run, (whole.as_ref(), &lists), out, callback)?,
        };
        let (checkpoint, stopped) = (run.checkpoint, run.stopped);
        let State { epoch: epochs, step: steps, skipped, metrics: validation, best, .. } =
            run.progress;
        Ok(FinetuneSummary {
            epochs,
            steps,
            skipped,
            validation,
            best,
            checkpoint,
            test,
            tested,
            stopped,
        })
    })
}
