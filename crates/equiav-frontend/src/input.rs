//! Spectrograms and pictures as arrays of the layout that encoders take.

use equiav_augment::{Image, Spectrogram, transpose};
use ndarray::Array3;

/// ImageNet's mean of red, green and blue, as shares of white.
pub const IMAGE_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's standard deviation of red, green and blue, as shares of white.
pub const IMAGE_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// What an audio encoder takes.
///
/// # Shapes
///
/// - returns: `[1, mels, frames]`
pub fn audio_input(spectrogram: &Spectrogram) -> Array3<f32> {
    let mut values = Array3::zeros((1, spectrogram.mels(), spectrogram.frames()));
    let row_by_row = values.as_slice_mut().expect("fresh arrays are row by row");
    write_audio_input(spectrogram, row_by_row);
    values
}

/// Writes [`audio_input`] to `to`, mel bin after mel bin.
///
/// # Panics
///
/// If `to` has another length.
#[track_caller]
pub fn write_audio_input(spectrogram: &Spectrogram, to: &mut [f32]) {
    transpose(spectrogram.as_slice(), spectrogram.mels(), to);
}

/// What a visual encoder takes: standardized with ImageNet's statistics.
///
/// # Shapes
///
/// - returns: `[3, height, width]`
pub fn image_input(image: &Image) -> Array3<f32> {
    image.standardized(IMAGE_MEAN, IMAGE_STD)
}

/// Writes [`image_input`] to `to`, color after color.
///
/// # Panics
///
/// If `to` has another length.
#[track_caller]
pub fn write_image_input(image: &Image, to: &mut [f32]) {
    image.standardize(IMAGE_MEAN, IMAGE_STD, to);
}
