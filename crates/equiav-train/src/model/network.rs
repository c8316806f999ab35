//! The learned part of a run: one branch per modality, and the temperature, under one store of variables.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow, ensure};
use equiav_augment::Modality;
use equiav_models::{Branch, BranchConfig, Head, Predict, ViewKind, import_encoders, import_start};
use tch::nn::Module;
use tch::{Device, Tensor, nn};

use crate::engine::seeded;
use crate::recipe::{Settings, TokenSource};
use crate::run_dir::checkpoint;
use crate::run_dir::lock::CHECKPOINTS;

/// Everything that a run learns.
#[derive(Debug)]
pub struct Network {
    /// Every variable, under its published name.
    pub store: nn::VarStore,
    /// The network of each modality.
    pub branches: BTreeMap<Modality, Branch>,
    /// What embeds patches of pictures by themselves, where they are compared with sounds.
    patch_head: Option<Head>,
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
        Self::with_branches(recipe, device, |config, root| config.build(root))
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
        Self::with_branches(recipe, device, |config, root| {
            config.builder(root).predictor(|path| make(path, config)).build()
        })
    }

    /// As [`new`](Self::new), with branches of the caller's own making: `build` gets what the branch is made from, and
    /// the root of the store. [`BranchConfig::builder`] swaps any part of one, such as the encoder.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); also if the recipe wants blocks computed twice, and an encoder offers none.
    pub fn with_branches(
        recipe: &Settings,
        device: Device,
        build: impl Fn(&BranchConfig, &nn::Path) -> Branch,
    ) -> anyhow::Result<Self> {
        let store = nn::VarStore::new(device);
        let root = store.root();
        let one = |(modality, config): (Modality, BranchConfig)| (modality, build(&config, &root));
        let mut branches: BTreeMap<Modality, Branch> =
            seeded(recipe.seed, || recipe.branches().into_iter().map(one).collect());
        for (modality, branch) in &mut branches {
            let blocks = recipe.compute.recompute_blocks.then_some(equiav_torch::checkpoint as _);
            branch
                .checkpoint_blocks(blocks)
                .with_context(|| format!("in the {modality} network"))?;
        }
        let objective = &recipe.objective;
        let log_temperature = objective.learn_temperature.then(|| {
            store.root().var("log_temperature", &[], nn::Init::Const(objective.temperature.ln()))
        });
        let patch_head = (objective.token_source == TokenSource::Patches).then(|| {
            let width = branches[&Modality::VISUAL].encoder().width();
            let path = store.root() / "patch_head";
            // Not the stream that has drawn the branches.
            seeded(recipe.seed.wrapping_add(1), || recipe.model.inter_head.build(&path, width))
        });
        Ok(Self { store, branches, patch_head, log_temperature })
    }

    /// The network of `branches` that the caller has made with variables of `store`: over features of another model, say,
    /// which no recipe describes.
    pub fn of_branches(store: nn::VarStore, branches: BTreeMap<Modality, Branch>) -> Self {
        Self { store, branches, patch_head: None, log_temperature: None }
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
    /// As [`new`](Self::new); also if a part of this network is from outside, so that the recipe does not tell how to
    /// make another.
    pub fn sharing(&self, recipe: &Settings) -> anyhow::Result<Self> {
        let other = Self::new(recipe, self.store.device())?;
        let own = self.store.variables();
        let others = other.store.variables();
        ensure!(
            own.len() == others.len(),
            "the network is not the recipe's own: it cannot be shared"
        );
        for (name, mut variable) in others {
            let shared =
                own.get(&name).ok_or_else(|| anyhow!("the network has no `{name}` to share"))?;
            tch::no_grad(|| variable.f_set_data(shared))?;
        }
        Ok(other)
    }

    /// Starts the encoders from the weights at `path`: a run folder, a folder from an export, or a file.
    fn start_from(&self, path: &std::path::Path) -> anyhow::Result<()> {
        let run = path.join(CHECKPOINTS);
        let newest = if run.is_dir() { checkpoint::latest(&run, &mut |_| {})? } else { None };
        let weights =
            equiav_models::read_weights(newest.as_ref().map_or(path, |(folder, _)| folder))?;
        // One's own autoencoders are one for each modality and carry its suffix; a public one serves both.
        let own = weights.tensors().keys().any(|name| name.starts_with("patch_embed_"));
        match own {
            true => import_encoders(&self.store, &weights)?,
            false => import_start(&self.store, &weights)?,
        };
        Ok(())
    }

    /// The inter-modal embeddings of the places of `pictures`, whose `tokens` are given where they are known: of patches by themselves
    /// where the recipe compares these, else of tokens.
    ///
    /// # Shapes
    ///
    /// - `pictures`: `[b, 3, height, width]`, plain views
    /// - `tokens`: `[b, n, width]`
    /// - returns: `[b, n, out]`, of any length
    ///
    /// # Errors
    ///
    /// If an encoder from outside has no patches.
    pub fn places(&self, pictures: &Tensor, tokens: Option<&Tensor>) -> anyhow::Result<Tensor> {
        let branch = &self.branches[&Modality::VISUAL];
        let Some(head) = &self.patch_head else {
            return Ok(match tokens {
                Some(tokens) => branch.project(tokens),
                None => branch.project(&branch.encode(pictures, ViewKind::Plain)),
            });
        };
        let patches = branch.encoder().patches(pictures).context(
            "objective.token_source = \"patches\" needs an encoder of pictures that has any (help: implement \
             `Encode::patches`, or objective.token_source = \"encoded\")",
        )?;
        Ok(head.forward(&patches))
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
