//! Labeled clips as they are, in order, with one frame or with all of them; what cannot be read is
//! skipped and listed.

use std::collections::BTreeMap;
use std::sync::Arc;

use equiav_augment::Modality;
use equiav_frontend::InputKind;
use ndarray::{Array3, Array4};
use serde::{Deserialize, Serialize};

use super::{Labeled, side_by_side};
use crate::error::{ClipError, DataError};
use crate::io::prefetch::Prefetch;
use crate::loader::LoaderOptions;

/// Which frames of a clip are seen in evaluation.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Frames {
    /// The middle one.
    Middle,
    /// Every one.
    All,
}

/// A batch of labeled clips in evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct FramedBatch {
    /// The positions in the data set of the clips that are in it; unreadable ones are not.
    pub clips: Vec<usize>,
    /// The views: `[b, 1, mels, frames]`, and `[n, 3, height, width]` with all frames of the first
    /// clip, then those of the second, and so on.
    pub parts: BTreeMap<Modality, Array4<f32>>,
    /// How many frames of each clip there are; 1 where no picture is seen.
    pub frames: Vec<usize>,
    /// How many frames of each spectrogram hold sound, from the start, the others being padding.
    pub valid: BTreeMap<Modality, Vec<usize>>,
}

/// One clip with its frames.
struct Framed {
    clip: usize,
    valid: BTreeMap<Modality, usize>,
    parts: BTreeMap<Modality, Vec<Array3<f32>>>,
    frames: usize,
}

/// An iterator over batches of labeled clips; nothing is ever put in the place of an unreadable clip.
///
/// All batches but the last are full. After an error it ends.
pub struct LabeledEvaluation {
    labeled: Arc<Labeled>,
    clips: Arc<Vec<usize>>,
    examples: Prefetch<Result<Framed, ClipError>>,
    batch: usize,
    position: usize,
    ended: bool,
    skipped: Vec<ClipError>,
}

impl LabeledEvaluation {
    /// Starts on `clips`, in their order, in batches of `batch` clips with those of their frames.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    ///
    /// # Panics
    ///
    /// If `batch` is 0, or `clips` names a clip that does not exist.
    #[track_caller]
    pub fn new(
        labeled: Arc<Labeled>,
        clips: Vec<usize>,
        frames: Frames,
        batch: usize,
        options: LoaderOptions,
    ) -> Result<Self, DataError> {
        assert!(batch > 0, "LabeledEvaluation::new: a batch needs a clip");
        let known = |clip: &usize| *clip < labeled.dataset().len();
        assert!(clips.iter().all(known), "LabeledEvaluation::new: no such clip");
        let (source, clips) = (Arc::clone(&labeled), Arc::new(clips));
        let order = Arc::clone(&clips);
        let read = move |position: usize| framed(&source, order[position], frames);
        let examples = Prefetch::new(clips.len(), options.effort(batch), read)
            .map_err(|error| DataError::io("starting a loader thread".as_ref(), error))?;
        let (position, ended, skipped) = (0, false, Vec::new());
        Ok(Self { labeled, clips, examples, batch, position, ended, skipped })
    }

    /// The clips skipped so far, because they cannot be read.
    pub fn skipped(&self) -> &[ClipError] {
        &self.skipped
    }

    /// The next clip that can be read.
    fn example(&mut self) -> Result<Option<Framed>, DataError> {
        for result in self.examples.by_ref() {
            let clip = self.clips[self.position];
            self.position += 1;
            let dataset = self.labeled.dataset();
            match result.map_err(|message| dataset.panicked(clip, message))? {
                Ok(example) => return Ok(Some(example)),
                Err(error) => match dataset.folder_gone(&error) {
                    Some(gone) => return Err(gone),
                    None => self.skipped.push(error),
                },
            }
        }
        Ok(None)
    }

    /// The next clips that can be read, as many as a batch has.
    fn examples(&mut self) -> Result<Vec<Framed>, DataError> {
        let mut examples = Vec::with_capacity(self.batch);
        while examples.len() < self.batch {
            match self.example()? {
                Some(example) => examples.push(example),
                None => break,
            }
        }
        Ok(examples)
    }
}

/// `clip` with `frames` of it.
fn framed(labeled: &Labeled, clip: usize, frames: Frames) -> Result<Framed, ClipError> {
    let clips = labeled.dataset().clips();
    let numbers = match frames {
        Frames::Middle => clips.middle_frame(clip)..clips.middle_frame(clip) + 1,
        Frames::All => 0..clips.frames(clip),
    };
    let modalities = &labeled.config.modalities;
    let kind = |modality: &Modality| labeled.dataset().kind(*modality);
    let seen = modalities.iter().any(|modality| kind(modality) == InputKind::Image);
    let mut valid = BTreeMap::new();
    let part = |modality: &Modality| {
        let views = match kind(modality) {
            InputKind::Spectrogram => {
                let (sound, heard) = labeled.plain_sound(clip)?;
                valid.insert(*modality, heard);
                vec![sound]
            }
            InputKind::Image => {
                let picture = |frame| labeled.plain_picture(clip, frame);
                numbers.clone().map(picture).collect::<Result<_, _>>()?
            }
        };
        Ok((*modality, views))
    };
    let parts = modalities.iter().map(part).collect::<Result<_, ClipError>>()?;
    Ok(Framed { clip, valid, parts, frames: if seen { numbers.len() } else { 1 } })
}

/// Puts `examples`, at least one, side by side.
fn batch(examples: &[Framed]) -> FramedBatch {
    let part = |modality: &Modality| {
        let views: Vec<&Array3<f32>> =
            examples.iter().flat_map(|example| &example.parts[modality]).collect();
        (*modality, side_by_side(views.into_iter()))
    };
    let valid = |modality: &Modality| {
        (*modality, examples.iter().map(|example| example.valid[modality]).collect())
    };
    FramedBatch {
        clips: examples.iter().map(|example| example.clip).collect(),
        parts: examples[0].parts.keys().map(part).collect(),
        frames: examples.iter().map(|example| example.frames).collect(),
        valid: examples[0].valid.keys().map(valid).collect(),
    }
}

impl std::fmt::Debug for LabeledEvaluation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("LabeledEvaluation");
        out.field("position", &self.position).field("skipped", &self.skipped);
        out.finish_non_exhaustive()
    }
}

impl Iterator for LabeledEvaluation {
    type Item = Result<FramedBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.examples() {
            Ok(examples) => (!examples.is_empty()).then(|| Ok(batch(&examples))),
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}
