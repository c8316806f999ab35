//! Memory that runs out in a step, told as an error with the settings that help.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use anyhow::anyhow;
use equiav_data::panic_message;
use equiav_torch::is_out_of_memory;

use crate::settings::{Compute, Length, Precision, Settings};

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
pub(crate) fn advice_on(recipe: &Settings) -> anyhow::Error {
    let blocks = recipe.objective.rows.is_none() && recipe.run.batch > 4096;
    advice(&recipe.run, &recipe.compute, blocks.then_some("--set objective.rows=1024"))
}

/// What needs less memory than a step under these settings, `more` included.
pub(crate) fn advice(run: &Length, compute: &Compute, more: Option<&str>) -> anyhow::Error {
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
    ways.extend(more.map(str::to_owned));
    ways.push(format!("--set run.batch={}", run.batch / 2));
    anyhow!(
        "a step of {part} clips at a time does not fit into memory (the way out, in another --out: {})",
        ways.join("; ")
    )
}
