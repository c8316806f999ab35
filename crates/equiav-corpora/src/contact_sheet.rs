//! A picture of the procedural corpus: what is seen beside what is heard.

use std::path::Path;

use equiav_data::sheet::glyphs::{self, GLYPH_HEIGHT};
use equiav_data::sheet::{save, viridis};
use equiav_frontend::Filterbank;
use image::imageops;
use image::{Rgb, RgbImage};

use crate::Synthetic;
use crate::synthetic::Specimen;

const SPECTROGRAM_WIDTH: u32 = 128;
const MELS: usize = 56;
const GAP: u32 = 6;
/// Natural logarithms of power that the colors span, down from the loudest: 48 dB.
const SPAN: f32 = 11.0;
/// Steps of color; few, so that the file stays small.
const STEPS: f32 = 10.0;
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
    Ok(save(&sheet, path)?)
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
        let level = 1.0 + (levels[[frame, mel]] - loudest) / SPAN;
        viridis((level * STEPS).round() / STEPS)
    })
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
}
