//! Autocast regions: what they narrow, how they nest, and that they end whatever happens.

use std::panic::{AssertUnwindSafe, catch_unwind};

use equiav_torch::{AutocastKind, autocast, autocast_kind, without_autocast};
use tch::{Device, Kind, Tensor};

const KINDS: [AutocastKind; 2] = [AutocastKind::BFloat16, AutocastKind::Half];

fn matrix() -> Tensor {
    Tensor::linspace(-1.0, 1.0, 64, (Kind::Float, Device::Cpu)).reshape([8, 8])
}

fn product_kind() -> Kind {
    matrix().matmul(&matrix()).kind()
}

#[test]
fn products_are_narrowed_inside_and_only_there() {
    for kind in KINDS {
        assert_eq!(product_kind(), Kind::Float);
        let (product, sum) = autocast(Device::Cpu, kind, || {
            assert_eq!(autocast_kind(Device::Cpu), Some(kind));
            assert_eq!(autocast_kind(Device::Cuda(0)), None, "each type of device for itself");
            (matrix().matmul(&matrix()), matrix() + matrix())
        });
        assert_eq!((product.kind(), sum.kind()), (kind.kind(), Kind::Float));
        let (narrow, exact) = (product.to_kind(Kind::Float), matrix().matmul(&matrix()));
        let error = (&narrow - &exact).abs().max().double_value(&[]);
        assert!(error > 0.0 && error < 0.05, "narrowed to {kind:?}: {error}");
        assert_eq!((product_kind(), autocast_kind(Device::Cpu)), (Kind::Float, None));
    }
}

#[test]
fn regions_nest_and_may_be_left_for_a_while() {
    let kinds = autocast(Device::Cpu, AutocastKind::BFloat16, || {
        let inner = autocast(Device::Cpu, AutocastKind::Half, product_kind);
        let outside = without_autocast(Device::Cpu, product_kind);
        [inner, outside, product_kind()]
    });
    assert_eq!(kinds, [Kind::Half, Kind::Float, Kind::BFloat16]);
}

#[test]
fn a_panic_ends_the_region() {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        autocast(Device::Cpu, AutocastKind::BFloat16, || {
            autocast(Device::Cpu, AutocastKind::Half, || panic!("on purpose"))
        })
    }));
    assert!(outcome.is_err());
    assert_eq!((product_kind(), autocast_kind(Device::Cpu)), (Kind::Float, None));
}

#[test]
fn a_cast_parameter_is_not_served_in_another_kind_nor_after_the_region() {
    // A copy, since casts of views are not remembered.
    let parameter = matrix().copy().set_requires_grad(true);
    let product = || matrix().matmul(&parameter);
    for kind in KINDS {
        autocast(Device::Cpu, kind, || {
            assert_eq!(product().kind(), kind.kind());
            for inner in KINDS {
                assert_eq!(autocast(Device::Cpu, inner, product).kind(), inner.kind());
                assert_eq!(product().kind(), kind.kind());
            }
        });
        // An update between two regions must reach the second.
        let before = autocast(Device::Cpu, kind, product);
        let _ = tch::no_grad(|| parameter.shallow_clone().g_mul_scalar_(2.0));
        let after = autocast(Device::Cpu, kind, product);
        assert_ne!(before, after);
    }
}

#[test]
fn gradients_have_the_kind_of_their_parameter() {
    let parameter = matrix().set_requires_grad(true);
    let loss = autocast(Device::Cpu, AutocastKind::BFloat16, || matrix().matmul(&parameter));
    loss.sum(Kind::Float).backward();
    assert_eq!(parameter.grad().kind(), Kind::Float);
    let expected = matrix().sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
    let expected = expected.unsqueeze(1).expand([8, 8], false);
    let error = (parameter.grad() - expected).abs().max().double_value(&[]);
    assert!(error < 0.05, "{error}");
}

#[test]
fn a_pass_without_gradient_leaves_no_cast_that_lacks_it() {
    let parameter = matrix().copy().set_requires_grad(true);
    let loss = autocast(Device::Cpu, AutocastKind::BFloat16, || {
        let _ = tch::no_grad(|| matrix().matmul(&parameter));
        matrix().matmul(&parameter)
    });
    assert!(loss.requires_grad());
}
