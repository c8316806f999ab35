//! Foreign weights to a model folder, and the folder's description of what a user must know.

use std::path::Path;

use equiav_models::{
    ImportReport, ModelConfig, export, import_start, import_weights, model_card, read_weights,
};
use tch::Device;

use crate::model::Network;
use crate::model::exported;
use crate::recipe::Settings;

/// What a weight file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportKind {
    /// A whole EquiAV model.
    Whole,
    /// One vision transformer, from which both encoders start.
    Start,
}

/// Reads `weights` into the model of `recipe` and writes it as the folder `out`.
///
/// # Errors
///
/// If the file cannot be read or does not cover the encoders; the message holds the table.
pub fn import(
    weights: &Path,
    kind: ImportKind,
    recipe: &Settings,
    out: &Path,
) -> anyhow::Result<ImportReport> {
    let network = Network::new(recipe, Device::Cpu)?;
    let read = read_weights(weights)?;
    let report = match kind {
        ImportKind::Whole => import_weights(&network.store, &read)?,
        ImportKind::Start => import_start(&network.store, &read)?,
    };
    let origin = weights.file_name().unwrap_or_default().to_string_lossy();
    write(&network, recipe, 0, &format!("Imported from `{origin}`."), out)?;
    Ok(report)
}

/// Writes `network` after `epoch` epochs as the folder `out`, with `body` in its card.
///
/// # Errors
///
/// If the folder cannot be written or is something else than an earlier export.
pub(crate) fn write(
    network: &Network,
    recipe: &Settings,
    epoch: u64,
    body: &str,
    out: &Path,
) -> anyhow::Result<()> {
    let branches = recipe.branches().into_iter();
    let mut config =
        ModelConfig::new(branches.map(|(key, value)| (key.to_string(), value)).collect());
    config.extra = exported::extra(recipe, epoch)?;
    let card = model_card(&config, body);
    export(out, &network.store, &config, &card)
}
