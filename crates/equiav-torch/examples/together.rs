//! The least program of several processes: they meet, sum numbers for a while, average a gradient, and end.
//!
//! ```console
//! $ torchrun --nproc-per-node 2 --no-python target/debug/examples/together 20
//! ```
//!
//! The argument is the number of steps, of a tenth of a second each. `TOGETHER_LIMIT` is how many seconds
//! the meeting and each collective may take.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use equiav_torch::{GradientAverage, ProcessRole, Reduce, Timeouts, UnusedParameters};
use tch::{Device, Kind, Tensor};

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
    let steps: u32 = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;
    let group = ProcessRole::from_environment()?.join(limits()?)?;
    let (rank, world) = (group.rank(), group.world());
    println!("rank {rank} of {world}, process {}", std::process::id());

    let weight = Tensor::ones([4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let list = [weight.shallow_clone()];
    let mut average = GradientAverage::new(group.clone(), &list, UnusedParameters::Never)?;
    for step in 1..=steps {
        let mut sum = Tensor::from_slice(&[rank as i64 + 1]);
        group.all_reduce(&mut sum, Reduce::Sum, "ranks")?;
        assert_eq!(sum.int64_value(&[0]), (world * (world + 1) / 2) as i64);
        weight.shallow_clone().zero_grad();
        average.backward(&(&weight * (rank as f64 + 1.0)).sum(Kind::Float))?;
        assert_eq!(weight.grad().double_value(&[0]), (world as f64 + 1.0) / 2.0);
        println!("rank {rank}: step {step}");
        std::thread::sleep(Duration::from_millis(100));
    }
    group.barrier("end")?;
    println!("rank {rank} of {world}: all is well");
    Ok(())
}

fn limits() -> Result<Timeouts, Box<dyn Error>> {
    let Ok(seconds) = std::env::var("TOGETHER_LIMIT") else { return Ok(Timeouts::USUAL) };
    let limit = Duration::from_secs(seconds.parse()?);
    Ok(Timeouts { rendezvous: limit, collective: limit })
}
