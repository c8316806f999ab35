//! The fixed table that tells an encoder where a patch lies.

use tch::{Tensor, nn};

/// The two-dimensional sine-cosine table of the masked autoencoder (He et al., arXiv 2111.06377) for a
/// grid of `rows` by `columns` patches.
///
/// ```text
/// angle(x, i) = x / 10000^(i / (width / 4))                                  i = 0 .. width / 4
/// table       = [sin angle(column), cos angle(column), sin angle(row), cos angle(row)]
/// ```
///
/// # Shapes
///
/// - returns: `[1, rows * columns, width]`, row by row, each value in [-1, 1]
///
/// # Panics
///
/// If `width` is no multiple of 4.
#[track_caller]
pub fn sine_cosine_table(rows: i64, columns: i64, width: i64) -> Tensor {
    assert_eq!(width % 4, 0, "a position table needs a width that 4 divides, not {width}");
    let quarter = width / 4;
    let angles = |x: i64| {
        let frequency = move |i: i64| 10_000f64.powf(-(i as f64) / quarter as f64);
        (0..quarter).map(move |i| x as f64 * frequency(i))
    };
    let mut table = Vec::with_capacity((rows * columns * width) as usize);
    for row in 0..rows {
        for column in 0..columns {
            for coordinate in [column, row] {
                table.extend(angles(coordinate).map(|angle| angle.sin() as f32));
                table.extend(angles(coordinate).map(|angle| angle.cos() as f32));
            }
        }
    }
    Tensor::from_slice(&table).view([1, rows * columns, width])
}

/// The table of a grid as a variable that is saved and moved with the others but not trained.
pub(crate) fn position_variable(
    root: &nn::Path,
    suffix: &str,
    [rows, columns]: [i64; 2],
    width: i64,
) -> Tensor {
    let table = sine_cosine_table(rows, columns, width);
    let mut position = root.zeros_no_train(&format!("pos_embed_{suffix}"), &table.size());
    tch::no_grad(|| position.copy_(&table));
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_equals_its_formula() {
        let (rows, columns, width) = (3, 5, 16);
        let table = sine_cosine_table(rows, columns, width);
        assert_eq!(table.size(), [1, 15, 16]);
        for row in 0..rows {
            for column in 0..columns {
                for channel in 0..width {
                    let x = if channel < 8 { column } else { row } as f64;
                    let angle = x / 10_000f64.powf((channel % 4) as f64 / 4.0);
                    let expected = if channel % 8 < 4 { angle.sin() } else { angle.cos() };
                    let found = table.double_value(&[0, row * columns + column, channel]);
                    assert!((found - expected).abs() < 1e-7, "{row} {column} {channel}: {found}");
                }
            }
        }
    }
}
