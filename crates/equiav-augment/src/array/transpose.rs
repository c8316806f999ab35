//! Rows to columns, in tiles that fill whole cache lines.

use wide::f32x4;

/// The side of a tile that is turned in registers.
const TILE: usize = 4;
/// Rows whose tiles are turned one after another: a cache line of the result.
const LINE: usize = 16;

/// Writes `from`, `[rows, columns]`, to `to`, `[columns, rows]`.
///
/// # Panics
///
/// If `from` is no whole number of rows, or `to` of another size.
#[track_caller]
pub fn transpose(from: &[f32], columns: usize, to: &mut [f32]) {
    assert!(from.len() == to.len() && from.len().is_multiple_of(columns), "transpose: wrong size");
    let rows = from.len() / columns;
    let (whole_rows, whole_columns) = (rows / TILE * TILE, columns / TILE * TILE);
    for first in (0..whole_rows).step_by(LINE) {
        for column in (0..whole_columns).step_by(TILE) {
            for row in (first..(first + LINE).min(whole_rows)).step_by(TILE) {
                turn(
                    &from[row * columns + column..],
                    columns,
                    &mut to[column * rows + row..],
                    rows,
                );
            }
        }
    }
    for row in 0..rows {
        let begin = if row < whole_rows { whole_columns } else { 0 };
        for column in begin..columns {
            to[column * rows + row] = from[row * columns + column];
        }
    }
}

/// Turns the tile at the start of `from`, whose rows are `columns` apart.
#[inline(always)]
fn turn(from: &[f32], columns: usize, to: &mut [f32], rows: usize) {
    let row = |row: usize| {
        let values = from[row * columns..].first_chunk::<TILE>();
        f32x4::new(*values.expect("a tile lies inside"))
    };
    let turned = f32x4::transpose(std::array::from_fn(row));
    for (column, values) in turned.into_iter().enumerate() {
        to[column * rows..][..TILE].copy_from_slice(values.as_array());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_finds_its_place() {
        for (rows, columns) in [(1, 1), (4, 4), (5, 9), (16, 8), (37, 22), (64, 3), (3, 40)] {
            let from: Vec<f32> = (0..rows * columns).map(|at| at as f32).collect();
            let mut to = vec![-1.0; from.len()];
            transpose(&from, columns, &mut to);
            for row in 0..rows {
                for column in 0..columns {
                    assert_eq!(to[column * rows + row], from[row * columns + column]);
                }
            }
        }
    }
}
