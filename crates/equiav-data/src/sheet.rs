//! What contact sheets are painted with: colors for levels, a font for captions, a PNG at the end.

pub mod glyphs;
pub mod heat;
pub mod preview;

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{Rgb, RgbImage};

use crate::error::DataError;
use crate::io::atomic::atomic_write;

/// Matplotlib's viridis at five points, from quiet to loud.
const VIRIDIS: [[f32; 3]; 5] = [
    [68.0, 1.0, 84.0],
    [59.0, 82.0, 139.0],
    [33.0, 145.0, 140.0],
    [94.0, 201.0, 98.0],
    [253.0, 231.0, 37.0],
];

/// The color of a level, which is 0 for quiet to 1 for loud; what lies outside is cut off.
pub fn viridis(level: f32) -> Rgb<u8> {
    let level = level.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f32;
    let below = (level as usize).min(VIRIDIS.len() - 2);
    let share = level - below as f32;
    let mix = |i: usize| VIRIDIS[below][i] * (1.0 - share) + VIRIDIS[below + 1][i] * share;
    Rgb([mix(0), mix(1), mix(2)].map(|part| part.round() as u8))
}

/// Writes `sheet` to the PNG file `path`, which appears complete or not at all.
///
/// # Errors
///
/// If the file cannot be written.
pub fn save(sheet: &RgbImage, path: &Path) -> Result<(), DataError> {
    let mut bytes = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive);
    let encoded = sheet.write_with_encoder(encoder).map_err(std::io::Error::other);
    let written = encoded.and_then(|()| atomic_write(path, &bytes));
    written.map_err(|error| DataError::io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viridis_runs_from_violet_to_yellow() {
        assert_eq!(viridis(-1.0), Rgb([68, 1, 84]));
        assert_eq!(viridis(0.5), Rgb([33, 145, 140]));
        assert_eq!(viridis(2.0), Rgb([253, 231, 37]));
    }

    #[test]
    fn a_sheet_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let sheet = RgbImage::from_fn(7, 5, |x, y| Rgb([x as u8, y as u8, 9]));
        let path = folder.path().join("sheet.png");
        save(&sheet, &path).unwrap();
        assert_eq!(image::open(&path).unwrap().into_rgb8(), sheet);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing is left beside it");
        let error = save(&sheet, &folder.path().join("none/sheet.png")).unwrap_err();
        assert!(error.to_string().contains("sheet.png: "), "{error}");
    }
}
