//! The networks of the threads: one each, over the same weights; a window at a time, on one thread.
//!
//! A product of matrices rounds differently when its rows are cut otherwise, which libtorch decides by
//! the size of the batch and the number of threads. A batch of one on one thread is always cut alike.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use equiav_augment::Modality;
use equiav_torch::OneThread;
use tch::{Device, Kind, Tensor};

use super::views::View;
use equiav_train::clips;
use equiav_train::engine::narrowed;
use equiav_train::eval::embeddings::{Variant, fixed_vectors};
use equiav_train::model::LoadedModel;
use equiav_train::model::Network;
use equiav_train::recipe::Recipe;

/// Networks that share their weights, as many as were needed at once.
#[derive(Debug)]
pub(super) struct Networks {
    recipe: Recipe,
    first: Network,
    idle: Vec<Idle>,
}

/// A network and the fixed vectors.
#[derive(Debug)]
pub(super) struct Idle {
    recipe: Recipe,
    network: Network,
    vectors: BTreeMap<Modality, Tensor>,
}

impl Networks {
    /// Those of `trained`.
    pub(super) fn new(trained: LoadedModel) -> Self {
        Self { recipe: trained.recipe, first: trained.network, idle: Vec::new() }
    }

    /// Does `work` with a network that nobody else uses.
    pub(super) fn with<T>(
        networks: &Mutex<Self>,
        work: impl FnOnce(&Idle) -> Result<T, String>,
    ) -> Result<T, String> {
        let taken = lock(networks).take();
        let idle = taken.map_err(|error| format!("{error:#}"))?;
        let result = work(&idle);
        lock(networks).idle.push(idle);
        result
    }

    fn take(&mut self) -> anyhow::Result<Idle> {
        if let Some(idle) = self.idle.pop() {
            return Ok(idle);
        }
        let network = self.first.sharing(&self.recipe)?;
        let variant = Variant::of(&self.recipe);
        let vectors = fixed_vectors(variant, &self.recipe, network.store.device());
        Ok(Idle { recipe: self.recipe.clone(), network, vectors })
    }
}

fn lock(networks: &Mutex<Networks>) -> MutexGuard<'_, Networks> {
    networks.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Idle {
    /// The embedding of `view`, of any length.
    pub(super) fn embed(&self, view: &View) -> Result<Vec<f32>, String> {
        OneThread::keep();
        let device = self.network.store.device();
        let plain = clips::tensor(&view.input, device).unsqueeze(0);
        let branch = &self.network.branches[&view.modality];
        let material = view.valid.and_then(|valid| {
            let (.., frames) = view.input.dim();
            clips::valid_frames(&[valid], frames, device)
        });
        let vectors = self.vectors.get(&view.modality);
        let embed = || branch.embed(&plain, vectors, material.as_ref());
        let precision = self.recipe.compute.precision;
        let embedding = tch::no_grad(|| narrowed(device, precision, embed));
        let embedding = embedding.to_kind(Kind::Float).to_device(Device::Cpu).flatten(0, -1);
        Vec::<f32>::try_from(&embedding).map_err(|error| error.to_string())
    }
}
