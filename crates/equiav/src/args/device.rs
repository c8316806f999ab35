//! `--device`: where a command computes.

use equiav_train::recipe::DeviceName;
use equiav_train::{DeviceChoice, Override};

/// Where a trained model is used.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct OnDevice {
    /// Where the model computes, wherever it was trained: `auto` takes a GPU where there is one
    #[arg(long, value_enum, value_name = "DEVICE", default_value = "auto")]
    device: Device,
}

/// Where a recipe is trained.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct TrainedOn {
    /// Where the model computes, instead of the recipe's `compute.device`: `auto` takes a GPU where there is
    /// one, and `cuda` fails where there is none
    #[arg(long, value_enum, value_name = "DEVICE")]
    device: Option<Device>,
}

/// A device by its name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Device {
    Auto,
    Cpu,
    Cuda,
}

impl OnDevice {
    pub(crate) fn choice(self) -> DeviceChoice {
        self.device.choice()
    }
}

impl TrainedOn {
    /// The recipe's `changes` with the device that was asked for.
    pub(crate) fn among(self, changes: &[Override]) -> anyhow::Result<Vec<Override>> {
        let asked = self.device.map(|device| match device.choice().name() {
            DeviceName::Cpu => "compute.device=cpu".parse::<Override>(),
            DeviceName::Cuda => "compute.device=cuda".parse::<Override>(),
        });
        Ok(changes.iter().cloned().chain(asked.transpose()?).collect())
    }
}

impl Device {
    fn choice(self) -> DeviceChoice {
        match self {
            Self::Auto => DeviceChoice::Auto,
            Self::Cpu => DeviceChoice::Cpu,
            Self::Cuda => DeviceChoice::Cuda,
        }
    }
}
