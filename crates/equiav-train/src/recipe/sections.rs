//! What every kind of recipe has in common: which sections the engine reads, and families of augmentations that
//! other crates bring.

use std::collections::BTreeMap;

use equiav_augment::{FamilyRegistry, Image, Spectrogram};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::modality;
use super::{
    BUILT_IN, BUILT_IN_FINETUNE, Compute, Finetune, OnlineSchedule, Optimizer, RunConfig, Settings,
    positive,
};

/// Everything that decides one kind of run, as its recipe holds it.
pub trait Sections: Clone + DeserializeOwned + Serialize {
    /// The recipes of this kind that travel inside the program, by name.
    const BUILT_IN: &'static [(&'static str, &'static str)] = &[];

    /// Checks what no single key can know.
    ///
    /// # Errors
    ///
    /// If a value makes no sense; the message names the key.
    fn check(&self) -> anyhow::Result<()>;

    /// The sections that the engine reads, whatever is trained.
    fn shared(&self) -> Shared<'_>;

    /// Settles what only the whole recipe decides: augmentations of modalities that it names, and of `families` that
    /// other crates bring. A recipe without such chains has nothing to settle.
    ///
    /// # Errors
    ///
    /// If a chain's settings make no sense.
    fn resolve(&mut self, families: &Families) -> anyhow::Result<()> {
        let _ = families;
        Ok(())
    }
}

/// Families of augmentations that other crates bring, by the key that each has in a recipe.
#[derive(Default)]
pub struct Families {
    /// Of spectrograms.
    pub audio: FamilyRegistry<Spectrogram>,
    /// Of pictures.
    pub visual: FamilyRegistry<Image>,
}

/// The sections of a recipe that the engine reads, whatever is trained.
#[derive(Clone, Copy, Debug)]
pub struct Shared<'a> {
    /// The seed of every random stream.
    pub seed: u64,
    /// Where tensors live and how they are computed.
    pub compute: &'a Compute,
    /// AdamW, its schedule, clipping, and the EMA of the weights.
    pub optimizer: &'a Optimizer,
    /// How long the run is and what it keeps.
    pub run: &'a RunConfig,
    /// The weight of each term of the loss by its name; 1 for a term that is not named.
    pub weights: Option<&'a BTreeMap<String, f64>>,
    /// Whether the loss holds the similarities of all pairs of a batch in memory, and need not.
    pub pairwise: bool,
    /// Epochs between two evaluations.
    pub evaluate_every: u64,
    /// When a few held-out clips are measured between the evaluations.
    pub online: OnlineSchedule,
    /// The metric that the best epoch is chosen by, see [`Metrics::score`](crate::Metrics::score).
    pub best: &'a str,
}

impl Shared<'_> {
    /// Checks what no single key of these sections can know.
    ///
    /// # Errors
    ///
    /// If a value makes no sense; the message names the key.
    pub fn check(&self) -> anyhow::Result<()> {
        self.optimizer.check()?;
        self.run.check()?;
        positive("evaluation.every", self.evaluate_every as usize)
    }
}

impl Sections for Settings {
    const BUILT_IN: &'static [(&'static str, &'static str)] = &BUILT_IN;

    fn check(&self) -> anyhow::Result<()> {
        Settings::check(self)
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            seed: self.seed,
            compute: &self.compute,
            optimizer: &self.optimizer,
            run: &self.run,
            weights: Some(&self.objective.weights),
            pairwise: self.objective.loss_chunk_size.is_none(),
            evaluate_every: self.evaluation.every,
            online: self.evaluation.online(),
            best: &self.evaluation.best,
        }
    }

    fn resolve(&mut self, families: &Families) -> anyhow::Result<()> {
        modality::check(&self.modality)?;
        self.augment.resolve(&self.modality, families)
    }
}

impl Sections for Finetune {
    const BUILT_IN: &'static [(&'static str, &'static str)] = &BUILT_IN_FINETUNE;

    fn check(&self) -> anyhow::Result<()> {
        Finetune::check(self)
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            seed: self.seed,
            compute: &self.compute,
            optimizer: &self.optimizer,
            run: &self.run,
            weights: None,
            pairwise: false,
            evaluate_every: self.evaluation.every,
            online: OnlineSchedule::OFF,
            best: self.evaluation.choose_by.name(),
        }
    }
}
