//! What an update changes: the weights, their moments, the loss scale, and the average of the weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use equiav_models::{Intra, read_weights, restore};
use equiav_torch::{
    AdamW, AdamWConfig, GradientAverage, GroupError, LossScaler, LossScalerConfig, Reduce, Unused,
    clip_grad_norm, found_inf,
};
use tch::{Device, Tensor, nn};

use crate::average::Average;
use crate::checkpoint::{self, Files, MODEL};
use crate::network::{Network, Stored};
use crate::processes::Processes;
use crate::settings::{Optimizer, Precision, Settings};

const OPTIMIZER: &str = "optimizer.safetensors";
const SCALER: &str = "scaler.safetensors";
const AVERAGE: &str = "average.safetensors";

/// A network with everything that its training carries along.
#[derive(Debug)]
pub struct Learner<N = Network> {
    /// The weights, and what they make of a batch.
    pub network: N,
    /// Both moments of every variable.
    pub optimizer: AdamW,
    /// The loss scale, where the networks compute in fp16.
    pub scaler: Option<LossScaler>,
    /// The average of the weights, where the recipe asks for one.
    pub average: Option<Average>,
    /// Who trains it together.
    pub(crate) processes: Processes,
    /// What averages gradients over them.
    pub(crate) gradients: GradientAverage,
}

impl Learner {
    /// The network of `recipe` on `device` as its seed makes it, trained by this process alone; what the
    /// recipe starts from is taken up by [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// If libtorch fails.
    pub fn new(recipe: &Settings, device: Device) -> anyhow::Result<Self> {
        Self::together(recipe, device, &Processes::alone())
    }

    /// As [`new`](Self::new), trained by all `processes`; see [`share`](Self::share).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), or if a process does not take part within the limit.
    pub fn together(
        recipe: &Settings,
        device: Device,
        processes: &Processes,
    ) -> anyhow::Result<Self> {
        let network = Network::new(recipe, device)?;
        let unused = match recipe.objective.intra {
            Intra::Equivariant => Unused::Never,
            Intra::Invariant | Intra::None => Unused::Possible,
        };
        Self::of(network, &recipe.optimizer, recipe.compute.precision, processes, unused)
    }

    /// Starts the network, and the average of its weights, from what `recipe` names, if it names anything:
    /// before the first update.
    ///
    /// # Errors
    ///
    /// As [`Network::start`].
    pub fn start(&mut self, recipe: &Settings) -> anyhow::Result<()> {
        self.network.start(recipe)?;
        self.restart_average();
        Ok(())
    }
}

impl<N: Stored> Learner<N> {
    /// `network` before its first update, trained by all `processes`, whose passes may leave variables
    /// `unused` or not.
    ///
    /// # Errors
    ///
    /// If a process does not take part within the limit.
    pub fn of(
        network: N,
        optimizer: &Optimizer,
        precision: Precision,
        processes: &Processes,
        unused: Unused,
    ) -> anyhow::Result<Self> {
        let Optimizer { betas, eps, weight_decay, average, .. } = *optimizer;
        let store = network.store();
        let average = average.map(|decay| Average::new(store, decay));
        let narrow = precision == Precision::Fp16;
        let scaler = narrow.then(|| LossScaler::new(LossScalerConfig::PYTORCH, store.device()));
        let optimizer = AdamW::of_store(store, AdamWConfig { betas, eps, weight_decay });
        let group = Arc::clone(&processes.group);
        let gradients = GradientAverage::new(group, optimizer.parameters(), unused)?;
        let processes = processes.clone();
        Ok(Self { network, optimizer, scaler, average, processes, gradients })
    }

    /// Has the average of the weights begin with the present ones, which came from elsewhere.
    pub(crate) fn restart_average(&mut self) {
        if let Some(average) = &mut self.average {
            average.restart(self.network.store());
        }
    }

    /// Gives every process the leader's weights, moments, scale and average.
    ///
    /// # Errors
    ///
    /// If a process does not take part within the limit.
    pub fn share(&mut self) -> anyhow::Result<()> {
        if self.processes.world() == 1 {
            return Ok(());
        }
        let mut files = self.files();
        for (file, tensors) in &mut files {
            broadcast(&self.processes, tensors, file)?;
        }
        self.take(&files)
    }

    /// Gives every process the leader's weights, and nothing else.
    pub(crate) fn share_weights(&self) -> Result<(), GroupError> {
        let mut weights = self.network.store().variables().into_iter().collect();
        broadcast(&self.processes, &mut weights, MODEL)
    }

    /// Updates the weights by their gradients, clipped to the norm `clip`; returns the norm before
    /// that, `[]`, and a flag that is 1 where nothing was changed since norm or `loss`, that of any
    /// process, is not finite.
    ///
    /// The device decides; where no other process is to be asked, nothing waits for it.
    ///
    /// # Errors
    ///
    /// If libtorch fails, or a process does not take part within the limit.
    pub fn update(
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
        self.processes.group.all_reduce(&mut skipped, Reduce::Max, "whether all is finite")?;
        self.optimizer.step_unless(lr, &skipped)?;
        if let Some(scaler) = &mut self.scaler {
            scaler.update(&skipped)?;
        }
        Ok((norm, skipped))
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
        let weights = self.network.store().variables().into_iter().collect();
        let mut files = Files::from([(MODEL, weights), (OPTIMIZER, self.optimizer.state())]);
        files.extend(self.scaler.iter().map(|scaler| (SCALER, scaler.state())));
        files.extend(self.average.iter().map(|average| (AVERAGE, average.tensors())));
        files
    }

    /// Takes up the checkpoint at `path`.
    ///
    /// # Errors
    ///
    /// If it holds other names or shapes.
    pub fn load(&mut self, path: &Path) -> anyhow::Result<()> {
        load(&path.join(MODEL), self.network.store())?;
        let names = self.files().into_keys().filter(|name| *name != MODEL);
        let read = |name| Ok((name, checkpoint::tensors(path, name)?));
        let files = names.map(read).collect::<anyhow::Result<Files>>()?;
        self.take(&files).with_context(|| format!("checkpoint {}", path.display()))
    }

    /// Takes up those tensors of a checkpoint that are no weights.
    fn take(&mut self, files: &Files) -> anyhow::Result<()> {
        self.optimizer.load_state(&files[OPTIMIZER]).context(OPTIMIZER)?;
        if let Some(scaler) = &mut self.scaler {
            scaler.load_state(&files[SCALER]).context(SCALER)?;
        }
        if let Some(average) = &mut self.average {
            average.load(&files[AVERAGE]).context(AVERAGE)?;
        }
        Ok(())
    }

    /// Does `work` with the network as it is to be measured: with the average of the weights where
    /// there is one.
    pub fn measured<T>(&self, work: impl FnOnce(&N) -> T) -> T {
        match &self.average {
            Some(average) => average.instead(self.network.store(), || work(&self.network)),
            None => work(&self.network),
        }
    }
}

/// Puts those weights of the checkpoint at `path` into `network` that are to be used: their average
/// where there is one.
///
/// # Errors
///
/// If they have other names or shapes than the network.
pub fn load_for_use(path: &Path, network: &impl Stored) -> anyhow::Result<()> {
    load(&weights_for_use(path), network.store())
}

/// The file of the checkpoint at `path` that holds the weights to be used.
pub(crate) fn weights_for_use(path: &Path) -> PathBuf {
    let file = if path.join(AVERAGE).exists() { AVERAGE } else { MODEL };
    path.join(file)
}

fn load(path: &Path, store: &nn::VarStore) -> anyhow::Result<()> {
    restore(store, &read_weights(path)?).with_context(|| format!("checkpoint {}", path.display()))
}

/// Overwrites `tensors` by the leader's.
fn broadcast(
    processes: &Processes,
    tensors: &mut BTreeMap<String, Tensor>,
    purpose: &str,
) -> Result<(), GroupError> {
    let mut each = tensors.values_mut();
    tch::no_grad(|| each.try_for_each(|tensor| processes.group.broadcast(tensor, 0, purpose)))
}
