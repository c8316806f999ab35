//! A trained model, opened for use: a run with its newest whole checkpoint, or an exported model.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use equiav_data::Clips;
use equiav_models::{read_export, restore};

use crate::checkpoint;
use crate::exported;
use crate::folder;
use crate::identity::Identity;
use crate::import;
use crate::learner;
use crate::network::Network;
use crate::recipe::Recipe;
use crate::retrieve::{self, Retrieved};
use crate::setup;
use crate::watch::{Event, Watch};

/// What describes an exported model.
const EXPORTED: &str = "config.json";

/// What a run folder or an exported model holds.
#[derive(Debug)]
pub struct Trained {
    /// The recipe that the run was made with; of an exported model, without the lists that it names.
    pub recipe: Recipe,
    /// The network with the checkpoint's weights.
    pub network: Network,
    /// The checkpoint, or the folder of the exported model.
    pub checkpoint: PathBuf,
    /// Finished epochs at the checkpoint.
    pub epoch: u64,
}

impl Trained {
    /// Opens the run, or the exported model, at `path`.
    ///
    /// # Errors
    ///
    /// If there is neither, a run has no whole checkpoint yet, an export is too old to be used, or
    /// the device is not to be had.
    pub fn open(path: &Path, watch: &mut dyn Watch) -> anyhow::Result<Self> {
        if path.join(EXPORTED).is_file() && !path.join(folder::RECIPE).exists() {
            return Self::open_export(path);
        }
        let file = path.join(folder::RECIPE);
        let text = std::fs::read_to_string(&file).with_context(|| {
            let (path, recipe) = (path.display(), folder::RECIPE);
            format!("{path} is no run folder and no exported model: no {recipe}, no {EXPORTED}")
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

    fn open_export(path: &Path) -> anyhow::Result<Self> {
        let exported = read_export(path)?;
        let (recipe, epoch) = exported::recipe(&exported.config)
            .with_context(|| format!("in {}", path.join(EXPORTED).display()))?;
        let network = Network::new(&recipe, setup::device(&recipe)?)?;
        restore(&network.store, &exported.weights)
            .with_context(|| format!("exported model {}", path.display()))?;
        Ok(Self { recipe, network, checkpoint: path.to_owned(), epoch })
    }

    /// Which model this is: the same for a run and for what was exported from it.
    pub fn identity(&self) -> Identity {
        Identity::of(&self.network, &self.recipe, self.epoch)
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
        import::write(&self.network, recipe, *epoch, &body, out)
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
    /// If there is none, as in exported models that were trained on somebody's own lists, or if a
    /// list cannot be had or none of its clips can be read.
    pub fn retrieve_all(&self, watch: &mut dyn Watch) -> anyhow::Result<Vec<Retrieved>> {
        let corpus = self.recipe.data.source.prepare(watch)?;
        corpus.evaluate.into_iter().map(|(name, list)| self.retrieve(&name, list)).collect()
    }
}
