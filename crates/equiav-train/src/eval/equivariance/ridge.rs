//! Ridge regression in closed form, with the penalty chosen on a part of the rows that it learns from.

use anyhow::ensure;
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

use crate::eval::online::tensor;

/// Penalties that are tried, in units of the number of rows; features have variance 1.
const PENALTIES: [f64; 6] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];
/// The share of rows by which the penalty of each target is chosen.
const CHOOSING: f64 = 0.2;
/// Below this standard deviation a column tells nothing.
const STILL: f64 = 1e-6;

/// How much of each target's variance on the test rows a linear map of the features explains, `1 - SSE / SST`; none
/// where the target does not change.
///
/// # Shapes
///
/// - of both parts: features `[n, d]`, targets `[n, p]`
/// - returns: `p` numbers
///
/// # Errors
///
/// If there are fewer than 10 rows to learn from, or libtorch fails.
pub(super) fn r2(
    (features, targets): (&Array2<f32>, &Array2<f32>),
    (test_features, test_targets): (&Array2<f32>, &Array2<f32>),
) -> anyhow::Result<Vec<Option<f64>>> {
    ensure!(features.nrows() >= 10, "{} clips are too few to learn from", features.nrows());
    let [x, y, test_x, test_y] = [features, targets, test_features, test_targets].map(tensor);
    let rows = x.size()[0];
    let choosing = ((rows as f64 * CHOOSING) as i64).max(2);
    let learn = |tensor: &Tensor| tensor.narrow(0, 0, rows - choosing);
    let choose = |tensor: &Tensor| tensor.narrow(0, rows - choosing, choosing);
    let scores = |(x, y): (&Tensor, &Tensor), (test_x, test_y): (&Tensor, &Tensor)| {
        let fit = Fit::new(x, y)?;
        PENALTIES
            .iter()
            .map(|penalty| fit.explained(*penalty, test_x, test_y))
            .collect::<Result<Vec<_>, _>>()
    };
    let chosen: Vec<Vec<f64>> = scores((&learn(&x), &learn(&y)), (&choose(&x), &choose(&y)))
        .map_err(anyhow::Error::from)?;
    let tested: Vec<Vec<f64>> =
        scores((&x, &y), (&test_x, &test_y)).map_err(anyhow::Error::from)?;
    let still = |target: usize| {
        [&y, &test_y].iter().any(|all| {
            let deviation = all.select(1, target as i64).std(false).double_value(&[]);
            deviation < STILL
        })
    };
    let best = |target: usize| {
        let by_choice = |a: &usize, b: &usize| chosen[*a][target].total_cmp(&chosen[*b][target]);
        let best = (0..PENALTIES.len()).max_by(by_choice)?;
        (!still(target)).then(|| tested[best][target])
    };
    Ok((0..targets.ncols()).map(best).collect())
}

/// What every penalty has in common.
struct Fit {
    mean: [Tensor; 2],
    scale: Tensor,
    gram: Tensor,
    cross: Tensor,
    rows: f64,
}

impl Fit {
    fn new(x: &Tensor, y: &Tensor) -> Result<Self, tch::TchError> {
        let mean = [x, y].map(|all| all.mean_dim([0i64].as_slice(), true, Kind::Double));
        let deviation = x.f_std_dim([0i64].as_slice(), false, true)?;
        let scale = deviation.clamp_min(STILL);
        let centered = (x - &mean[0]) / &scale;
        Ok(Self {
            gram: centered.tr().f_matmul(&centered)?,
            cross: centered.tr().f_matmul(&(y - &mean[1]))?,
            rows: x.size()[0] as f64,
            mean,
            scale,
        })
    }

    /// `1 - SSE / SST` of every target of the test rows.
    fn explained(&self, penalty: f64, x: &Tensor, y: &Tensor) -> Result<Vec<f64>, tch::TchError> {
        let identity = Tensor::eye(self.gram.size()[0], (Kind::Double, Device::Cpu));
        let regular = &self.gram + identity * (penalty * self.rows);
        let map = Tensor::f_linalg_solve(&regular, &self.cross, true)?;
        let told = ((x - &self.mean[0]) / &self.scale).f_matmul(&map)? + &self.mean[1];
        let sum = |squares: Tensor| squares.sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
        let errors = sum((y - told).square());
        let spread = sum((y - y.mean_dim([0i64].as_slice(), true, Kind::Double)).square());
        Vec::try_from(1.0f64 - errors / spread.clamp_min(f64::MIN_POSITIVE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number in [-1, 1) that depends on nothing else (SplitMix64).
    fn noise(salt: u64) -> f32 {
        let mixed = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
    }

    /// Features, and four targets: a linear map of them, half of that and half noise, noise, and a constant.
    fn world(rows: usize, salt: u64) -> (Array2<f32>, Array2<f32>) {
        let at = |row: usize, column: usize| noise(salt + (row * 101 + column) as u64);
        let features = Array2::from_shape_fn((rows, 12), |(row, column)| at(row, column));
        let targets = Array2::from_shape_fn((rows, 4), |(row, target)| {
            let linear = 3.0 * at(row, 0) - 2.0 * at(row, 5) + 7.0;
            // As much variance as the linear part has: 13 / 3.
            let other = 13f32.sqrt() * at(row, 50);
            [linear, linear + other, other, 4.0][target]
        });
        (features, targets)
    }

    #[test]
    fn what_features_tell_is_explained_and_nothing_else() {
        let (train, test) = (world(2000, 1), world(1000, 1 << 40));
        let r2 = r2((&train.0, &train.1), (&test.0, &test.1)).expect("a fit");
        let [linear, half, noise] = [0, 1, 2].map(|target: usize| r2[target].expect("it changes"));
        assert!(linear > 0.9999, "{linear}");
        assert!((half - 0.5).abs() < 0.05, "{half}");
        assert!(noise.abs() < 0.03, "{noise}");
        assert_eq!(r2[3], None);
    }
}
