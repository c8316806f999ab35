//! A trained model, opened for use: a run with its newest whole checkpoint, or an exported model.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use equiav_data::JpegDecoder;
use equiav_models::{read_export, restore};
use tch::Device;

use crate::callback::{Callback, Event};
use crate::distributed::DeviceChoice;
use crate::model::Fingerprint;
use crate::model::Network;
use crate::model::exported;
use crate::model::import;
use crate::recipe::DeviceName;
use crate::recipe::{Checked, MethodSettings, Recipe, method_name};
use crate::run_dir::checkpoint;
use crate::run_dir::environment;
use crate::run_dir::lock;

/// The recipe by which a run embeds whose recipe is `text`: of EquiAV itself, of another method that of its towers.
fn recipe_of(text: &str, run: &Path) -> anyhow::Result<Recipe> {
    let Some(method) = method_name(text) else { return Recipe::parse(text, &[]) };
    let recipe = Checked::<MethodSettings<toml::Table>>::parse(text, &[])?;
    let embedding = recipe.embedding().with_context(|| {
        let run = run.display();
        format!("the method `{method}` embeds nothing (help: model.start={run} in a recipe)")
    })?;
    Recipe::from_settings(embedding)
}

/// What describes an exported model.
const EXPORTED: &str = "config.json";

/// What a run folder or an exported model holds.
#[derive(Debug)]
pub struct LoadedModel {
    /// The recipe that the run was made with; of an exported model, without the lists that it names.
    pub recipe: Recipe,
    /// The network with the checkpoint's weights.
    pub network: Network,
    /// The checkpoint, or the folder of the exported model.
    pub checkpoint: PathBuf,
    /// Finished epochs at the checkpoint.
    pub epoch: u64,
}

impl LoadedModel {
    /// Opens the run, or the exported model, at `path` on a GPU where there is one, else on the processor.
    ///
    /// # Errors
    ///
    /// If there is neither, a run has no whole checkpoint yet, or an export is too old to be used.
    pub fn open(path: &Path, callback: &mut dyn Callback) -> anyhow::Result<Self> {
        Self::open_on(path, DeviceChoice::Auto, callback)
    }

    /// As [`open`](Self::open), where `device` says; where it was trained does not matter, and what its
    /// training started from is not read.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), or if there is no GPU where one is asked for.
    pub fn open_on(
        path: &Path,
        device: DeviceChoice,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<Self> {
        if path.join(EXPORTED).is_file() && !path.join(lock::RECIPE).exists() {
            return Self::open_export(path, device);
        }
        let file = path.join(lock::RECIPE);
        let text = std::fs::read_to_string(&file).with_context(|| {
            let (path, recipe) = (path.display(), lock::RECIPE);
            format!("{path} is no run folder and no exported model: no {recipe}, no {EXPORTED}")
        })?;
        let recipe =
            recipe_of(&text, path).with_context(|| format!("in recipe {}", file.display()))?;
        let network = Network::new(&recipe, device.open(&recipe.compute)?)?;
        let mut warn = |message| callback.on_event(&Event::Warning(message));
        let on_processor = device == DeviceChoice::Auto && network.store.device() == Device::Cpu;
        if on_processor && recipe.compute.device == DeviceName::Cuda {
            warn("trained on a GPU; none can be used here, so the processor computes".to_owned());
        }
        if let Some(begun) = environment::other_decoder(path) {
            let own = JpegDecoder::BUILT;
            warn(format!(
                "trained on jpgs that {begun} decoded, here {own:?} does: figures may differ"
            ));
        }
        let newest = checkpoint::latest(&path.join(lock::CHECKPOINTS), &mut warn)?;
        let Some((checkpoint, state)) = newest else {
            let path = path.display();
            bail!("{path} has no checkpoint yet: let `equiav pretrain` save one");
        };
        checkpoint::load_for_use(&checkpoint, &network.store)?;
        Ok(Self { recipe, network, checkpoint, epoch: state.epoch })
    }

    fn open_export(path: &Path, device: DeviceChoice) -> anyhow::Result<Self> {
        let exported = read_export(path)?;
        let (recipe, epoch) = exported::recipe(&exported.config)
            .with_context(|| format!("in {}", path.join(EXPORTED).display()))?;
        let network = Network::new(&recipe, device.open(&recipe.compute)?)?;
        restore(&network.store, &exported.weights)
            .with_context(|| format!("exported model {}", path.display()))?;
        Ok(Self { recipe, network, checkpoint: path.to_owned(), epoch })
    }

    /// Which model this is: the same for a run and for what was exported from it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.network, &self.recipe, self.epoch)
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
}
