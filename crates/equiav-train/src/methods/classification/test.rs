//! The test lists, measured once with the weights that the validation clips chose.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use equiav_data::{Clips, TrainOverlap, atomic_write};
use equiav_models::{Weights, read_weights, restore};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::Classification;
use super::scores::{LabeledList, scores};
use crate::callback::{Callback, Event};
use crate::engine::TrainedRun;
use crate::eval::classification::ClassificationMetrics;
use crate::run_dir::State;
use crate::run_dir::checkpoint::weights_for_use;
use crate::run_dir::lock::CHECKPOINTS;

/// Where the figures are kept.
const FILE: &str = "test.json";

/// The figures of the test lists, and what they were measured with.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct TestMetrics {
    /// The names of the checkpoints whose weights, averaged, were tested.
    checkpoints: Vec<String>,
    lists: Vec<ClassificationMetrics>,
}

/// The figures of the test lists of a finished run, with the checkpoints that were tested; measured
/// here unless the run folder `out` holds them already. Beside them stands what each list has in common with the
/// training list, where that is known.
pub(super) fn test(
    run: &TrainedRun<Classification>,
    (train, lists): (Option<&Clips>, &[LabeledList]),
    out: &Path,
    callback: &mut dyn Callback,
) -> anyhow::Result<(Vec<PathBuf>, Vec<ClassificationMetrics>)> {
    let (method, world) = (&run.state.method, &run.state.world);
    let path = out.join(FILE);
    let (checkpoints, known) = world.rank0_then_broadcast("weights to be tested", || {
        let checkpoints = chosen(method, out, &run.progress)?;
        let known = fs::read(&path).ok();
        let known = known.and_then(|text| serde_json::from_slice::<TestMetrics>(&text).ok());
        let known = known.filter(|known| known.checkpoints == names(&checkpoints));
        if known.is_none() {
            take_up(method, &checkpoints)?;
        }
        Ok((checkpoints, known))
    })?;
    if let Some(known) = known {
        return Ok((checkpoints, known.lists));
    }
    run.state.broadcast_weights()?;
    let mut tested = Vec::new();
    for list in lists {
        let Classification { network, recipe, .. } = method;
        let scored = scores(network, list, recipe.evaluation.frames, recipe, world)?;
        for reason in scored.skipped.iter().filter(|_| world.is_main()) {
            callback.on_event(&Event::Warning(format!("skipped: {reason}")));
        }
        tested.push(world.rank0_then_broadcast("test", || {
            let figures = scored.metrics_with_intervals(list.labeled.targets())?;
            let overlap =
                train.map(|train| TrainOverlap::of(list.labeled.dataset().clips(), train));
            Ok(ClassificationMetrics { overlap, ..figures })
        })?);
    }
    let tested = TestMetrics { checkpoints: names(&checkpoints), lists: tested };
    world.rank0_then_broadcast("test figures", || {
        atomic_write(&path, &serde_json::to_vec_pretty(&tested)?)
            .with_context(|| format!("writing {}", path.display()))
    })?;
    Ok((checkpoints, tested.lists))
}

fn names(checkpoints: &[PathBuf]) -> Vec<String> {
    let names = checkpoints.iter().filter_map(|path| path.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// The checkpoints to be tested: the best one by the validation clips, or those of the last epochs.
fn chosen(method: &Classification, out: &Path, state: &State) -> anyhow::Result<Vec<PathBuf>> {
    let folder = out.join(CHECKPOINTS);
    let at = |step: u64| folder.join(crate::run_dir::checkpoint::name(step));
    let Some(last) = method.recipe.evaluation.average_last else {
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

/// Gives the network of `method` the mean of the weights in `checkpoints`.
fn take_up(method: &Classification, checkpoints: &[PathBuf]) -> anyhow::Result<()> {
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
    restore(&method.network.store, &Weights::new(mean.collect()))
        .with_context(|| format!("taking up {checkpoints:?}"))
}
