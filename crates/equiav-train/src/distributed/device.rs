//! Where tensors live: the device of a rank, and that of an opened model, which who uses it chooses.

use std::num::NonZeroUsize;

use anyhow::Context;
use equiav_torch::{
    cuda_device, load_cuda, own_gpu, set_matmul_precision, set_threads, visible_gpus,
};
use tch::Device;

use super::world::World;
use crate::recipe::{Compute, DeviceName};

/// Where an opened model computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// On the first GPU where there is one, else on the processor.
    #[default]
    Auto,
    /// On the processor.
    Cpu,
    /// On the first GPU; refused where there is none.
    Cuda,
}

impl DeviceChoice {
    /// The device, with the threads and the precision of `compute` set; its `device` does not count.
    ///
    /// # Errors
    ///
    /// If there is no GPU where one is asked for, with the reason.
    pub(crate) fn open(self, compute: &Compute) -> anyhow::Result<Device> {
        // First, since libtorch remembers whether there is a GPU from when it was first asked.
        let gpu = match self {
            Self::Cpu => None,
            Self::Auto => cuda_device(0).ok(),
            Self::Cuda => Some(cuda_device(0).context("--device cuda (help: --device cpu)")?),
        };
        let on_processor = Compute { device: DeviceName::Cpu, ..compute.clone() };
        let processor = device(&on_processor, &World::alone())?;
        Ok(gpu.unwrap_or(processor))
    }

    /// What a recipe says for it: a training run keeps to one device.
    pub fn name(self) -> DeviceName {
        match self {
            Self::Cpu => DeviceName::Cpu,
            Self::Cuda => DeviceName::Cuda,
            Self::Auto if cuda_device(0).is_ok() => DeviceName::Cuda,
            Self::Auto => DeviceName::Cpu,
        }
    }
}

/// The device that `compute` asks for, with its threads and precision set, for one rank of `world`: those of one
/// host share its processor and take a GPU each.
///
/// # Errors
///
/// If it asks for CUDA where there is none, or a process does not take part within the limit.
pub fn device(compute: &Compute, world: &World) -> anyhow::Result<Device> {
    if compute.device == DeviceName::Cuda {
        // First of all: libtorch remembers that there is no CUDA if anything asks before. What is
        // missing is told below.
        let _ = load_cuda();
    }
    let sharing = world.on_this_host()?;
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
        DeviceName::Cuda => cuda_device(own_gpu(world.local_rank, visible_gpus()))
            .context("compute.device = \"cuda\" (help: --set compute.device=cpu)"),
    }
}

#[cfg(test)]
mod tests {
    use equiav_torch::MatmulPrecision;

    use super::*;
    use crate::recipe::Precision;

    #[test]
    fn the_device_of_the_training_does_not_count() {
        let compute = Compute {
            device: DeviceName::Cuda,
            threads: 1,
            matmul_precision: MatmulPrecision::Highest,
            precision: Precision::Fp32,
            recompute_blocks: false,
        };
        assert_eq!(DeviceChoice::Cpu.open(&compute).expect("the processor"), Device::Cpu);
        let auto = DeviceChoice::Auto.open(&compute).expect("some device");
        match DeviceChoice::Cuda.open(&compute) {
            Ok(device) => assert_eq!((auto, device), (Device::Cuda(0), Device::Cuda(0))),
            Err(error) => {
                assert_eq!(auto, Device::Cpu);
                let message = format!("{error:#}");
                assert!(message.contains("help: --device cpu"), "{message}");
                assert!(message.to_lowercase().contains("cuda"), "the reason is told: {message}");
            }
        }
    }
}
