//! A finished or interrupted run, opened for use: its recipe and the newest whole checkpoint's weights.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use equiav_data::Clips;

use crate::checkpoint;
use crate::folder;
use crate::import;
use crate::learner;
use crate::network::Network;
use crate::recipe::Recipe;
use crate::retrieve::{self, Retrieved};
use crate::setup;
use crate::watch::{Event, Watch};

/// What a run folder holds.
#[derive(Debug)]
pub struct Trained {
    /// The recipe that the run was made with.
    pub recipe: Recipe,
    /// The network with the checkpoint's weights.
    pub network: Network,
    /// The checkpoint.
    pub checkpoint: PathBuf,
    /// Finished epochs at the checkpoint.
    pub epoch: u64,
}

impl Trained {
    /// Opens the run at `path`.
    ///
    /// # Errors
    ///
    /// If there is no run with a whole checkpoint, or its device is not to be had.
    pub fn open(path: &Path, watch: &mut dyn Watch) -> anyhow::Result<Self> {
        let file = path.join(folder::RECIPE);
        let text = std::fs::read_to_string(&file).with_context(|| {
            format!("{} is no run folder: no {}", path.display(), folder::RECIPE)
        })?;
        let recipe =
            Recipe::parse(&text, &[]).with_context(|| format!("in recipe {}", file.display()))?;
        let network = Network::new(&recipe, setup::device(&recipe)?)?;
        let mut warn = |message| watch.note(&Event::Warning(message));
        let newest = checkpoint::latest(&path.join(folder::CHECKPOINTS), &mut warn)?;
        let Some((checkpoint, state)) = newest else {
            let path = path.display();
            bail!("{path} has no checkpoint yet: let `equiav pretrain` save one");
        };
        learner::load_for_use(&checkpoint, &network)?;
        Ok(Self { recipe, network, checkpoint, epoch: state.epoch })
    }

    /// Writes the weights as a folder with `model.safetensors`, `config.json` and a card.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written or is something else than an earlier export.
    pub fn export(&self, out: &Path) -> anyhow::Result<()> {
        let Self { recipe, epoch, .. } = self;
        let body =
            format!("From the recipe `{}`, {epoch} epochs, seed {}.", recipe.name, recipe.seed);
        import::write(&self.network, recipe, &body, out)
    }

    /// Measures retrieval on `clips`, called `name` in the figures.
    ///
    /// # Errors
    ///
    /// If no clip can be read.
    pub fn retrieve(&self, name: &str, clips: Clips) -> anyhow::Result<Retrieved> {
        let dataset = setup::dataset(&self.recipe, clips)?;
        retrieve::retrieve(name, dataset, &self.network, &self.recipe)
    }

    /// Measures retrieval on every list that the recipe names.
    ///
    /// # Errors
    ///
    /// If a list cannot be had or none of its clips can be read.
    pub fn retrieve_all(&self, watch: &mut dyn Watch) -> anyhow::Result<Vec<Retrieved>> {
        let corpus = self.recipe.data.source.prepare(watch)?;
        corpus.evaluate.into_iter().map(|(name, list)| self.retrieve(&name, list)).collect()
    }
}
