//! The learned part of a run: one branch per modality, and the temperature, under one store of variables.

use std::collections::BTreeMap;

use anyhow::Context;
use equiav_augment::Modality;
use equiav_models::{Branch, BranchConfig, Predict};
use equiav_torch::checkpoint;
use tch::{Device, Tensor, nn};

use crate::engine::seeded;
use crate::recipe::Settings;

/// Everything that a run learns.
#[derive(Debug)]
pub struct Network {
    /// Every variable, under its published name.
    pub store: nn::VarStore,
    /// The network of each modality.
    pub branches: BTreeMap<Modality, Branch>,
    /// The logarithm of a learned temperature, `[]`.
    log_temperature: Option<Tensor>,
}

impl Network {
    /// Makes the network of `recipe` on `device`, initialized from the recipe's seed. What the recipe
    /// starts from is not read: see [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// If libtorch fails.
    pub fn new(recipe: &Settings, device: Device) -> anyhow::Result<Self> {
        Self::built(recipe, device, |config, root| config.build(root))
    }

    /// As [`new`](Self::new), with predictors of the caller's own instead of the recipe's `model.predictor`: `make` gets
    /// a path that belongs to the predictor alone, and what its branch is made from.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_predictors<P: Predict + 'static>(
        recipe: &Settings,
        device: Device,
        make: impl Fn(&nn::Path, &BranchConfig) -> P,
    ) -> anyhow::Result<Self> {
        Self::built(recipe, device, |config, root| {
            config.build_with(root, |path| make(path, config))
        })
    }

    fn built(
        recipe: &Settings,
        device: Device,
        build: impl Fn(&BranchConfig, &nn::Path) -> Branch,
    ) -> anyhow::Result<Self> {
        let store = nn::VarStore::new(device);
        let root = store.root();
        let one = |(modality, config): (Modality, BranchConfig)| (modality, build(&config, &root));
        let mut branches: BTreeMap<Modality, Branch> =
            seeded(recipe.seed, || recipe.branches().into_iter().map(one).collect());
        if recipe.compute.recompute_blocks {
            branches.values_mut().for_each(|branch| branch.checkpoint_blocks(Some(checkpoint)));
        }
        let objective = &recipe.objective;
        let log_temperature = objective.learn_temperature.then(|| {
            store.root().var("log_temperature", &[], nn::Init::Const(objective.temperature.ln()))
        });
        Ok(Self { store, branches, log_temperature })
    }

    /// Starts both encoders from the weights that `recipe` names, if it names any. Only a run's first step
    /// needs them: what is trained further is in its checkpoints.
    ///
    /// # Errors
    ///
    /// If the weights cannot be read or do not cover the encoders.
    pub fn start(&self, recipe: &Settings) -> anyhow::Result<()> {
        let Some(path) = &recipe.model.start else { return Ok(()) };
        self.start_from(path).with_context(|| format!("start weights {}", path.display()))
    }

    /// Another network over the same weights, for another thread: tensors may move between threads, but
    /// not be used by two at once.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn sharing(&self, recipe: &Settings) -> anyhow::Result<Self> {
        let other = Self::new(recipe, self.store.device())?;
        let own = self.store.variables();
        for (name, mut variable) in other.store.variables() {
            tch::no_grad(|| variable.f_set_data(&own[&name]))?;
        }
        Ok(other)
    }

    /// Starts both encoders from the masked autoencoder's weights at `path`.
    fn start_from(&self, path: &std::path::Path) -> anyhow::Result<()> {
        let weights = equiav_models::read_weights(path)?;
        equiav_models::import_start(&self.store, &weights)?;
        Ok(())
    }

    /// The temperature where it is learned, `[]`; else the recipe's holds.
    pub fn temperature(&self) -> Option<Tensor> {
        self.log_temperature.as_ref().map(Tensor::exp)
    }

    /// How many numbers are learned.
    pub fn parameters(&self) -> usize {
        self.store.trainable_variables().iter().map(Tensor::numel).sum()
    }
}
