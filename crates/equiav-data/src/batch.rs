//! Examples side by side: the arrays that go to a model.

use std::collections::BTreeMap;

use equiav_augment::Modality;
use ndarray::{Array2, Array3, Array4, ArrayView2, Axis, stack};

use crate::stage::{self, Stage};
use crate::{ClipError, Example, ExamplePart, PlainExample};

/// A batch in training.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The positions in the manifest of the clips that are in it, replacements included.
    pub clips: Vec<usize>,
    /// The views, per modality.
    pub parts: BTreeMap<Modality, Part>,
    /// The clips met here for the first time since the data set was made that could not be read; to
    /// be logged.
    pub replaced: Vec<Replaced>,
    /// How many clips of this batch stand in the place of an unreadable one.
    pub substituted: usize,
}

/// A clip that could not be read.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// Its position in the manifest.
    pub clip: usize,
    /// The position of the clip that took its place.
    pub by: usize,
    /// Why it could not be read; names the clip and the file.
    pub reason: ClipError,
}

/// One modality of a batch in training.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The plain views: `[b, 1, mels, frames]` or `[b, 3, height, width]`.
    pub plain: Array4<f32>,
    /// The augmented views, of the same shape.
    pub augmented: Array4<f32>,
    /// The parameter vectors of the augmented views: `[b, P]`.
    pub vectors: Array2<f32>,
    /// The parameter vectors of the centroids: `[b, S, P]`.
    pub centroid: Array3<f32>,
    /// How many columns of each plain view hold material, see [`ExamplePart::valid`].
    pub valid: Vec<usize>,
}

/// A batch in evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainBatch {
    /// The positions in the manifest of the clips that are in it; unreadable ones are not.
    pub clips: Vec<usize>,
    /// The plain views, shaped as in [`Part`].
    pub parts: BTreeMap<Modality, Array4<f32>>,
    /// How many frames of each spectrogram hold sound, see [`PlainExample::valid`].
    pub valid: Vec<usize>,
}

/// Puts `examples`, at least one, side by side.
pub(crate) fn batch(examples: &[Example]) -> Batch {
    let part = |modality: &Modality| {
        let parts: Vec<&ExamplePart> =
            examples.iter().map(|example| &example.parts[modality]).collect();
        (*modality, join(&parts))
    };
    let parts = stage::at(Stage::Assemble, || examples[0].parts.keys().map(part).collect());
    Batch {
        clips: examples.iter().map(|example| example.clip).collect(),
        parts,
        replaced: Vec::new(),
        substituted: 0,
    }
}

/// Puts plain `examples`, at least one, side by side.
pub(crate) fn plain_batch(examples: &[PlainExample]) -> PlainBatch {
    let part = |modality: &Modality| {
        (*modality, views(examples.iter().map(|example| &example.parts[modality])))
    };
    PlainBatch {
        clips: examples.iter().map(|example| example.clip).collect(),
        parts: examples[0].parts.keys().map(part).collect(),
        valid: examples.iter().map(|example| example.valid).collect(),
    }
}

fn join(parts: &[&ExamplePart]) -> Part {
    let vectors: Vec<_> = parts.iter().map(|part| part.vector.as_slice().into()).collect();
    let centroid: Vec<ArrayView2<f32>> = parts.iter().map(|part| part.centroid.view()).collect();
    let same = "all examples of a data set have one shape";
    Part {
        plain: views(parts.iter().map(|part| &part.plain)),
        augmented: views(parts.iter().map(|part| &part.augmented)),
        vectors: stack(Axis(0), &vectors).expect(same),
        centroid: stack(Axis(0), &centroid).expect(same),
        valid: parts.iter().map(|part| part.valid).collect(),
    }
}

/// The examples, each copied once into memory that is not cleared first.
fn views<'a>(examples: impl ExactSizeIterator<Item = &'a Array3<f32>>) -> Array4<f32> {
    let same = "all examples of a data set have one shape";
    let (count, mut shape, mut values) = (examples.len(), (0, 0, 0), Vec::new());
    for example in examples {
        shape = example.dim();
        values.reserve_exact((count * example.len()).saturating_sub(values.len()));
        values.extend_from_slice(example.as_slice().expect("views are stored row by row"));
    }
    Array4::from_shape_vec((count, shape.0, shape.1, shape.2), values).expect(same)
}
