//! The augmentations of a recipe's modalities.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use equiav_augment::{AudioAugment, ChainError, Modality, VisualAugment};
use equiav_data::audio_visual;
use equiav_frontend::{InputAugment, InputKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use toml::Value;

use super::modality::{Modalities, inputs};
use super::{Families, suggest};

/// The augmentations of each modality.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Augment {
    /// On the spectrogram.
    pub audio: AudioAugment,
    /// On the frame.
    pub visual: VisualAugment,
    /// On what each further modality is made of, by its name.
    #[serde(flatten)]
    pub others: BTreeMap<Modality, OtherAugment>,
}

/// The augmentations of a modality whose kind stands in a table of its own.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum OtherAugment {
    /// As the recipe has them, before its modalities are known.
    Table(Value),
    /// Of the modality's kind.
    Known(InputAugment),
}

impl<'de> Deserialize<'de> for OtherAugment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::Table)
    }
}

impl Augment {
    /// What is made of a clip under the name of each modality, and how that is augmented.
    pub fn views(&self) -> BTreeMap<Modality, InputAugment> {
        let known = |(modality, other): (&Modality, &OtherAugment)| match other {
            OtherAugment::Known(augment) => Some((*modality, augment.clone())),
            OtherAugment::Table(_) => None,
        };
        let mut views = audio_visual(self.audio.clone(), self.visual.clone());
        views.extend(self.others.iter().filter_map(known));
        views
    }

    /// Refuses tables that are no family of augmentations.
    ///
    /// # Errors
    ///
    /// If there is one; the message names it and the nearest that is.
    pub fn check(&self) -> anyhow::Result<()> {
        for (modality, augment) in self.views() {
            let checked = match augment {
                InputAugment::Spectrogram(chain) => chain.check(),
                InputAugment::Image(chain) => chain.check(),
            };
            checked.map_err(refused(modality))?;
        }
        Ok(())
    }

    /// Turns tables of families that other crates bring into families, and those of further `modalities` into chains
    /// of their kind.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), of tables that no registry knows; if a family's settings make no sense; or if
    /// modalities and tables do not match.
    pub fn resolve(&mut self, modalities: &Modalities, families: &Families) -> anyhow::Result<()> {
        self.audio.resolve(&families.audio).map_err(refused(Modality::AUDIO))?;
        self.visual.resolve(&families.visual).map_err(refused(Modality::VISUAL))?;
        let kinds = inputs(modalities);
        for (modality, other) in &mut self.others {
            let Some(kind) = kinds.get(modality) else {
                return Err(unknown(*modality, &kinds));
            };
            if let OtherAugment::Table(table) = other {
                *other = OtherAugment::Known(known(*modality, *kind, table, families)?);
            }
        }
        let views = self.views();
        match kinds.keys().find(|modality| !views.contains_key(*modality)) {
            Some(lacking) => bail!("augment.{lacking} is missing: [modality.{lacking}] needs it"),
            None => Ok(()),
        }
    }
}

/// The augmentations in `table`, the section of `modality`, which is of that `kind`.
fn known(
    modality: Modality,
    kind: InputKind,
    table: &Value,
    families: &Families,
) -> anyhow::Result<InputAugment> {
    Ok(match kind {
        InputKind::Spectrogram => {
            let mut chain: AudioAugment = read(modality, table)?;
            chain.resolve(&families.audio).map_err(refused(modality))?;
            InputAugment::Spectrogram(chain)
        }
        InputKind::Image => {
            let mut chain: VisualAugment = read(modality, table)?;
            chain.resolve(&families.visual).map_err(refused(modality))?;
            InputAugment::Image(chain)
        }
    })
}

fn read<C: DeserializeOwned>(modality: Modality, table: &Value) -> anyhow::Result<C> {
    ensure!(table.is_table(), "augment.{modality}: expected a table");
    serde_path_to_error::deserialize(table.clone()).map_err(|error| {
        let path = format!("augment.{modality}.{}", error.path());
        suggest::explain(&path, &error.inner().to_string())
    })
}

/// Says of which modality a chain was refused, and names the nearest known key.
fn refused(modality: Modality) -> impl Fn(ChainError) -> anyhow::Error {
    move |error| suggest::explain(&format!("augment.{modality}.{}", error.key), &error.message)
}

/// The complaint about a section of a modality that the recipe does not have.
fn unknown(modality: Modality, kinds: &BTreeMap<Modality, InputKind>) -> anyhow::Error {
    let known: Vec<String> = kinds.keys().map(|known| format!("`{known}`")).collect();
    let message = format!("unknown field `{modality}`, expected one of {}", known.join(", "));
    suggest::explain(&format!("augment.{modality}"), &message)
}
