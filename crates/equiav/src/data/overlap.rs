//! `equiav data overlap`: whether a list that is measured has clips of the one that was trained on.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use equiav_data::{Clips, Overlap};
use equiav_train::eval::gallery::nearest_clips;
use equiav_train::{LoadedModel, dataset};
use serde_json::json;

use crate::args::device::OnDevice;
use crate::output::progress::Progress;
use crate::output::{errln, outln};

/// Tell which clips of one list stand in another too
///
/// By id, and by the bytes of the sound and of the middle frame. With --model also by meaning: clips whose embedding
/// of sound and picture together has a neighbor in the other list above a similarity, such as one recording in two
/// encodings. Exit status 1 where there are any. What files have in common is kept in the cache folder: every figure of
/// the list tells it from then on, however many there are.
#[derive(clap::Args)]
pub(crate) struct OverlapCommand {
    /// The list that is measured: a manifest, a folder of shards, or a pattern
    list: String,

    /// The list that was trained on
    other: String,

    /// Compare embeddings of this run or exported model as well
    #[arg(long, value_name = "RUN")]
    model: Option<PathBuf>,

    /// The cosine from which on two clips count as one
    #[arg(long, value_name = "COSINE", default_value_t = 0.99, requires = "model")]
    similarity: f32,

    /// Print the ids of the shared clips, one a line
    #[arg(long, conflicts_with = "json")]
    ids: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: OnDevice,
}

impl OverlapCommand {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        ensure!(
            (-1.0..=1.0).contains(&self.similarity),
            "--similarity {}: expected -1 to 1",
            self.similarity
        );
        let (list, other) = (Clips::open(&self.list)?, Clips::open(&self.other)?);
        let overlap = Overlap::kept(&list, &other, u64::MAX);
        let overlap = overlap.unwrap_or_else(|| Overlap::of(&list, &other));
        let similar = self.similar(&list, &other)?;
        let mut all = overlap.any();
        all.extend(similar.iter().flatten());
        all.sort_unstable();
        all.dedup();
        for (id, reason) in &overlap.unreadable {
            errln!("warning: not compared: clip `{id}`: {reason}");
        }
        let ids = |clips: &[usize]| -> Vec<String> {
            clips.iter().map(|clip| list.id(*clip).to_owned()).collect()
        };
        if self.json {
            let value = json!({
                "list": {"clips": list.len(), "digest": list.digest()},
                "other": {"clips": other.len(), "digest": other.digest()},
                "shared": ids(&all),
                "by_id": overlap.by_id.len(),
                "by_sound": overlap.by_sound.len(),
                "by_picture": overlap.by_picture.len(),
                "by_similarity": similar.as_ref().map(Vec::len),
                "unreadable": overlap.unreadable.len(),
            });
            outln!("{value}")?;
        } else if self.ids {
            for id in ids(&all) {
                outln!("{id}")?;
            }
        } else {
            let row = |how: &str, clips: usize| {
                let share = 100.0 * clips as f64 / list.len() as f64;
                outln!("  {how:<24} {clips:>8}  {share:>5.1} %")
            };
            outln!(
                "{} clips, list {}, against {} clips, list {}",
                list.len(),
                list.digest(),
                other.len(),
                other.digest()
            )?;
            row("the same id", overlap.by_id.len())?;
            row("the same sound", overlap.by_sound.len())?;
            row("the same picture", overlap.by_picture.len())?;
            if let Some(similar) = &similar {
                row(&format!("cosine from {}", self.similarity), similar.len())?;
            }
            row("any of these", all.len())?;
        }
        Ok(if all.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The clips of `list` that resemble one of `other`, where a model is named.
    fn similar(&self, list: &Clips, other: &Clips) -> anyhow::Result<Option<Vec<usize>>> {
        let Some(model) = &self.model else { return Ok(None) };
        let model = LoadedModel::open_on(model, self.device.choice(), &mut Progress::new())?;
        let [list, other] = [list, other].map(|clips| dataset(&model.recipe, clips.clone()));
        let nearest = nearest_clips(&model, list?, other?).context("comparing embeddings")?;
        let near = nearest.into_iter().filter(|(_, cosine)| *cosine >= self.similarity);
        Ok(Some(near.map(|(clip, _)| clip).collect()))
    }
}
