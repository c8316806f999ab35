//! What a recipe's settings become before a run begins: a device, data sets, a loader, a schedule.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Context;
use equiav_data::{Clips, Dataset, DatasetConfig, LoaderOptions};
use equiav_torch::{
    cuda_device, load_cuda, own_gpu, set_matmul_precision, set_threads, visible_gpus,
};
use tch::Device;

use crate::processes::Processes;
use crate::schedule::WarmupCosine;
use crate::settings::{Compute, DeviceName, LabeledData, Optimizer, Settings};

/// The device that `recipe` asks for, with its threads and precision set.
///
/// # Errors
///
/// If it asks for CUDA where there is none.
pub fn device(recipe: &Settings) -> anyhow::Result<Device> {
    device_of(&recipe.compute, &Processes::alone())
}

/// As [`device`], by the settings that decide it, for one of several processes: those of one host share
/// its processor and take a GPU each.
///
/// # Errors
///
/// As [`device`], or if a process does not take part within the limit.
pub(crate) fn device_of(compute: &Compute, processes: &Processes) -> anyhow::Result<Device> {
    if compute.device == DeviceName::Cuda {
        // First of all: libtorch remembers that there is no CUDA if anything asks before. What is
        // missing is told below.
        let _ = load_cuda();
    }
    let sharing = processes.on_this_host()?;
    let threads = match NonZeroUsize::new(compute.threads) {
        Some(threads) => threads,
        None => {
            let own = std::thread::available_parallelism()?.get() / sharing;
            NonZeroUsize::new(own).unwrap_or(NonZeroUsize::MIN)
        }
    };
    set_threads(threads);
    set_matmul_precision(compute.matmul_precision)?;
    match compute.device {
        DeviceName::Cpu => Ok(Device::Cpu),
        DeviceName::Cuda => cuda_device(own_gpu(processes.local_rank, visible_gpus()))
            .context("compute.device = \"cuda\" (the way out: --set compute.device=cpu)"),
    }
}

/// The data set of `recipe` over `clips`.
///
/// # Errors
///
/// If the front end makes no sense, or there is no clip.
pub fn dataset(recipe: &Settings, clips: Clips) -> anyhow::Result<Arc<Dataset>> {
    let dataset = Dataset::new(DatasetConfig {
        clips,
        front_end: recipe.front_end.clone(),
        audio: recipe.augment.audio.clone(),
        visual: recipe.augment.visual.clone(),
        centroid: recipe.objective.centroid,
        seed: recipe.seed,
        cache_bytes: recipe.data.cache_mb << 20,
    })?;
    Ok(Arc::new(dataset))
}

/// How `recipe` has clips fed.
pub(crate) fn loader_options(recipe: &Settings) -> LoaderOptions {
    LoaderOptions {
        workers: recipe.data.workers,
        queue: recipe.data.queue,
        max_unreadable: recipe.data.max_unreadable,
    }
}

/// How labelled clips are fed.
pub(crate) fn labeled_loader_options(data: &LabeledData) -> LoaderOptions {
    let LabeledData { workers, queue, max_unreadable, .. } = *data;
    LoaderOptions { workers, queue, max_unreadable }
}

/// The learning rates of a run of `epochs` with `steps` updates each.
pub(crate) fn schedule(optimizer: &Optimizer, epochs: u64, steps: u64) -> WarmupCosine {
    let warmup = (optimizer.warmup_epochs * steps as f64).round() as u64;
    warmup_cosine(optimizer, warmup, epochs * steps)
}

/// The learning rates of a run with `steps` updates in all.
pub(crate) fn schedule_within(recipe: &Settings, steps: u64) -> WarmupCosine {
    let share = recipe.optimizer.warmup_epochs / recipe.run.epochs as f64;
    warmup_cosine(&recipe.optimizer, (share * steps as f64).round() as u64, steps)
}

fn warmup_cosine(optimizer: &Optimizer, warmup: u64, total: u64) -> WarmupCosine {
    let (start, peak, end) = (optimizer.start_lr, optimizer.lr, optimizer.final_lr);
    WarmupCosine { start, peak, end, warmup, total }
}
