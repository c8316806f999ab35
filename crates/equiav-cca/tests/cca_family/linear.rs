//! The fitted model: known correlations, another route to them, rows that were not fitted, files.

use std::fs;

use equiav_cca::{Covariances, LinearCca, held_out_correlations, split_rows};
use equiav_eval::Bootstrap;
use tch::{Kind, Tensor};

use crate::{correlated, largest_difference, normal, numbers};

#[test]
fn population_correlations_are_found_on_held_out_rows() {
    let rho = [0.95, 0.8, 0.6, 0.3];
    let [a, b] = correlated(20_000, &rho, 1);
    let part = |rows: &Tensor, first| rows.narrow(0, first, 10_000);
    let model = LinearCca::fit(&part(&a, 0), &part(&b, 0), 0.0).expect("a model");
    let (held_a, held_b) = (part(&a, 10_000), part(&b, 10_000));
    let found = model.correlations(&held_a, &held_b);
    for (found, expected) in found.iter().zip(rho) {
        // Four standard errors of a correlation over 10,000 rows.
        let allowed = 4.0 * (1.0 - expected * expected) / 100.0;
        assert!((found - expected).abs() < allowed, "{found} {expected}");
    }
    let measured = held_out_correlations(&model, &held_a, &held_b, &Bootstrap::usual(3));
    let measured = measured.expect("figures");
    for (component, value) in measured.components.iter().zip(&found) {
        let interval = component.interval.expect("an interval");
        assert!((component.correlation.expect("a correlation") - value).abs() < 1e-12);
        assert!(interval.low < *value && *value < interval.high, "{value} {interval:?}");
        // 3.92 standard errors wide, within a fifth.
        let expected = 3.92 * (1.0 - value * value) / 100.0;
        assert!(((interval.high - interval.low) / expected - 1.0).abs() < 0.2, "{interval:?}");
    }
    let sum: f64 = found.iter().sum();
    assert!((measured.sum.correlation.expect("a sum") - sum).abs() < 1e-12);
}

/// Correlations by Cholesky factors instead of eigenvectors: the singular values of `L1^(-1) S12 L2^(-T)`.
fn by_cholesky(a: &Tensor, b: &Tensor, ridge: f64) -> Tensor {
    let Covariances { aa, bb, ab } = Covariances::of_rows(a, b);
    let factor = |covariance: &Tensor| {
        let ridge = covariance.trace() / covariance.size()[0] * ridge;
        let eye = Tensor::eye(covariance.size()[0], (Kind::Double, covariance.device()));
        (covariance + eye * ridge).linalg_cholesky(false)
    };
    let left = factor(&aa).linalg_solve_triangular(&ab, false, true, false);
    let both = factor(&bb).linalg_solve_triangular(&left.tr(), false, true, false);
    both.svd(true, false).1
}

#[test]
fn correlations_equal_those_by_cholesky_factors() {
    let mix = normal(12, 12, 3);
    let a = normal(300, 12, 1).matmul(&mix);
    let b = a.narrow(1, 0, 7) * 0.5 + normal(300, 7, 2) * 3.0;
    for ridge in [0.0, 1e-3, 0.5] {
        let model = LinearCca::fit(&a, &b, ridge).expect("a model");
        let ours = Tensor::from_slice(&model.fitted_correlations());
        assert!(largest_difference(&ours, &by_cholesky(&a, &b, ridge)) < 1e-9);
    }
    let model = LinearCca::fit(&a, &b, 0.0).expect("a model");
    let direct = Tensor::from_slice(&model.correlations(&a, &b));
    assert!(largest_difference(&direct, &by_cholesky(&a, &b, 0.0)) < 1e-9);
    let outputs = model.transform_a(&a);
    let own = outputs.tr().matmul(&outputs) / 299.0;
    let eye = Tensor::eye(7, (Kind::Double, own.device()));
    assert!(largest_difference(&own, &eye) < 1e-9, "outputs have variance 1, each its own");
}

#[test]
fn units_do_not_matter_and_columns_without_variance_give_nothing() {
    let [a, b] = correlated(400, &[0.9, 0.5, 0.2], 5);
    let plain = LinearCca::fit(&a, &b, 0.01).expect("a model").fitted_correlations();
    let scaled = LinearCca::fit(&(&a * 1e4 + 7.0), &(&b * 1e-6), 0.01).expect("a model");
    for (one, other) in plain.iter().zip(scaled.fitted_correlations()) {
        assert!((one - other).abs() < 1e-9, "{one} {other}");
    }
    let still = Tensor::cat(&[&a, &a.narrow(1, 0, 1), &a.narrow(1, 0, 1).ones_like()], 1);
    let model = LinearCca::fit(&still, &b, 0.0).expect("a model");
    let without = LinearCca::fit(&a, &b, 0.0).expect("a model").fitted_correlations();
    for (one, other) in without.iter().zip(model.fitted_correlations()) {
        assert!((one - other).abs() < 1e-6, "{one} {other}");
    }
    let error = LinearCca::fit(&(a * 0.0), &b, 0.0).expect_err("no variance");
    assert!(format!("{error:#}").contains("first: all rows are alike"), "{error:#}");
}

#[test]
fn independent_rows_correlate_where_they_were_fitted_and_nowhere_else() {
    let (a, b) = (normal(3000, 10, 1), normal(3000, 10, 2));
    // What 20, 50 and 200 rows of width 10 give by chance, measured beforehand: 6.6, 3.8, 1.9.
    for (rows, least, most) in [(20, 5.0, 8.2), (50, 3.0, 4.6), (200, 1.4, 2.4)] {
        let part = |rows_of: &Tensor| rows_of.narrow(0, 0, rows);
        let model = LinearCca::fit(&part(&a), &part(&b), 0.0).expect("a model");
        let fitted: f64 = model.fitted_correlations().iter().sum();
        assert!(least < fitted && fitted < most, "{rows} rows: {fitted}");
        let held = model.correlations(&a.narrow(0, 1000, 2000), &b.narrow(0, 1000, 2000));
        assert!(held.iter().all(|value| value.abs() < 0.1), "{held:?}");
    }
}

#[test]
fn a_model_is_the_same_after_its_file() {
    let [a, b] = correlated(200, &[0.9, 0.5, 0.2], 8);
    let model = LinearCca::fit(&a, &b, 0.1).expect("a model").truncated(2);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.safetensors");
    fs::write(&path, model.to_safetensors().expect("bytes")).expect("written");
    let read = LinearCca::read(&path).expect("a model");
    assert_eq!(numbers(&read.transform_a(&a)), numbers(&model.transform_a(&a)));
    assert_eq!(numbers(&read.transform_b(&b)), numbers(&model.transform_b(&b)));
    assert_eq!(read.fitted_correlations(), model.fitted_correlations());
    assert_eq!((read.components(), read.widths()), (2, [3, 3]));

    let bytes = fs::read(&path).expect("bytes");
    fs::write(&path, &bytes[..bytes.len() - 8]).expect("written");
    let message = format!("{:#}", LinearCca::read(&path).expect_err("cut off"));
    assert!(message.contains("m.safetensors: is no sound safetensors file"), "{message}");
    Tensor::write_safetensors(&[("x", &a)], &path).expect("written");
    let message = format!("{:#}", LinearCca::read(&path).expect_err("another file"));
    assert!(message.contains("holds no tensor `correlations`; help"), "{message}");
}

#[test]
fn rows_are_split_by_the_seed_alone() {
    let [fit, held] = split_rows(1000, 0.2, 7);
    assert_eq!((fit.len(), held.len()), (800, 200));
    let mut all = [fit.clone(), held.clone()].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..1000));
    assert_eq!(split_rows(1000, 0.2, 7), [fit, held.clone()]);
    assert_ne!(split_rows(1000, 0.2, 8)[1], held);
    assert!(held.iter().any(|row| *row < 500) && held.iter().any(|row| *row >= 500));
}

/// `n` rows of sines with a noise that is a function of row, side and column alone, so that any program can make them.
fn sines(n: i64) -> [Tensor; 2] {
    let row = |i: i64| {
        let i = i as f64;
        let source =
            [(0.37 * i).sin(), (0.011 * i.powf(1.5)).sin(), (1.7 * i + 0.3 * i.sin()).cos()];
        let noise = |side: f64, column: f64| {
            let wave = 12.9898 * (i + 1.0) * (side + 1.0) + 78.233 * (column + 1.0);
            let value = wave.sin() * 43_758.545_3;
            value - value.floor() - 0.5
        };
        let [s0, s1, s2] = source;
        let a = [
            s0 + 0.5 * noise(0.0, 0.0),
            s1 + 0.8 * s0 + 1.5 * noise(0.0, 1.0),
            0.3 * s2 + noise(0.0, 2.0),
            noise(0.0, 3.0) + 0.2 * s1,
        ];
        let b = [
            s0 - s1 + 0.7 * noise(1.0, 0.0),
            s1 + 1.2 * noise(1.0, 1.0),
            0.4 * s2 - 0.1 * s0 + 0.9 * noise(1.0, 2.0),
        ];
        (a, b)
    };
    let rows: Vec<_> = (0..n).map(row).collect();
    let a: Vec<f64> = rows.iter().flat_map(|(a, _)| *a).collect();
    let b: Vec<f64> = rows.iter().flat_map(|(_, b)| *b).collect();
    [Tensor::from_slice(&a).view([n, 4]), Tensor::from_slice(&b).view([n, 3])]
}

#[test]
fn correlations_equal_those_of_scikit_learn() {
    let [a, b] = sines(400);
    let found = LinearCca::fit(&a, &b, 0.0).expect("a model").fitted_correlations();
    // scikit-learn 1.9, CCA(n_components=3, scale=False, tol=1e-14), correlations of what it makes of these rows.
    let expected = [0.911_915_395_865_773_5, 0.741_867_151_758_312_2, 0.439_393_974_563_457_3];
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn rows_of_a_class_belong_together_as_the_double_sum_says() {
    let (a, b) = (normal(6, 3, 7), normal(6, 2, 8));
    let class = [0usize, 1, 1, 0, 1, 2];
    let mut shares = [0.0f64; 18];
    class.iter().enumerate().for_each(|(row, class)| shares[row * 3 + class] = 1.0);
    let classes = Tensor::from_slice(&shares).view([6, 3]);
    let plain = Covariances::of_rows(&a, &b);
    let mixed = |share| Covariances::of_rows(&a, &b).mixed((&a, &b), &classes, share);
    assert!(mixed(1.0).ab.equal(&plain.ab), "with pairs alone, classes change nothing");
    let centered = |rows: &Tensor| rows - rows.mean_dim([0i64].as_slice(), true, Kind::Double);
    let (x, y) = (centered(&a), centered(&b));
    let (mut sum, mut pairs) = (Tensor::zeros_like(&plain.ab), 0.0);
    for (i, of_i) in class.iter().enumerate() {
        for (j, of_j) in class.iter().enumerate() {
            if of_i == of_j {
                sum += x.get(i as i64).outer(&y.get(j as i64));
                pairs += 1.0;
            }
        }
    }
    let expected = &plain.ab * 0.2 + sum / pairs * 0.8;
    assert!(largest_difference(&mixed(0.2).ab, &expected) < 1e-12);
    assert!(mixed(0.2).aa.equal(&plain.aa));
}
