//! The differentiable correlation: its value, its gradient, and rows whose decomposition has no derivative.

use std::num::NonZeroUsize;

use equiav_cca::{Covariances, LinearCca, SpectralSum, canonical_correlation};
use tch::{Kind, Tensor};

use crate::{largest_difference, normal};

const RIDGE: f64 = 1e-3;

fn sums() -> [SpectralSum; 3] {
    let two = NonZeroUsize::new(2).expect("two");
    [SpectralSum::All, SpectralSum::Top(two), SpectralSum::Squares]
}

fn of_rows(a: &Tensor, b: &Tensor, sum: SpectralSum) -> Tensor {
    canonical_correlation(&Covariances::of_rows(a, b), sum, RIDGE).expect("a number")
}

#[test]
fn values_are_sums_over_the_correlations() {
    let a = normal(80, 5, 1);
    let b = a.narrow(1, 0, 4) + normal(80, 4, 2);
    let correlation = |sum| {
        let covariances = Covariances::of_rows(&a, &b);
        canonical_correlation(&covariances, sum, 0.0).expect("a number").double_value(&[])
    };
    let each = LinearCca::fit(&a, &b, 0.0).expect("a model").fitted_correlations();
    let expected =
        [each.iter().sum(), each[0] + each[1], each.iter().map(|value| value * value).sum::<f64>()];
    for (sum, expected) in sums().into_iter().zip(expected) {
        assert!((correlation(sum) - expected).abs() < 1e-10, "{sum:?}");
    }
    // Identical rows correlate perfectly.
    let same = canonical_correlation(&Covariances::of_rows(&a, &a), SpectralSum::All, 0.0);
    assert!((same.expect("a number").double_value(&[]) - 5.0).abs() < 1e-9);
}

#[test]
fn the_gradient_equals_finite_differences() {
    let a = normal(40, 4, 3);
    let b = a.narrow(1, 0, 3) * 0.7 + normal(40, 3, 4);
    for sum in sums() {
        let [x, y] = [&a, &b].map(|rows| rows.copy().set_requires_grad(true));
        of_rows(&x, &y, sum).backward();
        for (moved, gradient) in [(0, x.grad()), (1, y.grad())] {
            for index in 0..3 {
                let step = 1e-5;
                let at = |by: f64| {
                    let rows = [a.copy(), b.copy()];
                    let mut entry = rows[moved].get(7 * index).get(index);
                    entry += by;
                    of_rows(&rows[0], &rows[1], sum).double_value(&[])
                };
                let expected = (at(step) - at(-step)) / (2.0 * step);
                let found = gradient.double_value(&[7 * index, index]);
                assert!((found - expected).abs() < 1e-8, "{sum:?}: {found} {expected}");
            }
        }
    }
}

#[test]
fn equal_singular_values_have_a_gradient() {
    // Of a sample and itself every correlation is the same: a decomposition has no derivative there.
    let a = normal(60, 6, 5).set_requires_grad(true);
    of_rows(&a, &a.detach(), SpectralSum::All).backward();
    assert_eq!(a.grad().isfinite().all().int64_value(&[]), 1);
    assert!(a.grad().abs().max().double_value(&[]) < 1e-3, "it is the maximum, but for the ridge");
}

#[test]
fn narrow_floats_get_their_gradient_from_wide_ones() {
    let (a, b) = (normal(50, 4, 6), normal(50, 4, 7));
    let narrow = a.to_kind(Kind::Float).set_requires_grad(true);
    of_rows(&narrow, &b, SpectralSum::All).backward();
    let wide = a.set_requires_grad(true);
    of_rows(&wide, &b, SpectralSum::All).backward();
    assert_eq!(narrow.grad().kind(), Kind::Float);
    assert!(largest_difference(&narrow.grad().to_kind(Kind::Double), &wide.grad()) < 1e-6);
}

#[test]
fn climbing_the_gradient_finds_the_correlations() {
    let [a, b] = crate::correlated(2000, &[0.95, 0.8, 0.6, 0.3], 11);
    let best: f64 =
        LinearCca::fit(&a, &b, 0.0).expect("a model").fitted_correlations()[..2].iter().sum();
    let [mut u, mut v] = [12, 13].map(|seed| normal(4, 2, seed).set_requires_grad(true));
    let mut value = 0.0;
    for _ in 0..300 {
        let up = of_rows(&a.matmul(&u), &b.matmul(&v), SpectralSum::All);
        up.backward();
        value = up.double_value(&[]);
        tch::no_grad(|| {
            for weights in [&mut u, &mut v] {
                let gradient = weights.grad();
                *weights += gradient;
                weights.zero_grad();
            }
        });
    }
    assert!(best - value < 0.01, "{value} of {best}");
}
