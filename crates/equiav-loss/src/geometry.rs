//! How embeddings lie on the sphere: figures to watch during training, not losses, and without gradient.

use tch::{Kind, Tensor, no_grad};

use crate::unit;

/// Rows whose distances to all others are held at once; a bound on memory, not on the result.
const ROWS_PER_BLOCK: i64 = 1024;

/// How far partners lie apart (Wang and Isola, arXiv 2005.10242): 0 when each is where its partner is,
/// 4 when each is opposite.
///
/// ```text
/// alignment = meanᵢ ‖xᵢ − yᵢ‖²        x, y: the rows of a and b, scaled to unit length
/// ```
///
/// The result is a scalar `[]` without gradient, in at least 32 bits.
///
/// # Shapes
///
/// - `a`, `b`: `[n, d]`, row `i` of one the partner of row `i` of the other
///
/// # Panics
///
/// If the sizes differ from those.
#[track_caller]
pub fn alignment(a: &Tensor, b: &Tensor) -> Tensor {
    let size = a.size();
    assert!(matches!(size[..], [n, _] if n > 0), "alignment: rows are [n, d], not {size:?}");
    assert_eq!(b.size(), size, "alignment: the two kinds of rows differ in size");
    no_grad(|| (unit(a) - unit(b)).square().sum_dim_intlist(-1, false, None).mean(None))
}

/// How evenly rows cover the sphere (Wang and Isola, arXiv 2005.10242): 0 when all are one, down to
/// about −4 when they are spread over many dimensions.
///
/// ```text
/// uniformity = log meanᵢ≠ⱼ exp(−2 ‖xᵢ − xⱼ‖²)        x: the rows, scaled to unit length
/// ```
///
/// The result is a scalar `[]` without gradient, in at least 32 bits; none where there is no pair: of fewer
/// than 2 rows. Memory grows with `n`, time with its square. Call it outside any autocast region.
///
/// # Shapes
///
/// - `x`: `[n, d]`
///
/// # Panics
///
/// If the size differs from that.
#[track_caller]
pub fn uniformity(x: &Tensor) -> Option<Tensor> {
    let size = x.size();
    let [n, _] = size[..] else { panic!("uniformity: rows are [n, d], not {size:?}") };
    let pairs = (n > 1).then(|| (n * (n - 1)) as f64)?;
    Some(no_grad(|| {
        let x = unit(x);
        let blocks: Vec<Tensor> =
            (0..n).step_by(ROWS_PER_BLOCK as usize).map(|first| nearness(&x, first)).collect();
        (Tensor::cat(&blocks, 0).sum(Kind::Double) / pairs).log().to_kind(x.kind())
    }))
}

/// `Σⱼ exp(−2 ‖xᵢ − xⱼ‖²)` over `j ≠ i` for each row `i` of the block that begins at `first`.
fn nearness(x: &Tensor, first: i64) -> Tensor {
    let block = x.narrow(0, first, ROWS_PER_BLOCK.min(x.size()[0] - first));
    let own = Tensor::arange(block.size()[0], (Kind::Int64, x.device())) + first;
    let square = |x: &Tensor| x.square().sum_dim_intlist(-1, true, None);
    let distances = square(&block) + square(x).tr() - block.matmul(&x.tr()) * 2; // [rows, n]
    let near = (distances.clamp_min(0.0) * -2.0).exp();
    near.scatter_value(1, &own.unsqueeze(1), 0.0).sum_dim_intlist(-1, false, None)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn value(x: &Tensor) -> f64 {
        assert!(!x.requires_grad() && x.size().is_empty());
        x.double_value(&[])
    }

    /// Rows of every length, `[n, 5]`.
    fn rows(n: i64, seed: f64) -> Tensor {
        let numbers = Tensor::arange(n * 5, (Kind::Double, Device::Cpu));
        ((numbers * 1.7 + seed).sin() * 3.0).reshape([n, 5]).set_requires_grad(true)
    }

    fn plain(x: &Tensor) -> Vec<Vec<f64>> {
        let rows: Vec<Vec<f64>> = Vec::try_from(x.detach()).expect("rows");
        let length = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>().sqrt();
        rows.iter().map(|row| row.iter().map(|x| x / length(row)).collect()).collect()
    }

    fn distance(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum()
    }

    #[test]
    fn alignment_equals_its_formula() {
        let (a, b) = (rows(7, 0.0), rows(7, 2.0));
        let pairs = plain(&a).into_iter().zip(plain(&b));
        let expected = pairs.map(|(x, y)| distance(&x, &y)).sum::<f64>() / 7.0;
        assert!((value(&alignment(&a, &b)) - expected).abs() < 1e-12);
        assert!(value(&alignment(&a, &(&a * 2.0))) < 1e-12);
        assert!((value(&alignment(&a, &-&a)) - 4.0).abs() < 1e-12);
    }

    #[test]
    fn uniformity_equals_its_formula_within_and_across_blocks() {
        for n in [2, 9, ROWS_PER_BLOCK + 3] {
            let x = rows(n, 1.0);
            let plain = plain(&x);
            let mut sum = 0.0;
            for (i, row) in plain.iter().enumerate() {
                let others = plain.iter().enumerate().filter(|(j, _)| i != *j);
                sum += others.map(|(_, other)| (-2.0 * distance(row, other)).exp()).sum::<f64>();
            }
            let expected = (sum / (n * (n - 1)) as f64).ln();
            let found = value(&uniformity(&x).expect("pairs"));
            assert!((found - expected).abs() < 1e-9, "{n} rows");
        }
    }

    #[test]
    fn one_row_is_aligned_but_makes_no_pair() {
        let (a, b) = (rows(1, 0.0), rows(1, 2.0));
        assert!(uniformity(&a).is_none() && uniformity(&a.narrow(0, 0, 0)).is_none());
        let expected = distance(&plain(&a)[0], &plain(&b)[0]);
        assert!((value(&alignment(&a, &b)) - expected).abs() < 1e-12);
    }

    #[test]
    fn equal_rows_are_not_uniform_and_opposite_ones_are() {
        let ones = Tensor::ones([4, 3], (Kind::Float, Device::Cpu));
        let found = |rows: &Tensor| value(&uniformity(rows).expect("pairs"));
        assert!(found(&ones).abs() < 1e-5);
        let opposite = Tensor::from_slice(&[1f32, 0.0, -1.0, 0.0]).reshape([2, 2]);
        assert!((found(&opposite) + 8.0).abs() < 1e-5);
    }
}
