//! What a model will see of some clips, to look at: both views of sound and frame, and what tells them apart.

use equiav_augment::{Modality, SpectrogramSize, phrases};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use ndarray::ArrayView3;

use crate::error::{ClipError, DataError};
use crate::features::dataset::Dataset;
use crate::features::example::Example;
use crate::sampling::sampler::evenly;
use crate::sheet::glyphs::{self, GLYPH_ADVANCE, GLYPH_HEIGHT};
use crate::sheet::viridis;
use equiav_frontend::{IMAGE_MEAN, IMAGE_STD, InputAugment};

/// Height of a view on the sheet, and width of a frame, in pixels.
const SIDE: u32 = 144;
/// Width of a spectrogram on the sheet.
const SPAN: u32 = 2 * SIDE;
const GAP: u32 = 8;
/// Signs in a line of words.
const COLUMNS: usize = 56;
const LINE: u32 = GLYPH_HEIGHT + 4;
/// The standardized values that are drawn darkest and brightest.
const RANGE: [f32; 2] = [-2.2, 2.6];

/// A contact sheet.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The picture; [`save`](crate::sheet::save) writes it.
    pub sheet: RgbImage,
    /// The clips on it, by their positions in the list.
    pub clips: Vec<usize>,
    /// Clips that should be on it and cannot be read.
    pub skipped: Vec<ClipError>,
}

/// Draws at most `most` clips of `dataset`, taken evenly from its list, as the first epoch has them.
///
/// One row a clip: plain and augmented spectrogram, time to the right and mel frequency upwards,
/// plain and augmented frame, and the parameter vectors in words. All spectrograms have the same
/// colors for the same values.
///
/// # Errors
///
/// If none of the clips can be read.
pub fn preview(dataset: &Dataset, most: usize) -> Result<Preview, DataError> {
    let (mut rows, mut clips, mut skipped) = (vec![heading(dataset)], Vec::new(), Vec::new());
    for clip in evenly(dataset.len(), most) {
        match dataset.example(0, clip) {
            Ok(example) => {
                rows.push(row(dataset, &example));
                clips.push(clip);
            }
            Err(error) => match dataset.folder_gone(&error) {
                Some(gone) => return Err(gone),
                None => skipped.push(error),
            },
        }
    }
    match skipped.first() {
        Some(first) if clips.is_empty() => Err(DataError::Clip(first.clone())),
        _ => Ok(Preview { sheet: stack(&rows), clips, skipped }),
    }
}

/// Where the columns begin: both spectrograms, both frames, the words.
fn columns() -> [u32; 5] {
    let mut left = GAP;
    [SPAN, SPAN, SIDE, SIDE, 0].map(|width| {
        let here = left;
        left += width + GAP;
        here
    })
}

fn blank(height: u32) -> RgbImage {
    let [.., words] = columns();
    RgbImage::from_pixel(words + COLUMNS as u32 * GLYPH_ADVANCE + GAP, height, Rgb([255; 3]))
}

/// What the columns are, and below it the limits of the axes.
fn heading(dataset: &Dataset) -> RgbImage {
    let mut picture = blank(2 * LINE + GAP);
    // One frame every 10 ms.
    let seconds = dataset.front_end().frames as f64 / 100.0;
    let mels = dataset.front_end().mels;
    let axes = format!("{seconds:.2} s to the right, {mels} mels up");
    let titles = ["sound", "sound, augmented", "frame", "frame, augmented", "what was done"];
    for (left, title) in columns().into_iter().zip(titles) {
        glyphs::write(&mut picture, [left, GAP], title);
    }
    glyphs::write(&mut picture, [GAP, GAP + LINE], &axes);
    picture
}

fn row(dataset: &Dataset, example: &Example) -> RgbImage {
    let lines = words(dataset, example);
    let mut picture = blank(SIDE.max(lines.len() as u32 * LINE) + GAP);
    let (audio, visual) = (&example.parts[&Modality::AUDIO], &example.parts[&Modality::VISUAL]);
    let views = [
        spectrogram(audio.plain.view()),
        spectrogram(audio.augmented.view()),
        frame(visual.plain.view()),
        frame(visual.augmented.view()),
    ];
    let columns = columns();
    for (left, view) in columns.into_iter().zip(&views) {
        imageops::replace(&mut picture, view, left.into(), 0);
    }
    for (number, line) in lines.iter().enumerate() {
        glyphs::write(&mut picture, [columns[4], number as u32 * LINE], line);
    }
    picture
}

/// The clip's name and what was done to it, in lines of [`COLUMNS`].
fn words(dataset: &Dataset, example: &Example) -> Vec<String> {
    let size: SpectrogramSize = dataset.front_end().spectrogram_size();
    let slots = Modality::AUDIO_VISUAL.map(|modality| match &dataset.views()[&modality] {
        InputAugment::Spectrogram(augment) => ("sound", modality, augment.slots_at(size)),
        InputAugment::Image(augment) => ("frame", modality, augment.slots()),
    });
    let mut lines = wrapped(dataset.clips().id(example.clip));
    for (name, modality, slots) in slots {
        let phrases = phrases(&slots, example.parts[&modality].vector.as_slice());
        let what = if phrases.is_empty() { "as it is" } else { "" };
        lines.push(format!("{name}: {what}"));
        lines.extend(phrases.iter().flat_map(|phrase| wrapped(&format!("- {phrase}"))));
    }
    lines
}

/// `text` in lines of at most [`COLUMNS`], broken at spaces where there are any.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let word: Vec<char> = word.chars().collect();
        for (number, piece) in word.chunks(COLUMNS - 2).enumerate() {
            let line = lines.last().map_or(0, |line| line.chars().count());
            let fits = line + 1 + piece.len() <= COLUMNS;
            if number > 0 || !fits {
                lines.push("  ".to_owned());
            } else if line > 0 {
                lines.last_mut().expect("there is a line").push(' ');
            }
            lines.last_mut().expect("there is a line").extend(piece);
        }
    }
    lines
}

/// A standardized spectrogram, `[1, mels, frames]`, in colors: time to the right, low frequencies below, the
/// same colors for the same values.
///
/// # Panics
///
/// If it has no mel bin or frame.
pub fn spectrogram(view: ArrayView3<f32>) -> RgbImage {
    let (_, mels, frames) = view.dim();
    let [darkest, brightest] = RANGE;
    let picture = RgbImage::from_fn(frames as u32, mels as u32, |x, y| {
        let value = view[[0, mels - 1 - y as usize, x as usize]];
        viridis((value - darkest) / (brightest - darkest))
    });
    imageops::resize(&picture, SPAN, SIDE, FilterType::Triangle)
}

/// A standardized frame, `[3, height, width]`, as it was before it was standardized, in a square.
///
/// # Panics
///
/// If it has no pixel.
pub fn frame(view: ArrayView3<f32>) -> RgbImage {
    let (_, height, width) = view.dim();
    let picture = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb(std::array::from_fn(|channel| {
            let value = view[[channel, y as usize, x as usize]];
            (255.0 * (value * IMAGE_STD[channel] + IMAGE_MEAN[channel])).round() as u8
        }))
    });
    imageops::resize(&picture, SIDE, SIDE, FilterType::Triangle)
}

/// `rows` of equal width, one below the other.
fn stack(rows: &[RgbImage]) -> RgbImage {
    let mut sheet = blank(rows.iter().map(RgbImage::height).sum());
    let mut top = 0;
    for row in rows {
        imageops::replace(&mut sheet, row, 0, top);
        top += i64::from(row.height());
    }
    sheet
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_and_long_names_anywhere() {
        assert_eq!(wrapped("a short one"), ["a short one"]);
        let long = "word ".repeat(30);
        let lines = wrapped(long.trim_end());
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= COLUMNS));
        let joined: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
        assert_eq!(joined.len(), 30);
        let name = "n".repeat(3 * COLUMNS);
        let lines = wrapped(&name);
        assert!(lines.iter().all(|line| line.len() <= COLUMNS));
        assert_eq!(lines.iter().map(|line| line.trim_start()).collect::<String>(), name);
    }

    #[test]
    fn time_runs_right_and_low_frequencies_lie_below() {
        let mut view = Array3::from_elem((1, 64, 128), RANGE[0]);
        view.slice_mut(ndarray::s![0, ..8, 96..]).fill(RANGE[1]);
        let picture = spectrogram(view.view());
        let at = |x, y| *picture.get_pixel(x, y);
        assert_eq!(at(SPAN - 2, SIDE - 2), viridis(1.0), "late and low");
        for (x, y) in [(2, SIDE - 2), (2, 2), (SPAN - 2, 2)] {
            assert_eq!(at(x, y), viridis(0.0), "{x}, {y}");
        }
    }

    #[test]
    fn a_frame_has_its_colors_back() {
        let view = Array3::from_shape_fn((3, 5, 5), |(channel, ..)| {
            ([200.0, 100.0, 50.0][channel] / 255.0 - IMAGE_MEAN[channel]) / IMAGE_STD[channel]
        });
        assert!(frame(view.view()).pixels().all(|pixel| pixel.0 == [200, 100, 50]));
    }
}
