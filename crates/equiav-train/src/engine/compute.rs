//! How a step computes: its precision, the seed of fresh weights, and memory that runs out, told as an error with
//! the settings that help.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use anyhow::anyhow;
use equiav_data::panic_message;
use equiav_torch::{AutocastKind, autocast, is_out_of_memory};
use tch::Device;

use crate::recipe::{Precision, Shared};

/// Does `work` on `device` in the precision that networks compute in.
pub fn narrowed<T>(device: Device, precision: Precision, work: impl FnOnce() -> T) -> T {
    match precision {
        Precision::Fp32 => work(),
        Precision::Bf16 => autocast(device, AutocastKind::BFloat16, work),
        Precision::Fp16 => autocast(device, AutocastKind::Half, work),
    }
}

/// Does `build`, whose weights are drawn from `seed`.
pub fn seeded<T>(seed: u64, build: impl FnOnce() -> T) -> T {
    // libtorch draws from one generator per process, so networks are made one at a time.
    static GENERATOR: Mutex<()> = Mutex::new(());
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed as i64);
    build()
}

/// The result of `work`, one step; `advice` tells what needs less memory than it does.
///
/// # Errors
///
/// Those of `work`, and memory that runs out, which libtorch's wrapper tells by a panic.
pub(crate) fn within<T>(
    advice: impl Fn() -> anyhow::Error,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Err(error)) if is_out_of_memory(&format!("{error:#}")) => Err(advice()),
        Ok(result) => result,
        Err(panic) if is_out_of_memory(&panic_message(&*panic)) => Err(advice()),
        Err(panic) => resume_unwind(panic),
    }
}

/// What needs less memory than a step of `recipe` does.
pub(crate) fn advice(recipe: Shared<'_>) -> anyhow::Error {
    let Shared { run, compute, .. } = recipe;
    let part = run.micro_batch.unwrap_or(run.batch);
    let mut ways = Vec::new();
    if part > 1 {
        ways.push(format!("--set run.micro_batch={}, which gives the same gradient", part / 2));
    }
    if !compute.recompute_blocks {
        ways.push("--set compute.recompute_blocks=true".to_owned());
    }
    if compute.precision == Precision::Fp32 {
        ways.push("--set compute.precision=bf16".to_owned());
    }
    if recipe.pairwise && run.batch > 4096 {
        ways.push("--set objective.loss_chunk_size=1024".to_owned());
    }
    ways.push(format!("--set run.batch={}", run.batch / 2));
    anyhow!(
        "a step of {part} clips at a time does not fit into memory (help, in another --out: {})",
        ways.join("; ")
    )
}
