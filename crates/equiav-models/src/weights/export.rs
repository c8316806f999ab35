//! A model as a folder that others can read: `model.safetensors`, `config.json` and `README.md`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use tch::nn;

use crate::config::ModelConfig;
use crate::weights::import::named_variables;
use crate::weights::safetensor::to_safetensors;
use crate::weights::{Weights, read_weights};

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";
const CARD: &str = "README.md";

/// What a folder written by [`export`] holds.
#[derive(Debug)]
pub struct Exported {
    /// The shape of the model.
    pub config: ModelConfig,
    /// Its parameters.
    pub weights: Weights,
}

/// Writes the variables of `store`, `config` and the text of a card as the folder `folder`.
///
/// The folder appears as a whole: it is written and synced under another name beside its place, then
/// renamed. An earlier export at that place is replaced; anything else there is left alone.
///
/// # Errors
///
/// If a file cannot be written, `folder` is something other than an earlier export, or two variables
/// of `store` share a name.
pub fn export(
    folder: &Path,
    store: &nn::VarStore,
    config: &ModelConfig,
    card: &str,
) -> anyhow::Result<()> {
    write_folder(folder, store, config, card)
        .with_context(|| format!("writing the model folder {}", folder.display()))
}

/// Reads a folder written by [`export`].
///
/// # Errors
///
/// If a file of it is absent or damaged.
pub fn read_export(folder: &Path) -> anyhow::Result<Exported> {
    let path = folder.join(CONFIG);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let config = serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    Ok(Exported { config, weights: read_weights(folder)? })
}

/// A card in Hugging Face's layout: what the weights are, how to read them, and then `body`.
pub fn model_card(config: &ModelConfig, body: &str) -> String {
    let mut card = String::from(
        "---\nlibrary_name: equiav\ntags:\n- audio-visual\n- contrastive\n- equivariance\n---\n\n\
         # EquiAV weights\n\n\
         Audio-visual encoders trained with equivariance to augmentation (arXiv 2403.09502).\n\n\
         | branch | suffix | input | width | depth | heads | patch | parameter vector |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (name, branch) in &config.branches {
        let (input, encoder) = (&branch.input, &branch.encoder);
        // Writing to a string does not fail.
        let _ = writeln!(
            card,
            "| {name} | `{}` | {} x {} | {} | {} | {} | {} | {} |",
            branch.suffix,
            input.height,
            input.width,
            encoder.width,
            encoder.depth,
            encoder.heads,
            encoder.patch,
            branch.vector
        );
    }
    card.push_str(
        "\nThe names are those of the published implementation:\n\n```python\n\
         from safetensors.torch import load_file\n\
         state_dict = load_file(\"model.safetensors\")\n```\n",
    );
    if !body.is_empty() {
        let _ = writeln!(card, "\n{}", body.trim_end());
    }
    card
}

fn write_folder(
    folder: &Path,
    store: &nn::VarStore,
    config: &ModelConfig,
    card: &str,
) -> anyhow::Result<()> {
    let earlier = folder.exists();
    ensure!(
        !earlier || folder.join(CONFIG).is_file(),
        "something other than a model is there: name another folder, or remove it"
    );
    let Some(name) = folder.file_name() else { bail!("the folder has no name") };
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    let stage = tempfile::Builder::new().prefix(name).suffix(".partial").tempdir_in(parent)?;
    let fresh = stage.path().join("fresh");
    fs::create_dir(&fresh)?;
    write_file(&fresh.join(WEIGHTS), &to_safetensors(&named_variables(store)?)?)?;
    write_file(&fresh.join(CONFIG), serde_json::to_string_pretty(config)?.as_bytes())?;
    write_file(&fresh.join(CARD), card.as_bytes())?;
    sync_folder(&fresh)?;
    let aside = stage.path().join("earlier");
    if earlier {
        fs::rename(folder, &aside)?;
    }
    if let Err(error) = fs::rename(&fresh, folder) {
        if earlier {
            fs::rename(&aside, folder).context("putting the earlier model back")?;
        }
        return Err(error.into());
    }
    sync_folder(parent)
}

fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

fn sync_folder(folder: &Path) -> anyhow::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
