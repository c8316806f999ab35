//! One clip as arrays: both views, their parameter vectors and the centroid's.

use std::collections::BTreeMap;
use std::sync::Arc;

use equiav_augment::{AudioAugment, Image, Modality, Spectrogram, View, VisualAugment};
use ndarray::{Array2, Array3, Axis};
use rand::Rng;

use crate::features::batch::Part;
use crate::features::config::DatasetConfig;
use crate::profiler::{self, Stage};
use equiav_frontend::{PaddedSpectrogram, write_audio_input, write_image_input};

/// A clip in training.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its position in the manifest.
    pub clip: usize,
    /// Its views.
    pub parts: BTreeMap<Modality, ExamplePart>,
}

/// One modality of a clip in training.
///
/// # Shapes
///
/// - of a spectrogram `[1, mels, frames]`; of a picture `[3, height, width]`
#[derive(Clone, Debug, PartialEq)]
pub struct ExamplePart {
    /// The plain view.
    pub plain: Array3<f32>,
    /// The augmented view.
    pub augmented: Array3<f32>,
    /// The parameter vector of the augmented view: `[P]`.
    pub vector: Vec<f32>,
    /// The parameter vectors of the centroid: `[S, P]`.
    pub centroid: Array2<f32>,
    /// How many columns of the plain view hold material, from the start; the others are padding.
    ///
    /// A common roll of both views, where it is on, is not followed; `material` does.
    pub valid: usize,
    /// Which columns of the plain and of the augmented view hold material; the others hold padding alone.
    pub material: [Vec<bool>; 2],
}

impl ExamplePart {
    /// The only example of `part`.
    pub(crate) fn only(part: Part) -> Self {
        let first = Axis(0);
        Self {
            plain: part.plain.index_axis_move(first, 0),
            augmented: part.augmented.index_axis_move(first, 0),
            vector: part.vectors.into_raw_vec_and_offset().0,
            centroid: part.centroid.index_axis_move(first, 0),
            valid: part.valid[0],
            material: [part.material.plain, part.material.augmented]
                .map(|columns| columns.into_raw_vec_and_offset().0),
        }
    }
}

/// A clip in evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainExample {
    /// Its position in the manifest.
    pub clip: usize,
    /// Its plain views, shaped as in [`ExamplePart`].
    pub parts: BTreeMap<Modality, Array3<f32>>,
    /// How many frames of each spectrogram hold sound, from the start; the others are padding.
    pub valid: BTreeMap<Modality, usize>,
}

/// Where one modality of a clip in training is written, each row by row: a row of a [`Part`] or an
/// [`ExamplePart`] to be.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) plain: &'a mut [f32],
    pub(crate) augmented: &'a mut [f32],
    pub(crate) vector: &'a mut [f32],
    pub(crate) centroid: &'a mut [f32],
    pub(crate) valid: &'a mut usize,
    /// Of the plain and of the augmented view.
    pub(crate) material: [&'a mut [bool]; 2],
}

/// Writes the part of a sound to `row`, given what draws its views and what its centroid.
pub(crate) fn spectrogram<R: Rng>(
    config: &DatasetConfig,
    augment: &AudioAugment,
    sound: Arc<PaddedSpectrogram>,
    [mut rng, mut centroid]: [R; 2],
    row: &mut Row<'_>,
) {
    let valid = sound.valid;
    *row.valid = valid;
    let plain = Arc::unwrap_or_clone(sound).spectrogram;
    let augmenting = profiler::span(Stage::AugmentAudio);
    let drawn = augment.draw(View::size(&plain), &mut rng);
    for (row, material) in row.material.iter_mut().zip(drawn.material(valid)) {
        row.copy_from_slice(&material);
    }
    let views = AudioAugment::views_of(&drawn, plain);
    drop(augmenting);
    write_spectrogram(&views.plain, row.plain);
    write_spectrogram(&views.augmented, row.augmented);
    row.vector.copy_from_slice(views.vector.as_slice());
    let size = config.front_end.spectrogram_size();
    let _span = profiler::span(Stage::Vectors);
    write_array(&augment.sample(size, config.centroid, &mut centroid), row.centroid);
}

/// Writes the part of the frames of the plain and of the augmented view to `row`, given what draws its views and
/// what its centroid.
pub(crate) fn image<R: Rng>(
    config: &DatasetConfig,
    augment: &VisualAugment,
    [plain, augmented]: [&Image; 2],
    [mut rng, mut centroid]: [R; 2],
    row: &mut Row<'_>,
) {
    let size = config.front_end.image_size();
    *row.valid = size.width;
    row.material.iter_mut().for_each(|columns| columns.fill(true));
    let augmenting = profiler::span(Stage::AugmentVisual);
    let (augmented, vector) = augment.augmented(plain, augmented, size, &mut rng);
    drop(augmenting);
    write_picture(&augmented, row.augmented);
    row.vector.copy_from_slice(vector.as_slice());
    let cutting = profiler::span(Stage::PlainFrame);
    let plain = augment.plain(plain, size);
    drop(cutting);
    write_picture(&plain, row.plain);
    let _span = profiler::span(Stage::Vectors);
    write_array(&augment.sample(size, config.centroid, &mut centroid), row.centroid);
}

/// Writes a spectrogram as the model takes it: mel bin after mel bin.
fn write_spectrogram(spectrogram: &Spectrogram, to: &mut [f32]) {
    let _span = profiler::span(Stage::Assemble);
    write_audio_input(spectrogram, to);
}

fn write_picture(image: &Image, to: &mut [f32]) {
    let _span = profiler::span(Stage::Assemble);
    write_image_input(image, to);
}

fn write_array(values: &Array2<f32>, to: &mut [f32]) {
    to.copy_from_slice(values.as_slice().expect("vectors are drawn row by row"));
}
