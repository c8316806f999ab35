//! `equiav export`.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_train::{LoadedModel, PretrainRecipe};

use crate::args::device::OnDevice;
use crate::output::progress::Progress;
use crate::output::remark;

/// Write a run's newest weights as `model.safetensors`, `config.json` and a card
///
/// The tensors carry the published parameter names and can be read by anything that reads safetensors.
#[derive(clap::Args)]
pub(crate) struct Export {
    /// The run folder
    run: PathBuf,

    /// The folder to write; an earlier export there is replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    #[command(flatten)]
    device: OnDevice,
}

impl Export {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = self.run.join("recipe.toml");
        if let Ok(PretrainRecipe::Method(recipe)) = PretrainRecipe::load(&recipe, &[])
            && let Some(epochs) = recipe.export_start(&self.run, &self.out)?
        {
            remark!("{}, encoders alone, {epochs} finished epochs", self.out.display());
            return Ok(ExitCode::SUCCESS);
        }
        let trained = LoadedModel::open_on(&self.run, self.device.choice(), &mut Progress::new())?;
        trained.export(&self.out)?;
        remark!("{}, {} finished epochs", self.out.display(), trained.epoch);
        Ok(ExitCode::SUCCESS)
    }
}
