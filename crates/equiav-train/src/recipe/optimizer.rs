//! AdamW, its schedule, clipping, and the average of the weights.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// AdamW, its schedule, clipping, and the average of the weights.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The learning rate at the end of the warm-up.
    pub lr: f64,
    /// What the learning rate of transformation predictors is multiplied by; absent, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictor_lr_factor: Option<f64>,
    /// The learning rate of the first step.
    pub start_lr: f64,
    /// The learning rate at the end of the run.
    pub final_lr: f64,
    /// Epochs of linear warm-up; a fraction is allowed.
    pub warmup_epochs: f64,
    /// The decay rates of the two moments.
    pub betas: (f64, f64),
    /// The addend of the denominator.
    pub eps: f64,
    /// The decoupled weight decay, on every parameter.
    pub weight_decay: f64,
    /// The largest global gradient norm; absent for no clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// The decay of a running average of the weights, which is then what is measured and exported;
    /// absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
}

impl Optimizer {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, value) in [
            ("lr", self.lr),
            ("start_lr", self.start_lr),
            ("final_lr", self.final_lr),
            ("warmup_epochs", self.warmup_epochs),
            ("weight_decay", self.weight_decay),
            ("eps", self.eps),
            ("predictor_lr_factor", self.predictor_lr_factor.unwrap_or(1.0)),
        ] {
            let sound = value.is_finite() && value >= 0.0;
            ensure!(sound, "optimizer.{key} = {value}: expected a number of at least 0");
        }
        for beta in [self.betas.0, self.betas.1] {
            ensure!(
                (0.0..1.0).contains(&beta),
                "optimizer.betas holds {beta}: expected 0 to below 1"
            );
        }
        if let Some(norm) = self.clip_norm {
            ensure!(norm > 0.0, "optimizer.clip_norm = {norm}: expected above 0, or no such key");
        }
        if let Some(decay) = self.average {
            ensure!(
                decay > 0.0 && decay < 1.0,
                "optimizer.average = {decay}: expected between 0 and 1, or no such key"
            );
        }
        Ok(())
    }
}
