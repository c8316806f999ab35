//! A picture on its side: its columns as rows, so that what acts on whole rows acts on columns.

use std::ops::Range;

/// Columns that are written side by side, so that each cache line is used whole.
const BLOCK: usize = 16;

/// The levels of `columns` of `pixels`, whose rows are `width` long: column after column.
pub(super) fn turned(pixels: &[[u8; 3]], width: usize, columns: Range<usize>) -> Vec<u8> {
    let height = pixels.len() / width;
    let mut levels = vec![0; 3 * height * columns.len()];
    let (turned, _) = levels.as_chunks_mut::<3>();
    for (left, block) in columns.clone().step_by(BLOCK).zip(turned.chunks_mut(BLOCK * height)) {
        for (y, row) in pixels.chunks_exact(width).enumerate() {
            for (column, pixel) in block.chunks_exact_mut(height).zip(&row[left..columns.end]) {
                column[y] = *pixel;
            }
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_rows() {
        let (height, width) = (5, 40);
        let pixel = |y: usize, x: usize| [y as u8, x as u8, (y * x) as u8];
        let pixels: Vec<_> = (0..height * width).map(|at| pixel(at / width, at % width)).collect();
        for columns in [0..width, 3..4, 7..39] {
            let levels = turned(&pixels, width, columns.clone());
            let expected = columns.flat_map(|x| (0..height).flat_map(move |y| pixel(y, x)));
            assert_eq!(levels, expected.collect::<Vec<_>>());
        }
    }
}
