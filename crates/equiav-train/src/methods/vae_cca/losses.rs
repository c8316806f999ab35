//! The formulas of VAE-CCA, of rows of the global batch.

use tch::{Kind, Tensor};

/// The divergence of `N(mean, exp(log_variance))` from `N(0, 1)`, of each row.
///
/// ```text
/// KL = -1/2 sum_k (1 + log_variance_k - mean_k^2 - exp(log_variance_k))
/// ```
///
/// # Shapes
///
/// - `mean`, `log_variance`: `[n, d]`
/// - returns: `[n]`
pub fn divergence(mean: &Tensor, log_variance: &Tensor) -> Tensor {
    let each = log_variance + 1.0 - mean.square() - log_variance.exp();
    each.sum_dim_intlist([1i64].as_slice(), false, Kind::Float) * -0.5
}

/// `mean + exp(log_variance / 2) noise`, `[n, d]` each.
pub fn reparameterized(mean: &Tensor, log_variance: &Tensor, noise: &Tensor) -> Tensor {
    mean + (log_variance * 0.5).exp() * noise
}

/// How well the cosine of two rows tells whether they share a class, over all pairs of rows of `a` and `b`.
///
/// ```text
/// theta_ij = cos(a_i - mean a, b_j - mean b) / 2     mean over ij of softplus(theta_ij) - S_ij theta_ij
/// ```
///
/// # Shapes
///
/// - `a`, `b`: `[n, d]`; `same`: `[n, n]`, 1 where rows share a class, else 0
pub(super) fn affinity(a: &Tensor, b: &Tensor, same: &Tensor) -> Tensor {
    let unit = |rows: &Tensor| {
        let centered = rows - rows.mean_dim([0i64].as_slice(), true, Kind::Float);
        let lengths = centered.norm_scalaropt_dim(2, [1i64], true).clamp_min(1e-12);
        centered / lengths
    };
    let theta = unit(a).matmul(&unit(b).tr()) * 0.5;
    (theta.softplus() - same * theta).mean(Kind::Float)
}

/// `1/8 mean_i |z_i - center of its class|^2 / n_class`, of rows that are of a class.
///
/// # Shapes
///
/// - `rows`: `[n, d]`, `classes`: `[n, c]`, how much of each class is in each row
/// - `centers`: `[n, d]`, that of each row's class, see [`own_centers`]
pub(super) fn to_centers(rows: &Tensor, classes: &Tensor, centers: &Tensor) -> Tensor {
    let of_row = classes.sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
    let counts = classes.sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
    let count = shares(classes).matmul(&counts.unsqueeze(1)).clamp_min(1.0); // [n, 1]
    let apart = (rows - centers).square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
    (apart / count * of_row.gt(0.0)).mean(Kind::Float) * 0.125
}

/// The center of each row's class, the mean of those of several, `[n, d]`, of `classes` `[n, c]` and `centers` `[c, d]`.
pub(super) fn own_centers(classes: &Tensor, centers: &Tensor) -> Tensor {
    shares(classes).matmul(centers)
}

fn shares(classes: &Tensor) -> Tensor {
    classes / classes.sum_dim_intlist([1i64].as_slice(), true, Kind::Float).clamp_min(1e-12)
}

/// The mean length of the rows of `difference`, `[n, d]`.
pub(super) fn mean_length(difference: &Tensor) -> Tensor {
    // The square root has no slope at 0.
    let squares = difference.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    (squares + 1e-12).sqrt().mean(Kind::Float)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn the_divergence_is_the_closed_form_and_none_of_the_normal_distribution() {
        let (mean, log) = (
            Tensor::from_slice2(&[[0.0f32, 0.0], [1.0, -2.0]]),
            Tensor::from_slice2(&[[0.0f32, 0.0], [0.5, -1.0]]),
        );
        let found: Vec<f64> =
            Vec::try_from(divergence(&mean, &log).to_kind(Kind::Double)).expect("numbers");
        // Of each number: (m^2 + v - 1 - ln v) / 2.
        let by_hand = [(1.0, 0.5f64), (-2.0, -1.0)]
            .map(|(m, log): (f64, f64)| (m * m + log.exp() - 1.0 - log) / 2.0);
        assert!(
            found[0].abs() < 1e-7 && (found[1] - by_hand.iter().sum::<f64>()).abs() < 1e-6,
            "{found:?}"
        );
    }

    #[test]
    fn without_variance_the_head_is_deterministic() {
        let mean = Tensor::randn([4, 3], (Kind::Float, Device::Cpu));
        let noise = Tensor::randn([4, 3], (Kind::Float, Device::Cpu));
        let none = Tensor::full([4, 3], f64::NEG_INFINITY, (Kind::Float, Device::Cpu));
        assert!(reparameterized(&mean, &none, &noise).equal(&mean));
    }

    #[test]
    fn centers_pull_rows_of_their_class_alone() {
        let rows = Tensor::from_slice2(&[[1.0f32, 0.0], [0.0, 2.0], [5.0, 5.0]]);
        let classes = Tensor::from_slice2(&[[1.0f32, 0.0], [0.0, 1.0], [0.0, 0.0]]);
        let centers = Tensor::from_slice2(&[[1.0f32, 0.0], [0.0, 0.0]]);
        let found = to_centers(&rows, &classes, &own_centers(&classes, &centers)).double_value(&[]);
        assert!((found - 0.125 * (0.0 + 4.0 + 0.0) / 3.0).abs() < 1e-7, "{found}");
    }
}
