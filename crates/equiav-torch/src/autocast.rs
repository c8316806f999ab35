//! Regions in which libtorch narrows the operations that bear it: matrix products, attention.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

use crate::ffi::{self, AutocastState};

/// What an autocast region narrows to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AutocastKind {
    /// 8 bits of exponent, 8 of precision: the range of fp32, so losses need no scaling.
    BFloat16,
    /// 5 bits of exponent, 11 of precision: gradients below 6e-8 vanish, which is what a
    /// [`LossScaler`](crate::LossScaler) is for.
    Half,
}

impl AutocastKind {
    /// The kind of tensor that narrowed operations give.
    pub fn kind(self) -> Kind {
        match self {
            Self::BFloat16 => Kind::BFloat16,
            Self::Half => Kind::Half,
        }
    }

    /// As `c10::ScalarType` numbers it.
    fn number(self) -> i32 {
        match self {
            Self::BFloat16 => 15,
            Self::Half => 5,
        }
    }
}

/// Runs `body` in a region that narrows operations on devices of `device`'s type to `kind`.
///
/// Parameters stay as they are; casts of them are remembered until the outermost region ends.
/// Regions nest, belong to this thread, and end when `body` returns or panics; what was set before is
/// set again then. A backward pass needs no region: it follows the kinds of the forward pass.
///
/// # Panics
///
/// If `body` does, or `device` is neither a processor nor a CUDA device.
#[track_caller]
pub fn autocast<T>(device: Device, kind: AutocastKind, body: impl FnOnce() -> T) -> T {
    let within = AutocastState { enabled: 1, kind: kind.number() };
    let _region = Region::enter(device_type(device), within);
    body()
}

/// Runs `body` as outside any autocast region, for what must be exact within one, such as a loss.
///
/// # Panics
///
/// If `body` does, or `device` is neither a processor nor a CUDA device.
#[track_caller]
pub fn without_autocast<T>(device: Device, body: impl FnOnce() -> T) -> T {
    let device = device_type(device);
    let _region = Region::enter(device, AutocastState { enabled: 0, ..state(device) });
    body()
}

/// What this thread narrows operations on devices of `device`'s type to, inside a region.
///
/// # Panics
///
/// If `device` is neither a processor nor a CUDA device.
#[track_caller]
pub fn autocast_kind(device: Device) -> Option<AutocastKind> {
    let state = state(device_type(device));
    [AutocastKind::BFloat16, AutocastKind::Half]
        .into_iter()
        .find(|kind| state.enabled == 1 && state.kind == kind.number())
}

/// What this thread narrows on either type of device, to be set again elsewhere or later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AutocastSnapshot([(i32, AutocastState); 2]);

impl AutocastSnapshot {
    /// The state of this thread.
    pub(crate) fn current() -> Self {
        Self([Device::Cpu, Device::Cuda(0)].map(|device| {
            let device = device_type(device);
            (device, state(device))
        }))
    }

    /// Runs `body` in this state.
    pub(crate) fn within<T>(self, body: impl FnOnce() -> T) -> T {
        let _regions = self.0.map(|(device, within)| Region::enter(device, within));
        body()
    }
}

/// A region that ends when this is dropped; states belong to a thread, and so does this.
struct Region {
    device: i32,
    before: AutocastState,
    of_this_thread: PhantomData<*const ()>,
}

impl Region {
    #[track_caller]
    fn enter(device: i32, within: AutocastState) -> Self {
        let before = state(device);
        ffi::set_autocast(device, within, 1).expect("libtorch knows the device");
        Self { device, before, of_this_thread: PhantomData }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // Fails for unknown devices only, and this one was known at the region's start.
        let _ = ffi::set_autocast(self.device, self.before, -1);
    }
}

#[track_caller]
fn state(device: i32) -> AutocastState {
    ffi::autocast_state(device).expect("libtorch knows the device")
}

/// As `c10::DeviceType` numbers it.
#[track_caller]
fn device_type(device: Device) -> i32 {
    match device {
        Device::Cpu => 0,
        Device::Cuda(_) => 1,
        other => panic!("autocast: {other:?} is neither a processor nor a CUDA device"),
    }
}
