//! Dynamic loss scaling for fp16, as `torch.amp.GradScaler` does it; its state stays on the device.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::state::{self, StateError};
use crate::{TorchError, ffi};

/// How the scale moves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LossScalerConfig {
    /// The scale before the first update, above 0.
    pub start: f64,
    /// What the scale is multiplied by after `interval` finite updates in a row, above 1.
    pub growth: f64,
    /// What the scale is multiplied by after an update that was not finite, in (0, 1).
    pub backoff: f64,
    /// How many finite updates in a row raise the scale, at least 1.
    pub interval: i64,
}

impl LossScalerConfig {
    /// The numbers of `torch.amp.GradScaler`.
    pub const PYTORCH: Self = Self { start: 65536.0, growth: 2.0, backoff: 0.5, interval: 2000 };
}

/// Scales losses up so that small fp16 gradients do not vanish, and gradients back down.
///
/// ```text
/// backward(loss · scale)      g ← g / scale      found_inf = any g is not finite
/// scale ← scale · backoff if found_inf, scale · growth after `interval` finite updates, else scale
/// ```
///
/// The order of one update, in which nothing waits for the device:
///
/// ```no_run
/// # use equiav_torch::{AdamW, LossScaler, TorchError, clip_grad_norm};
/// # fn update(scaler: &mut LossScaler, optimizer: &mut AdamW, loss: tch::Tensor) -> Result<(), TorchError> {
/// scaler.scale(&loss).backward();
/// let found_inf = scaler.unscale(optimizer.parameters())?;
/// let norm = clip_grad_norm(optimizer.parameters(), Some(1.0))?;
/// optimizer.step_unless(1e-4, &found_inf)?;
/// scaler.update(&found_inf)?;
/// optimizer.zero_grad();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LossScaler {
    config: LossScalerConfig,
    scale: Tensor,
    growth_tracker: Tensor,
}

impl LossScaler {
    /// A scaler of losses on `device`, before the first update.
    ///
    /// # Panics
    ///
    /// If `config` is out of its ranges.
    #[track_caller]
    pub fn new(config: LossScalerConfig, device: Device) -> Self {
        let LossScalerConfig { start, growth, backoff, interval } = config;
        assert!(start > 0.0 && start.is_finite(), "LossScaler: {start} is no scale to start with");
        assert!(growth > 1.0 && growth.is_finite(), "LossScaler: {growth} is no growth");
        assert!(0.0 < backoff && backoff < 1.0, "LossScaler: {backoff} is no backoff");
        let counts = (1..=i64::from(i32::MAX)).contains(&interval);
        assert!(counts, "LossScaler: {interval} is no interval");
        let shape = [0i64; 0];
        Self {
            config,
            scale: Tensor::full(shape, start, (Kind::Float, device)),
            growth_tracker: Tensor::zeros(shape, (Kind::Int, device)),
        }
    }

    /// `loss` times the scale, to be differentiated instead of it.
    pub fn scale(&self, loss: &Tensor) -> Tensor {
        loss * &self.scale
    }

    /// Divides the gradients of `parameters` by the scale, once between backward pass and clipping.
    ///
    /// Returns the flag `[1]`, fp32, on the device: 1 where any gradient was not finite, else 0.
    ///
    /// # Errors
    ///
    /// If libtorch fails, for example because the gradients lie on another device than the scaler.
    pub fn unscale(&self, parameters: &[Tensor]) -> Result<Tensor, TorchError> {
        ffi::unscale_gradients(parameters, &self.scale)
    }

    /// Lowers the scale where `found_inf`, of one element, is not 0; else counts towards raising it.
    ///
    /// Several ranks must agree first: their flags' maximum is every rank's `found_inf`.
    ///
    /// # Errors
    ///
    /// If libtorch fails, for example because `found_inf` has more than one element.
    pub fn update(&mut self, found_inf: &Tensor) -> Result<(), TorchError> {
        let LossScalerConfig { growth, backoff, interval, .. } = self.config;
        let settings = ffi::Scaling { growth, backoff, interval };
        ffi::update_scale(&mut self.scale, &mut self.growth_tracker, found_inf, &settings)
    }

    /// The scale of the next loss; waits for the device.
    pub fn current(&self) -> f64 {
        self.scale.double_value(&[])
    }

    /// The state by name: `scale` and `growth_tracker`, each `[]`.
    ///
    /// The tensors share their memory with the scaler: save or copy them before the next update.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        [("scale", &self.scale), ("growth_tracker", &self.growth_tracker)]
            .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
            .into()
    }

    /// Restores what [`state`](Self::state) gave, exactly.
    ///
    /// # Errors
    ///
    /// If `state` lacks a tensor, holds one too many, or holds one of another shape; nothing has been
    /// changed then.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<(), StateError> {
        state::restore(self.state(), state)
    }
}
