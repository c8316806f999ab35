//! The test lists, measured once with the weights that the validation clips chose.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use equiav_data::write_whole;
use equiav_models::{Weights, read_weights, restore};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::Finetuning;
use super::scores::scores;
use crate::classified::Classified;
use crate::folder::CHECKPOINTS;
use crate::learner::weights_for_use;
use crate::network::Stored;
use crate::state::State;
use crate::watch::{Event, Watch};

/// Where the figures are kept.
const FILE: &str = "test.json";

/// The figures of the test lists, and what they were measured with.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Tested {
    /// The names of the checkpoints whose weights, averaged, were tested.
    checkpoints: Vec<String>,
    lists: Vec<Classified>,
}

/// The figures of the test lists of a finished run, with the checkpoints that were tested; measured
/// here unless the run folder `out` holds them already.
pub(super) fn test(
    task: &Finetuning<'_>,
    out: &Path,
    state: &State,
    watch: &mut dyn Watch,
) -> anyhow::Result<(Vec<PathBuf>, Vec<Classified>)> {
    let processes = &task.learner.processes;
    let path = out.join(FILE);
    let (checkpoints, known) = processes.led("weights to be tested", || {
        let checkpoints = chosen(task, out, state)?;
        let known = fs::read(&path).ok();
        let known = known.and_then(|text| serde_json::from_slice::<Tested>(&text).ok());
        let known = known.filter(|known| known.checkpoints == names(&checkpoints));
        if known.is_none() {
            take_up(task, &checkpoints)?;
        }
        Ok((checkpoints, known))
    })?;
    if let Some(known) = known {
        return Ok((checkpoints, known.lists));
    }
    task.learner.share_weights()?;
    let mut lists = Vec::new();
    for list in &task.clips.test {
        let (network, frames) = (&task.learner.network, task.recipe.evaluation.frames);
        let scored = scores(network, list, frames, task.recipe, processes)?;
        for reason in scored.left_out.iter().filter(|_| processes.leads()) {
            watch.note(&Event::Warning(format!("left out: {reason}")));
        }
        lists.push(processes.led("test", || scored.figures_within(list.labeled.targets()))?);
    }
    let tested = Tested { checkpoints: names(&checkpoints), lists };
    processes.led("test figures", || {
        write_whole(&path, &serde_json::to_vec_pretty(&tested)?)
            .with_context(|| format!("writing {}", path.display()))
    })?;
    Ok((checkpoints, tested.lists))
}

fn names(checkpoints: &[PathBuf]) -> Vec<String> {
    let names = checkpoints.iter().filter_map(|path| path.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// The checkpoints to be tested: the best one by the validation clips, or those of the last epochs.
fn chosen(task: &Finetuning<'_>, out: &Path, state: &State) -> anyhow::Result<Vec<PathBuf>> {
    let folder = out.join(CHECKPOINTS);
    let at = |step: u64| folder.join(crate::checkpoint::name(step));
    let Some(last) = task.recipe.evaluation.average_last else {
        let best = state.best.map_or(state.step, |best| best.step);
        return Ok(vec![at(best)]);
    };
    let steps = state.step / state.epoch.max(1);
    let paths: Vec<PathBuf> = (0..last).map(|back| at(state.step - back * steps)).collect();
    for path in &paths {
        ensure!(
            path.exists(),
            "{} is gone, which evaluation.average_last = {last} needs",
            path.display()
        );
    }
    Ok(paths)
}

/// Gives the network of `task` the mean of the weights in `checkpoints`.
fn take_up(task: &Finetuning<'_>, checkpoints: &[PathBuf]) -> anyhow::Result<()> {
    let mut mean: BTreeMap<String, Tensor> = BTreeMap::new();
    for path in checkpoints {
        let weights = read_weights(&weights_for_use(path))?;
        for (name, tensor) in weights.tensors() {
            let part = tensor.to_kind(Kind::Double) / checkpoints.len() as f64;
            let sum = mean.remove(name).map_or(part.shallow_clone(), |sum| sum + part);
            mean.insert(name.clone(), sum);
        }
    }
    let mean = mean.into_iter().map(|(name, tensor)| (name, tensor.to_kind(Kind::Float)));
    restore(task.learner.network.store(), &Weights::new(mean.collect()))
        .with_context(|| format!("taking up {checkpoints:?}"))
}
