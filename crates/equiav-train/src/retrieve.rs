//! Zero-shot retrieval: ranks the embeddings of each modality by the other's.

use std::sync::Arc;

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_data::Dataset;
use equiav_eval::{Answers, Retrieval, retrieval_of_embeddings};
use serde::{Deserialize, Serialize};

use crate::embedding::{Embedded, embed, embed_together};
use crate::network::Network;
use crate::processes::Processes;
use crate::settings::Settings;

/// The retrieval figures of one list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Retrieved {
    /// The list's name in the recipe.
    pub list: String,
    /// Clips that could be read.
    pub found: usize,
    /// Clips listed.
    pub listed: usize,
    /// Why each of the other clips could not be read.
    pub left_out: Vec<String>,
    /// A hash of the list, so that figures of different lists are not compared.
    pub digest: String,
    /// Which sound fits a picture.
    pub visual_to_audio: Retrieval,
    /// Which picture fits a sound.
    pub audio_to_visual: Retrieval,
}

/// Embeds the clips of `dataset` and measures how well each modality finds the other.
///
/// # Errors
///
/// If no clip can be read, or a file that was read once cannot be read again.
pub fn retrieve(
    list: &str,
    dataset: Arc<Dataset>,
    network: &Network,
    recipe: &Settings,
) -> anyhow::Result<Retrieved> {
    let embedded = embed(dataset.clone(), network, recipe)?;
    figures(list, &dataset, embedded, recipe)
}

/// As [`retrieve`], each of `processes` having embedded its share; every clip counts once.
///
/// # Errors
///
/// As [`retrieve`], or if a process does not take part within the limit.
pub(crate) fn retrieve_together(
    list: &str,
    dataset: Arc<Dataset>,
    network: &Network,
    recipe: &Settings,
    processes: &Processes,
) -> anyhow::Result<Retrieved> {
    let embedded = embed_together(dataset.clone(), network, recipe, processes)?;
    processes.led("retrieval", || figures(list, &dataset, embedded, recipe))
}

/// The figures of embeddings.
fn figures(
    list: &str,
    dataset: &Dataset,
    embedded: Embedded,
    recipe: &Settings,
) -> anyhow::Result<Retrieved> {
    ensure!(!embedded.clips.is_empty(), "no clip of `{list}` can be read");
    let (sound, picture) = answer_keys(dataset, &embedded.clips, recipe)?;
    let equal = |keys: &[u64]| Answers::of_equal_keys(keys, keys);
    let correct = Answers::same(sound.len()).or(equal(&sound)).or(equal(&picture));
    let (audio, visual) = (&embedded.rows[&Modality::Audio], &embedded.rows[&Modality::Visual]);
    let both = retrieval_of_embeddings(visual.view(), audio.view(), &correct)
        .with_context(|| format!("measuring `{list}`"))?;
    Ok(Retrieved {
        list: list.to_owned(),
        found: embedded.clips.len(),
        listed: dataset.len(),
        left_out: embedded.left_out.into_values().collect(),
        digest: dataset.clips().digest(),
        visual_to_audio: both.rows_to_columns,
        audio_to_visual: both.columns_to_rows,
    })
}

/// Keys by which clips share a sound or a picture: of the bytes, or all different when duplicates do
/// not count as correct.
fn answer_keys(
    dataset: &Dataset,
    rows: &[usize],
    recipe: &Settings,
) -> anyhow::Result<(Vec<u64>, Vec<u64>)> {
    if !recipe.evaluation.duplicates_correct {
        let each: Vec<u64> = (0..rows.len() as u64).collect();
        return Ok((each.clone(), each));
    }
    let keys = |modality| {
        let key = |clip: &usize| Ok(dataset.content_key(*clip, modality)?);
        rows.iter().map(key).collect::<anyhow::Result<Vec<u64>>>()
    };
    Ok((keys(Modality::Audio)?, keys(Modality::Visual)?))
}
