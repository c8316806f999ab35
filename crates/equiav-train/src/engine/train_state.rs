//! What an update changes: the weights, their moments, the loss scale, the EMA, and the method's own state.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use equiav_models::{read_weights, restore};
use equiav_torch::{
    AdamW, AdamWConfig, GradientAverage, GroupConfig, GroupError, LossScaler, LossScalerConfig,
    Reduce, UnusedParameters, clip_grad_norm, found_inf,
};
use tch::{Device, Tensor};

use super::ema::Ema;
use super::method::{Method, StepContext};
use crate::distributed::World;
use crate::recipe::{Optimizer, Precision, Shared};
use crate::run_dir::checkpoint::{self, EMA, Files, METHOD, MODEL, OPTIMIZER, SCALER};

/// A method with everything that its training carries along.
#[derive(Debug)]
pub struct TrainState<M> {
    /// The weights, and what they make of a batch.
    pub method: M,
    /// Both moments of every variable that is trained.
    pub optimizer: AdamW,
    /// The loss scale, where the networks compute in fp16.
    pub scaler: Option<LossScaler>,
    /// The EMA of the weights, where the recipe asks for one.
    pub ema: Option<Ema>,
    /// Who trains it together.
    pub(crate) world: World,
    /// What averages gradients over them.
    pub(crate) gradients: GradientAverage,
}

impl<M: Method> TrainState<M> {
    /// `method` before its first update, trained by all ranks of `world`.
    ///
    /// # Errors
    ///
    /// If a process does not take part within the limit.
    pub fn new(method: M, recipe: Shared<'_>, world: &World) -> anyhow::Result<Self> {
        let Optimizer { betas, eps, weight_decay, average, .. } = *recipe.optimizer;
        let store = method.variables();
        let groups = method.groups();
        let group = |name: &str| groups.iter().find(|group| (group.matches)(name));
        for (name, variable) in store.variables() {
            if group(&name).is_some_and(|group| group.frozen) {
                let _ = variable.set_requires_grad(false);
            }
        }
        let optimizer = AdamW::of_store(store, AdamWConfig { betas, eps, weight_decay })
            .with_groups(|name| {
                let (factor, own) =
                    group(name).map_or((1.0, None), |group| (group.lr_factor, group.weight_decay));
                GroupConfig { factor, weight_decay: own.unwrap_or(weight_decay) }
            });
        let ema = average.map(|decay| Ema::new(store, decay));
        let narrow = recipe.compute.precision == Precision::Fp16;
        let scaler = narrow.then(|| LossScaler::new(LossScalerConfig::PYTORCH, store.device()));
        let unused = if method.leaves_variables_unused() {
            UnusedParameters::Possible
        } else {
            UnusedParameters::Never
        };
        let gradients =
            GradientAverage::new(Arc::clone(&world.group), optimizer.parameters(), unused)?;
        Ok(Self { method, optimizer, scaler, ema, world: world.clone(), gradients })
    }

    /// Where the variables are.
    pub fn device(&self) -> Device {
        self.method.variables().device()
    }

    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        self.optimizer.parameters().iter().map(Tensor::numel).sum()
    }

    /// Has the EMA begin with the present weights, which came from elsewhere.
    pub fn restart_ema(&mut self) {
        if let Some(ema) = &mut self.ema {
            ema.restart(self.method.variables());
        }
    }

    /// Has the optimizer and the EMA forget the variables of `names`, which have begun anew.
    pub(super) fn restart(&mut self, names: &[String]) {
        self.optimizer.reset(names);
        if let Some(ema) = &mut self.ema {
            ema.restart_of(names, self.method.variables());
        }
    }

    /// Gives every rank what rank 0 has: weights, moments, scale, EMA, the method's state.
    ///
    /// # Errors
    ///
    /// If a process does not take part within the limit.
    pub fn broadcast(&mut self) -> anyhow::Result<()> {
        if self.world.size() == 1 {
            return Ok(());
        }
        let mut files = self.files();
        for (file, tensors) in &mut files {
            broadcast(&self.world, tensors, file)?;
        }
        self.take(files)
    }

    /// Gives every rank the weights of rank 0, and nothing else.
    pub(crate) fn broadcast_weights(&self) -> Result<(), GroupError> {
        let mut weights = self.method.variables().variables().into_iter().collect();
        broadcast(&self.world, &mut weights, MODEL)
    }

    /// Updates the weights by their gradients, clipped to the norm `clip`; returns the norm before
    /// that, `[]`, and a flag that is 1 where nothing was changed since norm or `loss`, that of any
    /// rank, is not finite.
    ///
    /// The device decides; where no other process is to be asked, nothing waits for it.
    ///
    /// # Errors
    ///
    /// If libtorch fails, or a process does not take part within the limit.
    pub(super) fn update(
        &mut self,
        loss: &Tensor,
        lr: f64,
        clip: Option<f64>,
    ) -> anyhow::Result<(Tensor, Tensor)> {
        let parameters = self.optimizer.parameters();
        if let Some(scaler) = &self.scaler {
            // The norm tells as well what this flag does.
            let _ = scaler.unscale(parameters)?;
        }
        // PUBLISHED: clip-only-mixed-precision the published code clips only under mixed precision.
        let norm = clip_grad_norm(parameters, clip)?;
        let mut skipped = found_inf(&[loss, &norm]);
        self.world.group.all_reduce(&mut skipped, Reduce::Max, "whether all is finite")?;
        self.optimizer.step_unless(lr, &skipped)?;
        if let Some(scaler) = &mut self.scaler {
            scaler.update(&skipped)?;
        }
        Ok((norm, skipped))
    }

    /// What follows an update that was made.
    pub(super) fn after_update(&mut self, step: &StepContext<'_>) -> anyhow::Result<()> {
        if let Some(ema) = &mut self.ema {
            ema.update(self.method.variables());
        }
        self.method.step_end(step)
    }

    /// The norm of every variable's gradient, by name; of those that have one.
    pub fn gradient_norms(&self) -> BTreeMap<String, f64> {
        let (names, parameters) = (self.optimizer.names(), self.optimizer.parameters());
        let gradients = names.iter().zip(parameters.iter().map(Tensor::grad));
        let defined = gradients.filter(|(_, gradient)| gradient.defined());
        defined.map(|(name, gradient)| (name.clone(), gradient.norm().double_value(&[]))).collect()
    }

    /// The tensors of a checkpoint.
    pub fn files(&self) -> Files {
        let weights: BTreeMap<String, Tensor> =
            self.method.variables().variables().into_iter().collect();
        let shared = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.shallow_clone());
        let averaged = |ema: &Ema| {
            // A whole model: what is not averaged stands in it as it is.
            let mut all: BTreeMap<String, Tensor> = weights.iter().map(shared).collect();
            all.extend(ema.tensors());
            (EMA, all)
        };
        let averaged = self.ema.as_ref().map(averaged);
        let mut files = Files::from([(MODEL, weights), (OPTIMIZER, self.optimizer.state())]);
        files.extend(self.scaler.iter().map(|scaler| (SCALER, scaler.state())));
        files.extend(averaged);
        let state = self.method.state();
        if !state.is_empty() {
            files.insert(METHOD, state);
        }
        files
    }

    /// Takes up the checkpoint at `path`.
    ///
    /// # Errors
    ///
    /// If it holds other names or shapes.
    pub fn load(&mut self, path: &Path) -> anyhow::Result<()> {
        let context = || format!("checkpoint {}", path.display());
        let weights = read_weights(&path.join(MODEL))?;
        restore(self.method.variables(), &weights).with_context(context)?;
        let own: HashSet<&str> = self.files().into_keys().collect();
        let is_there = |name: &&str| own.contains(*name) || path.join(*name).exists();
        let names = [OPTIMIZER, SCALER, EMA, METHOD].into_iter().filter(is_there);
        let read = |name| Ok((name, checkpoint::tensors(path, name)?));
        let files = names.map(read).collect::<anyhow::Result<Files>>()?;
        self.take(files).with_context(context)
    }

    /// Takes up those tensors of a checkpoint that are no weights.
    fn take(&mut self, mut files: Files) -> anyhow::Result<()> {
        self.optimizer.load_state(&files[OPTIMIZER]).context(OPTIMIZER)?;
        if let Some(scaler) = &mut self.scaler {
            scaler.load_state(&files[SCALER]).context(SCALER)?;
        }
        if let Some(ema) = &mut self.ema {
            ema.load(&files[EMA]).context(EMA)?;
        }
        self.method.load(files.remove(METHOD).unwrap_or_default()).context(METHOD)
    }

    /// Does `work` with the method as it is to be evaluated: with the EMA of the weights where there is one.
    pub fn with_ema<T>(&self, work: impl FnOnce(&M) -> T) -> T {
        match &self.ema {
            Some(ema) => ema.instead(self.method.variables(), || work(&self.method)),
            None => work(&self.method),
        }
    }
}

/// Overwrites `tensors` by those of rank 0.
fn broadcast(
    world: &World,
    tensors: &mut BTreeMap<String, Tensor>,
    purpose: &str,
) -> Result<(), GroupError> {
    let mut each = tensors.values_mut();
    tch::no_grad(|| each.try_for_each(|tensor| world.group.broadcast(tensor, 0, purpose)))
}
