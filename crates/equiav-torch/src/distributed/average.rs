//! Gradients averaged over all processes, while the backward pass computes them where the carrier can.

use std::sync::Arc;

use tch::{Kind, TchError, Tensor};

use super::error::plain;
use super::session::Session;
use super::{Group, GroupError, Reduce};
use crate::TorchError;
use crate::ffi::Reducer;

/// The numbers that travel together where gradients are averaged after the pass.
const BUCKET: usize = 6 * 1024 * 1024;

/// Whether a backward pass may leave parameters without a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnusedParameters {
    /// Every pass that averages must reach every parameter on every rank; one that does not is an error.
    Never,
    /// A pass may skip parameters, which may differ between passes and ranks; each pass searches for them.
    Possible,
}

/// Averages the gradients of a list of parameters over all processes of a group.
///
/// ```text
/// gradient ← (1/W) Σ_r gradient of rank r        equal on all ranks, to the bit
/// ```
///
/// A rank that has no gradient where another has one counts as 0; where no rank has one, none comes.
#[derive(Debug)]
pub struct GradientAverage {
    group: Arc<dyn Group>,
    parameters: Vec<Tensor>,
    overlapped: Option<OverlappedAverage>,
}

impl GradientAverage {
    /// Averages the gradients of `parameters`, the same list in the same order on all ranks.
    ///
    /// # Errors
    ///
    /// If the ranks' parameters differ in shape, or a process does not take part within the limit.
    pub fn new(
        group: Arc<dyn Group>,
        parameters: &[Tensor],
        unused: UnusedParameters,
    ) -> Result<Self, GroupError> {
        let parameters: Vec<Tensor> = parameters.iter().map(Tensor::shallow_clone).collect();
        let overlapped = match group.world() {
            1 => None,
            _ => group.overlapped_average(&parameters, unused)?,
        };
        Ok(Self { group, parameters, overlapped })
    }

    /// The backward pass of `loss`, a scalar; afterwards every rank has the averaged gradients, those of
    /// earlier [`accumulate`](Self::accumulate) passes included.
    ///
    /// Every rank calls it at the same point of its steps.
    ///
    /// # Errors
    ///
    /// If a process does not take part within the limit, if the pass itself fails, or if it leaves a
    /// parameter out under [`UnusedParameters::Never`].
    pub fn backward(&mut self, loss: &Tensor) -> Result<(), GroupError> {
        match &self.overlapped {
            Some(overlapped) => overlapped.backward(loss),
            None => {
                self.accumulate(loss)?;
                self.average()
            }
        }
    }

    /// A backward pass whose gradients add up on this rank alone, such as that of an early part of a batch.
    ///
    /// # Errors
    ///
    /// If the pass fails, which a [`gather_with_gradient`](super::gather_with_gradient) in it can.
    pub fn accumulate(&mut self, loss: &Tensor) -> Result<(), GroupError> {
        pass(loss).map_err(|error| match self.overlapped.as_ref().and_then(|o| o.failure()) {
            Some(failure) => failure.clone(),
            None => GroupError::new(format!("backward pass: {}", plain(&error.0)), Vec::new()),
        })
    }

    /// Averages the gradients that are there now, all passes being over: for steps whose last pass does
    /// not run through [`backward`](Self::backward). Nothing overlaps.
    ///
    /// # Errors
    ///
    /// If a process does not take part within the limit.
    pub fn average(&mut self) -> Result<(), GroupError> {
        let world = self.group.world();
        if world == 1 {
            return Ok(());
        }
        let used = self.used_anywhere()?;
        let gradients: Vec<Tensor> = self
            .parameters
            .iter()
            .zip(used)
            .filter(|(_, used)| *used)
            .map(|(parameter, _)| own_gradient(parameter))
            .collect();
        for bucket in buckets(&gradients) {
            let flat: Vec<Tensor> = bucket.iter().map(|gradient| gradient.reshape([-1])).collect();
            let mut flat = Tensor::cat(&flat, 0);
            self.group.all_reduce(&mut flat, Reduce::Sum, "gradients")?;
            let mut flat = flat / world as f64;
            for gradient in bucket {
                let rest = gradient.numel() as i64;
                let own = flat.narrow(0, 0, rest).reshape(gradient.size());
                gradient.shallow_clone().copy_(&own);
                flat = flat.narrow(0, rest, flat.size()[0] - rest);
            }
        }
        Ok(())
    }

    /// For each parameter, whether any rank has a gradient for it.
    fn used_anywhere(&self) -> Result<Vec<bool>, GroupError> {
        let own: Vec<i32> = self.parameters.iter().map(|p| i32::from(p.grad().defined())).collect();
        let mut used = Tensor::from_slice(&own);
        self.group.all_reduce(&mut used, Reduce::Max, "parameters in use")?;
        let used: Vec<i32> = Vec::try_from(&used).expect("a row of flags");
        Ok(used.into_iter().map(|flag| flag != 0).collect())
    }
}

/// The gradient of `parameter`, made of zeros where this rank has none.
fn own_gradient(parameter: &Tensor) -> Tensor {
    if !parameter.grad().defined() {
        // A pass whose gradient is 0 leaves a gradient behind: the one way tch has to make one.
        parameter.flatten(0, -1).slice(0, 0, 0, 1).sum(parameter.kind()).backward();
    }
    parameter.grad()
}

/// Gradients of one kind that travel together, in reverse order.
fn buckets(gradients: &[Tensor]) -> Vec<Vec<&Tensor>> {
    let mut buckets: Vec<Vec<&Tensor>> = Vec::new();
    let mut numbers = 0;
    let mut kind: Option<Kind> = None;
    for gradient in gradients.iter().rev() {
        numbers += gradient.numel();
        if kind != Some(gradient.kind()) || numbers > BUCKET {
            buckets.push(Vec::new());
            kind = Some(gradient.kind());
            numbers = gradient.numel();
        }
        if let Some(bucket) = buckets.last_mut() {
            bucket.push(gradient);
        }
    }
    buckets
}

/// What averages gradients while a backward pass computes them: c10d's Reducer.
///
/// Gradients travel in buckets of up to 25 MiB, the last parameters' first; see [`GradientAverage`].
#[derive(Debug)]
pub struct OverlappedAverage {
    /// Dropped before the session, whose process group it uses.
    reducer: Option<Reducer>,
    session: Arc<Session>,
}

impl OverlappedAverage {
    pub(super) fn new(session: Arc<Session>, reducer: Reducer) -> Self {
        Self { reducer: Some(reducer), session }
    }

    fn failure(&self) -> Option<&GroupError> {
        self.session.failure()
    }

    fn backward(&self, loss: &Tensor) -> Result<(), GroupError> {
        let reducer = self.reducer.as_ref().expect("a reducer until the drop");
        self.session.watched("average", "gradients", |_| {
            reducer.prepare(loss)?;
            pass(loss)
        })?;
        // What c10d says at length is advice for Python.
        reducer.finish().map_err(|_| {
            let what = "the backward pass has left out parameters, which UnusedParameters::Never rules out";
            GroupError::new(format!("average (gradients): {what}"), Vec::new())
        })
    }
}

impl Drop for OverlappedAverage {
    fn drop(&mut self) {
        if self.session.failure().is_some() {
            // Work of the reducer may wait for peers that never answer.
            std::mem::forget(self.reducer.take());
        }
    }
}

/// A backward pass.
fn pass(loss: &Tensor) -> Result<(), TorchError> {
    loss.f_backward().map_err(|error| match error {
        TchError::Torch(text) => TorchError(text),
        other => TorchError(other.to_string()),
    })
}
