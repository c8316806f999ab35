//! The inverse square root of a covariance.

use equiav_cca::inverse_square_root;
use tch::{Device, Kind, Tensor};

use crate::normal;

#[test]
fn twice_it_is_the_inverse() {
    let rows = normal(50, 6, 1);
    let matrix = rows.tr().matmul(&rows);
    let root = inverse_square_root(&matrix, 0.5, 0.0).expect("a root");
    let eye = Tensor::eye(6, (Kind::Double, Device::Cpu));
    let product = root.matmul(&root).matmul(&(matrix + &eye * 0.5));
    assert!((product - eye).abs().max().double_value(&[]) < 1e-12);
}

#[test]
fn the_floor_and_directions_without_variance() {
    let matrix = Tensor::from_slice(&[4.0, 1e-20, 0.0]).diag(0);
    let diagonal = |floor| {
        let root = inverse_square_root(&matrix, 0.0, floor).expect("a root");
        Vec::<f64>::try_from(root.diagonal(0, 0, 1)).expect("numbers")
    };
    assert_eq!(diagonal(0.25), [0.5, 1.0, 1.0]);
    let bare = diagonal(0.0);
    assert!(bare[0] == 0.5 && (bare[1] / 1e10 - 1.0).abs() < 1e-12 && bare[2] == 0.0);
    assert!(inverse_square_root(&(matrix * f64::NAN), 0.0, 0.0).is_err());
}
