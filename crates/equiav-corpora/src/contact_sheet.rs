//! A picture of the procedural corpus: what is seen beside what is heard.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context;
use equiav_data::Filterbank;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops;
use image::{Rgb, RgbImage};

use crate::Synthetic;
use crate::glyphs::{self, GLYPH_HEIGHT};
use crate::synthetic::Specimen;

const SPECTROGRAM_WIDTH: u32 = 128;
const MELS: usize = 56;
const GAP: u32 = 6;
/// Natural logarithms of power that the colors span, down from the loudest: 48 dB.
const SPAN: f32 = 11.0;
/// Steps of color; few, so that the file stays small.
const STEPS: f32 = 10.0;
/// Matplotlib's viridis at five points, from quiet to loud.
const VIRIDIS: [[f32; 3]; 5] = [
    [68.0, 1.0, 84.0],
    [59.0, 82.0, 139.0],
    [33.0, 145.0, 140.0],
    [94.0, 201.0, 98.0],
    [253.0, 231.0, 37.0],
];

/// Draws scenes with their spectrograms to the PNG file `path`.
///
/// In each of the upper rows one factor changes and everything else stays; the last rows show
/// clips as they are drawn, nuisance included. In a spectrogram time runs to the right and
/// frequency, on the mel scale, upwards.
///
/// # Errors
///
/// If a knob of `synthetic` is out of its range and when the file cannot be written.
pub fn contact_sheet(synthetic: &Synthetic, path: &Path) -> anyhow::Result<()> {
    let rows = synthetic.specimens()?;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let side = synthetic.image;
    let cell_width = side + SPECTROGRAM_WIDTH + 2 * GAP;
    let cell_height = side + GLYPH_HEIGHT + 3 * GAP;
    let size = (columns * cell_width + GAP, rows.len() as u32 * cell_height);
    let mut sheet = RgbImage::from_pixel(size.0, size.1, Rgb([255; 3]));
    let bank = Filterbank::new(synthetic.sample_rate, MELS);
    for (row, specimens) in rows.iter().enumerate() {
        for (column, specimen) in specimens.iter().enumerate() {
            let corner = [GAP + column as u32 * cell_width, GAP + row as u32 * cell_height];
            draw_cell(&mut sheet, corner, specimen, &bank);
        }
    }
    save(&sheet, path).with_context(|| format!("cannot write {}", path.display()))
}

fn draw_cell(sheet: &mut RgbImage, [left, top]: [u32; 2], specimen: &Specimen, bank: &Filterbank) {
    glyphs::write(sheet, [left, top], &specimen.caption);
    let top = top + GLYPH_HEIGHT + GAP;
    let side = specimen.picture.width();
    imageops::replace(sheet, &specimen.picture, left.into(), top.into());
    let spectrogram = spectrogram(&specimen.samples, bank, side);
    imageops::replace(sheet, &spectrogram, (left + side + 1).into(), top.into());
}

/// The spectrogram of a sound, `SPECTROGRAM_WIDTH` by `height` pixels.
fn spectrogram(samples: &[i16], bank: &Filterbank, height: u32) -> RgbImage {
    let samples: Vec<_> = samples.iter().map(|sample| f32::from(*sample) / 32768.0).collect();
    let levels = bank.compute(&samples);
    let (frames, mels) = levels.dim();
    let loudest = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    RgbImage::from_fn(SPECTROGRAM_WIDTH, height, |x, y| {
        let frame = x as usize * frames / SPECTROGRAM_WIDTH as usize;
        let mel = mels - 1 - y as usize * mels / height as usize;
        viridis(1.0 + (levels[[frame, mel]] - loudest) / SPAN)
    })
}

/// The color of a level, which is 0 for quiet to 1 for loud.
fn viridis(level: f32) -> Rgb<u8> {
    let level = (level.clamp(0.0, 1.0) * STEPS).round() / STEPS * (VIRIDIS.len() - 1) as f32;
    let below = (level as usize).min(VIRIDIS.len() - 2);
    let share = level - below as f32;
    let mix = |i: usize| VIRIDIS[below][i] * (1.0 - share) + VIRIDIS[below + 1][i] * share;
    Rgb([mix(0), mix(1), mix(2)].map(|part| part.round() as u8))
}

fn save(sheet: &RgbImage, path: &Path) -> anyhow::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let encoder = PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive);
    Ok(sheet.write_with_encoder(encoder)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_shows_pictures_beside_spectrograms() -> anyhow::Result<()> {
        let home = tempfile::tempdir()?;
        let path = home.path().join("sheet.png");
        contact_sheet(&Synthetic { image: 48, ..Synthetic::default() }, &path)?;
        let sheet = image::open(&path)?.to_rgb8();
        let cell = 48 + SPECTROGRAM_WIDTH + 2 * GAP;
        assert_eq!(sheet.width() % cell, GAP);
        // A loud place in a spectrogram of the first row has the last color of the map.
        let loud = viridis(1.0);
        assert!(sheet.pixels().any(|pixel| *pixel == loud));
        let picture = sheet.pixels().filter(|pixel| pixel.0[0] > 200 && pixel.0[1] < 60).count();
        assert!(picture > 100, "no red object among {picture} pixels");
        Ok(())
    }

    #[test]
    fn viridis_runs_from_violet_to_yellow() {
        assert_eq!(viridis(-1.0), Rgb([68, 1, 84]));
        assert_eq!(viridis(0.5), Rgb([33, 145, 140]));
        assert_eq!(viridis(2.0), Rgb([253, 231, 37]));
    }
}
