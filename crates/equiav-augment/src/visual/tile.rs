//! Some rows of a picture on their side: column after column, the rows' pixels of a column together.
//!
//! What acts along rows so acts on many bytes at once, in a tile that the nearest cache holds.

/// Rows that are turned together.
pub(super) const LINES: usize = 16;
/// A column of a tile.
pub(super) type Column = [u8; 3 * LINES];

/// A tile of `columns`.
pub(super) fn empty(columns: usize) -> Vec<Column> {
    vec![[0; 3 * LINES]; columns]
}

/// Fills `tile` with the columns from `left` on of at most [`LINES`] rows, which are `width` long.
#[inline(always)]
pub(super) fn turn(tile: &mut [Column], rows: &[[u8; 3]], width: usize, left: usize) {
    for (line, row) in rows.chunks_exact(width).enumerate() {
        for (column, color) in tile.iter_mut().zip(&row[left..]) {
            column.as_chunks_mut().0[line] = *color;
        }
    }
}

/// Writes the columns of `tile` to at most [`LINES`] `rows`, which are `width` long.
#[inline(always)]
pub(super) fn turn_back(rows: &mut [[u8; 3]], tile: &[Column], width: usize) {
    for (line, row) in rows.chunks_exact_mut(width).enumerate() {
        for (color, column) in row.iter_mut().zip(tile) {
            *color = column.as_chunks().0[line];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_rows_and_rows_columns_again() {
        let width = 9;
        for height in [1, 5, LINES] {
            let pixel = |at: usize| [(at / width) as u8, (at % width) as u8, at as u8];
            let pixels: Vec<_> = (0..height * width).map(pixel).collect();
            let mut tile = empty(width - 2);
            turn(&mut tile, &pixels, width, 2);
            for (x, column) in tile.iter().enumerate() {
                for y in 0..height {
                    assert_eq!(column[3 * y..3 * y + 3], pixel(y * width + x + 2));
                }
            }
            let mut whole = empty(width);
            turn(&mut whole, &pixels, width, 0);
            let mut back = vec![[0; 3]; height * width];
            turn_back(&mut back, &whole, width);
            assert_eq!(back, pixels);
        }
    }
}
