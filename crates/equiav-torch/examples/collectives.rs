//! How long collectives take: one JSON object from rank 0, for a model of what many processes cost.
//!
//! ```console
//! $ torchrun --nproc-per-node 2 --no-python target/release/examples/collectives
//! ```
//!
//! Times are medians over repetitions, in seconds, by the bytes of each process's own tensor.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use equiav_torch::{Group, GroupError, ProcessRole, Reduce, Timeouts};
use tch::{Device, Kind, Tensor};

/// Bytes of a tensor, from a few numbers to a network.
const SIZES: [i64; 8] = [4, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24];
const REPETITIONS: usize = 15;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let group = ProcessRole::from_environment()?.join(Timeouts::USUAL)?;
    let mut lines = Vec::new();
    for bytes in SIZES {
        let tensor = Tensor::ones([bytes / 4], (Kind::Float, Device::Cpu));
        let mut reduced = tensor.copy();
        let reduce = timed(group.as_ref(), || group.all_reduce(&mut reduced, Reduce::Max, "time"))?;
        let gather = timed(group.as_ref(), || group.all_gather(&tensor, "time").map(drop))?;
        lines.push(format!(
            "{{\"bytes\": {bytes}, \"all_reduce\": {reduce:.3e}, \"all_gather\": {gather:.3e}}}"
        ));
    }
    if group.rank() == 0 {
        println!("{{\"world\": {}, \"times\": [{}]}}", group.world(), lines.join(", "));
    }
    Ok(group.barrier("end")?)
}

/// The median time of `work`, which all processes begin together.
fn timed(
    group: &dyn Group,
    mut work: impl FnMut() -> Result<(), GroupError>,
) -> Result<f64, GroupError> {
    let mut times = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        group.barrier("begin")?;
        let started = Instant::now();
        work()?;
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[REPETITIONS / 2])
}
