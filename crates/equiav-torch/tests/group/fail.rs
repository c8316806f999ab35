//! Processes in which one fails, or does not come.

use std::time::Duration;

use equiav_torch::{GradientAverage, Reduce, UnusedParameters};
use tch::{Device, Kind, Tensor};

use super::launch::{Failure, LIMIT, join, say};

/// The step that a variable of the environment names, if it is set.
fn step_of(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Sums a number again and again, until that fails.
pub(crate) fn steps() -> Result<(), Failure> {
    let group = join(LIMIT)?;
    let (pause, leave) = (step_of("PAUSE_AT"), step_of("LEAVE_AT"));
    for step in 1.. {
        if Some(step) == pause {
            std::thread::sleep(Duration::from_secs(60));
        }
        if Some(step) == leave {
            return Ok(());
        }
        let mut number = Tensor::from_slice(&[step as i64]);
        group.all_reduce(&mut number, Reduce::Sum, "loss")?;
        assert_eq!(number.int64_value(&[0]), (step * group.world() as u64) as i64);
        say(&format!("step {step}"));
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Averages gradients; rank 1 dies before the second pass.
pub(crate) fn backward() -> Result<(), Failure> {
    let group = join(LIMIT)?;
    let weight = Tensor::ones([1000], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let list = [weight.shallow_clone()];
    let mut average = GradientAverage::new(group.clone(), &list, UnusedParameters::Never)?;
    average.backward(&(&weight * 2.0).sum(Kind::Float))?;
    if group.rank() == 1 {
        std::process::abort();
    }
    average.backward(&(&weight * 2.0).sum(Kind::Float))?;
    Ok(())
}

/// Rank 0 does what the environment says while the others wait: rank 1 for its work, rank 2 in a collective.
pub(crate) fn patience() -> Result<(), Failure> {
    let group = join(LIMIT)?;
    group.barrier("begin")?;
    if group.rank() == 0 {
        match std::env::var("FIRST")?.as_str() {
            "works" => std::thread::sleep(LIMIT + Duration::from_secs(4)),
            "dies" => std::process::abort(),
            _ => {
                group.give_up("the disk is full");
                group.barrier("after the end")?;
            }
        }
    }
    if group.rank() == 2 {
        let mut number = Tensor::from_slice(&[1i64]);
        group.all_reduce(&mut number, Reduce::Sum, "other work")?;
    }
    group.await_all("work")?;
    group.barrier("end")?;
    Ok(())
}
