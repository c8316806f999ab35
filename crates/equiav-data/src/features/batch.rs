//! Examples side by side: the arrays that go to a model.

use std::collections::BTreeMap;
use std::ops::Range;

use equiav_augment::Modality;
use ndarray::{Array, Array2, Array3, Array4, Axis, Dimension};

use crate::error::ClipError;
use crate::features::example::PlainExample;
use crate::features::example::Row;

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

impl Batch {
    /// The clips at `rows`, as a batch of their own.
    ///
    /// # Panics
    ///
    /// If there are no such rows.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        let part = |(modality, part): (&Modality, &Part)| (*modality, part.rows_at(rows.clone()));
        Self {
            clips: self.clips[rows.clone()].to_vec(),
            parts: self.parts.iter().map(part).collect(),
            replaced: self.replaced.clone(),
            substituted: self.substituted,
        }
    }
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
    /// How many columns of each plain view hold material, see [`ExamplePart::valid`](crate::ExamplePart::valid).
    pub valid: Vec<usize>,
    /// Which columns of the views hold material.
    pub material: Material,
}

/// Which columns of views hold material, `[b, width]`; the others hold padding alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Material {
    /// Of the plain views.
    pub plain: Array2<bool>,
    /// Of the augmented views: where rolls, crops and flips have moved it.
    pub augmented: Array2<bool>,
}

/// A batch in evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainBatch {
    /// The positions in the manifest of the clips that are in it; unreadable ones are not.
    pub clips: Vec<usize>,
    /// The plain views, shaped as in [`Part`].
    pub parts: BTreeMap<Modality, Array4<f32>>,
    /// How many columns of each plain view hold material, of those modalities that may be padded, see
    /// [`PlainExample::valid`].
    pub valid: BTreeMap<Modality, Vec<usize>>,
}

/// The sizes of one modality of an example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PartShape {
    /// Channels, height and width of a view.
    pub(crate) view: (usize, usize, usize),
    /// Numbers of a parameter vector.
    pub(crate) vector: usize,
    /// Vectors of a centroid.
    pub(crate) centroid: usize,
}

/// The sizes of an example.
pub(crate) type Shapes = BTreeMap<Modality, PartShape>;

impl Part {
    /// The sizes of its examples.
    pub(crate) fn shape(&self) -> PartShape {
        let (_, channels, height, width) = self.plain.dim();
        let (_, centroid, vector) = self.centroid.dim();
        PartShape { view: (channels, height, width), vector, centroid }
    }

    /// Zeros to be written over, for `count` examples of that shape.
    fn blank(count: usize, shape: PartShape) -> Self {
        let PartShape { view: (channels, height, width), vector, centroid } = shape;
        Self {
            plain: Array4::zeros((count, channels, height, width)),
            augmented: Array4::zeros((count, channels, height, width)),
            vectors: Array2::zeros((count, vector)),
            centroid: Array3::zeros((count, centroid, vector)),
            valid: vec![0; count],
            material: Material {
                plain: Array2::from_elem((count, width), true),
                augmented: Array2::from_elem((count, width), true),
            },
        }
    }

    fn rows_at(&self, rows: Range<usize>) -> Self {
        let at = rows.clone();
        Self {
            plain: self.plain.slice_axis(Axis(0), at.clone().into()).to_owned(),
            augmented: self.augmented.slice_axis(Axis(0), at.clone().into()).to_owned(),
            vectors: self.vectors.slice_axis(Axis(0), at.clone().into()).to_owned(),
            centroid: self.centroid.slice_axis(Axis(0), at.into()).to_owned(),
            valid: self.valid[rows.clone()].to_vec(),
            material: Material {
                plain: self.material.plain.slice_axis(Axis(0), rows.clone().into()).to_owned(),
                augmented: self.material.augmented.slice_axis(Axis(0), rows.into()).to_owned(),
            },
        }
    }

    /// Where each example is written.
    fn rows(&mut self) -> impl Iterator<Item = Row<'_>> {
        let count = self.valid.len();
        let vectors = rows(&mut self.vectors, count).zip(rows(&mut self.centroid, count));
        let views = rows(&mut self.plain, count).zip(rows(&mut self.augmented, count));
        let Material { plain, augmented } = &mut self.material;
        let material = self.valid.iter_mut().zip(rows(plain, count).zip(rows(augmented, count)));
        views.zip(vectors).zip(material).map(
            |(((plain, augmented), (vector, centroid)), (valid, material))| Row {
                plain,
                augmented,
                vector,
                centroid,
                valid,
                material: material.into(),
            },
        )
    }
}

/// The memory of an array, cut along its first axis of length `count`.
fn rows<T, D: Dimension>(array: &mut Array<T, D>, count: usize) -> impl Iterator<Item = &mut [T]> {
    let values = array.as_slice_mut().expect("parts are stored row by row");
    let length = values.len() / count.max(1);
    // Without vectors there is nothing to cut, yet a row for everyone.
    let mut rest = values;
    (0..count).map(move |_| {
        let (row, behind) = std::mem::take(&mut rest).split_at_mut(length);
        rest = behind;
        row
    })
}

/// Room for `count` examples of those shapes.
pub(crate) fn blank(count: usize, shapes: &Shapes) -> BTreeMap<Modality, Part> {
    shapes.iter().map(|(modality, shape)| (*modality, Part::blank(count, *shape))).collect()
}

/// Where each example of a batch is written, per modality.
pub(crate) fn batch_rows(parts: &mut BTreeMap<Modality, Part>) -> Vec<BTreeMap<Modality, Row<'_>>> {
    let count = parts.values().next().map_or(0, |part| part.valid.len());
    let mut all: Vec<BTreeMap<_, _>> = (0..count).map(|_| BTreeMap::new()).collect();
    for (modality, part) in parts {
        for (row, example) in part.rows().zip(&mut all) {
            example.insert(*modality, row);
        }
    }
    all
}

/// Puts plain `examples`, at least one, side by side.
pub(crate) fn plain_batch(examples: &[PlainExample]) -> PlainBatch {
    let part = |modality: &Modality| {
        (*modality, views(examples.iter().map(|example| &example.parts[modality])))
    };
    let valid = |modality: &Modality| {
        (*modality, examples.iter().map(|example| example.valid[modality]).collect())
    };
    PlainBatch {
        clips: examples.iter().map(|example| example.clip).collect(),
        parts: examples[0].parts.keys().map(part).collect(),
        valid: examples[0].valid.keys().map(valid).collect(),
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
