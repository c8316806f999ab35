//! Silence and faint noise beside a batch, as sounds that no picture shows; no part of the paper (SSL-SaN does so).

use equiav_augment::random::{below, unit};
use equiav_augment::{Modality, Purpose, stream};
use equiav_data::Visit;
use equiav_frontend::{Analyzer, audio_input};
use equiav_models::{Branch, BranchInput};
use ndarray::{Array3, Axis};
use tch::{Kind, Tensor};

use crate::clips::{self, DeviceBatch, peak, white_noise};
use crate::engine::Named;
use crate::recipe::Settings;

/// The rows of their embeddings, `[b, out]`, and of whether a clip brought one, `[b, 1]`.
pub(super) const ROWS: [&str; 2] = ["quiet_audio", "quiet_counted"];

/// How many of these sounds are digital silence; the others are noise.
const SILENT: f64 = 0.25;
/// The peaks of noise in dB of full scale, of which each is as frequent.
const DECIBELS: [f64; 2] = [-80.0, -40.0];

/// Makes sounds of nothing for the clips of a batch.
#[derive(Debug)]
pub(super) struct QuietSounds {
    analyzer: Analyzer,
    seed: u64,
    chance: f64,
}

impl QuietSounds {
    /// Those of `recipe`, if it wants any.
    ///
    /// # Errors
    ///
    /// If there can be no such front end.
    pub(super) fn of(recipe: &Settings) -> anyhow::Result<Option<Self>> {
        let count = recipe.objective.silent_negatives;
        let make = || -> anyhow::Result<Self> {
            let chance = count as f64 / recipe.run.batch as f64;
            Ok(Self {
                analyzer: Analyzer::new(recipe.front_end.clone())?,
                seed: recipe.seed,
                chance,
            })
        };
        (count > 0).then(make).transpose()
    }

    /// The embeddings of the sounds that the clips of `batch` bring, as `embed` makes them of views, by their names.
    ///
    /// Whether a clip brings one, and which, is decided by the clip and its epoch alone: parts of a batch and ranks have the
    /// rows that the whole batch has.
    ///
    /// # Errors
    ///
    /// If sounds are not fed with their parameter vectors.
    pub(super) fn rows(
        &self,
        batch: &DeviceBatch,
        branch: &Branch,
        embed: impl FnOnce(&BranchInput) -> Tensor,
    ) -> anyhow::Result<Named> {
        let drawn: Vec<Option<Array3<f32>>> =
            batch.visits.iter().map(|visit| self.draw(visit)).collect::<anyhow::Result<_>>()?;
        let brought = (0..).zip(&drawn).filter(|(_, sound)| sound.is_some());
        let rows: Vec<i64> = brought.map(|(row, _)| row).collect();
        let inputs: Vec<_> = drawn.iter().flatten().map(|sound| sound.view()).collect();
        let (b, device) = (batch.len(), batch.inputs[&Modality::AUDIO].plain.values.device());
        let rows = Tensor::from_slice(&rows).to_device(device);
        let counted = Tensor::zeros([b, 1], (Kind::Float, device)).index_fill(0, &rows, 1.0);
        let mut all = Tensor::zeros([b, branch.outputs()], (Kind::Float, device));
        if !inputs.is_empty() {
            let plain = ndarray::stack(Axis(0), &inputs)?;
            let views = self.views(batch, clips::tensor(&plain, device), &rows)?;
            all = all.index_copy(0, &rows, &embed(&views).to_kind(Kind::Float));
        }
        Ok(ROWS.map(str::to_owned).into_iter().zip([all, counted]).collect())
    }

    /// The input of the sound that a clip brings, `[1, mels, frames]`.
    fn draw(&self, visit: &Visit) -> anyhow::Result<Option<Array3<f32>>> {
        let mut rng = stream(self.seed, visit.epoch, visit.clip as u64, Purpose::Quiet);
        if unit(&mut rng) >= self.chance {
            return Ok(None);
        }
        let [low, high] = DECIBELS;
        let peak = match unit(&mut rng) < SILENT {
            true => 0.0,
            false => peak(low + (high - low) * unit(&mut rng)),
        };
        let noise = below(1 << 32, &mut rng) as u32;
        let sound = white_noise(self.analyzer.front_end(), peak, noise);
        Ok(Some(audio_input(&self.analyzer.audio(&sound.samples, sound.rate)?.spectrogram)))
    }

    /// `plain` as the views of the clips at `rows`, whose vectors they have.
    fn views(
        &self,
        batch: &DeviceBatch,
        plain: Tensor,
        rows: &Tensor,
    ) -> anyhow::Result<BranchInput> {
        let own = batch.inputs[&Modality::AUDIO].to_branch()?;
        Ok(BranchInput {
            augmented: plain.shallow_clone(),
            plain,
            vectors: own.vectors.index_select(0, rows),
            centroid: own.centroid.index_select(0, rows),
            material: None,
        })
    }
}
