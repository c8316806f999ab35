//! Both losses against their formulas in plain loops, the published figures, and their laws.

use std::path::Path;

use proptest::prelude::*;
use tch::{Device, Kind, Tensor, no_grad};

use super::{Contrast, DEFAULT_TEMPERATURE, Keys, Temperature, contrast, info_nce, nt_xent};

type Loss = fn(&Tensor, &Tensor, &Keys, Temperature<'_>) -> Contrast;
type Rows = Vec<Vec<f64>>;

/// Every law holds for both, and for both in chunks.
const LOSSES: [(&str, Loss); 4] = [
    ("info_nce", |a, b, keys, tau| info_nce(a, b, keys, tau, None)),
    ("nt_xent", |a, b, keys, tau| nt_xent(a, b, keys, tau, None)),
    ("info_nce in chunks", |a, b, keys, tau| info_nce(a, b, keys, tau, Some(2))),
    ("nt_xent in chunks", |a, b, keys, tau| nt_xent(a, b, keys, tau, Some(2))),
];

fn value(x: &Tensor) -> f64 {
    x.double_value(&[])
}

fn tensor(rows: &Rows) -> Tensor {
    let flat: Vec<f64> = rows.concat();
    Tensor::from_slice(&flat).reshape([rows.len() as i64, rows[0].len() as i64])
}

/// `n` rows of `d` numbers in [-1, 1), equal for equal seeds.
fn rows(n: usize, d: usize, seed: u64) -> Rows {
    let number = |i: usize| {
        let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (i as u64 + 1);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..n).map(|row| (0..d).map(|column| number(row * d + column)).collect()).collect()
}

fn exp_similarity(x: &[f64], y: &[f64], tau: f64) -> f64 {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    (dot(x, y) / (dot(x, x).sqrt() * dot(y, y).sqrt() * tau)).exp()
}

/// One direction of a documented formula: the loss, and the share of rows solved.
fn miss(x: &Rows, y: &Rows, tau: f64, own_branch: bool) -> (f64, f64) {
    let (mut loss, mut solved) = (0.0, 0.0);
    for (i, row) in x.iter().enumerate() {
        let positive = exp_similarity(row, &y[i], tau);
        let mut negatives = Vec::new();
        for j in (0..x.len()).filter(|j| *j != i) {
            negatives.push(exp_similarity(row, &y[j], tau));
            if own_branch {
                negatives.push(exp_similarity(row, &x[j], tau));
            }
        }
        loss -= (positive / (positive + negatives.iter().sum::<f64>())).ln();
        solved += f64::from(u8::from(negatives.iter().all(|negative| *negative < positive)));
    }
    (loss / x.len() as f64, solved / x.len() as f64)
}

fn check_formula(own_branch: bool, n: usize, d: usize, tau: f64, seed: u64) {
    let (a, b) = (rows(n, d, seed), rows(n, d, seed + 1000));
    let (forth, solved) = miss(&a, &b, tau, own_branch);
    let (back, _) = miss(&b, &a, tau, own_branch);
    let (a, b) = (tensor(&a), tensor(&b));
    for (name, loss) in LOSSES.into_iter().skip(usize::from(own_branch)).step_by(2) {
        let ours = loss(&a, &b, &Keys::own(&a, &b), tau.into());
        assert_eq!((ours.loss.kind(), ours.top1.kind()), (Kind::Double, Kind::Float), "{name}");
        let error = value(&ours.loss) - (forth + back) / 2.0;
        // 64-bit sums in another order
        assert!(error.abs() < 1e-9, "{name} of n {n}, d {d}, tau {tau}");
        let error = value(&ours.top1) - solved;
        assert!(error.abs() < 1e-6, "top1 of {name} of n {n}, d {d}, tau {tau}");
    }
}

/// Shares of one process's rows, as `ranks` equal ranks would hold them.
fn mean_over_ranks(loss: Loss, a: &Tensor, b: &Tensor, ranks: i64, keys: &Keys) -> Contrast {
    let n = a.size()[0] / ranks;
    let (mut losses, mut top1s) = (Vec::new(), Vec::new());
    for rank in 0..ranks {
        let first = rank * n;
        let keys = Keys { first, ..Keys::own(&keys.a, &keys.b) };
        let own = loss(&a.narrow(0, first, n), &b.narrow(0, first, n), &keys, 0.1.into());
        losses.push(own.loss);
        top1s.push(own.top1);
    }
    Contrast {
        loss: Tensor::stack(&losses, 0).mean(None),
        top1: Tensor::stack(&top1s, 0).mean(None),
    }
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    value(&(a - b).abs().max())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn equals_its_formula(n in 1usize..9, d in 2usize..9, tau in 0.05f64..2.0, seed in 0u64..1 << 40) {
        check_formula(false, n, d, tau, seed);
        check_formula(true, n, d, tau, seed);
    }

    #[test]
    fn several_ranks_average_to_one_process(n in 1i64..5, ranks in 1i64..5, d in 2usize..9, seed in 0u64..1 << 40) {
        let all = (n * ranks) as usize;
        let (a, b) = (tensor(&rows(all, d, seed)), tensor(&rows(all, d, seed + 7)));
        let keys = Keys::own(&a, &b);
        for (name, loss) in LOSSES {
            let one = loss(&a, &b, &keys, 0.1.into());
            let many = mean_over_ranks(loss, &a, &b, ranks, &keys);
            prop_assert!(largest_difference(&one.loss, &many.loss) < 1e-9, "{}", name);
            prop_assert!(largest_difference(&one.top1, &many.top1) < 1e-6, "{}", name);
        }
    }

    #[test]
    fn the_length_of_a_row_does_not_matter(n in 1usize..6, scale in -6f64..6.0, seed in 0u64..1 << 40) {
        let (a, b) = (tensor(&rows(n, 5, seed)), tensor(&rows(n, 5, seed + 7)));
        let lengths = Tensor::linspace(1.0, 3.0, n as i64, (Kind::Double, Device::Cpu));
        let (longer_a, longer_b) = (&a * 10f64.powf(scale), &b * lengths.unsqueeze(1));
        for (name, loss) in LOSSES {
            let plain = loss(&a, &b, &Keys::own(&a, &b), 0.1.into()).loss;
            let longer = loss(&longer_a, &longer_b, &Keys::own(&longer_a, &longer_b), 0.1.into()).loss;
            prop_assert!(largest_difference(&plain, &longer) < 1e-9, "{}", name);
        }
    }
}

#[test]
fn gradients_of_ranks_average_to_one_process_when_keys_carry_gradient() {
    for (name, loss) in LOSSES {
        let gradients = |ranks: i64, with_gradient: bool| {
            let a = tensor(&rows(6, 5, 1)).set_requires_grad(true);
            let b = tensor(&rows(6, 5, 2)).set_requires_grad(true);
            let keys =
                if with_gradient { Keys::own(&a, &b) } else { Keys::own(&a.detach(), &b.detach()) };
            mean_over_ranks(loss, &a, &b, ranks, &keys).loss.backward();
            Tensor::cat(&[a.grad(), b.grad()], 0)
        };
        let one = gradients(1, true);
        assert!(largest_difference(&one, &gradients(2, true)) < 1e-9, "{name}");
        assert!(largest_difference(&one, &gradients(3, true)) < 1e-9, "{name}");
        assert!(largest_difference(&one, &gradients(2, false)) > 1e-3, "{name}: keys were ignored");
    }
}

#[test]
fn equal_rows_leave_the_logarithm_of_the_number_of_candidates() {
    let ones = Tensor::ones([8, 4], (Kind::Double, Device::Cpu));
    for ((_, loss), candidates) in LOSSES.into_iter().zip([8.0, 15.0, 8.0, 15.0]) {
        let loss = loss(&ones, &ones, &Keys::own(&ones, &ones), DEFAULT_TEMPERATURE.into()).loss;
        assert!((value(&loss) - f64::ln(candidates)).abs() < 1e-9);
    }
}

#[test]
fn narrow_rows_are_computed_in_32_bits() {
    let (a, b) = (tensor(&rows(4, 6, 3)), tensor(&rows(4, 6, 4)));
    let (narrow_a, narrow_b) = (a.to_kind(Kind::BFloat16), b.to_kind(Kind::BFloat16));
    for (name, loss) in LOSSES {
        let narrow = loss(&narrow_a, &narrow_b, &Keys::own(&narrow_a, &narrow_b), 0.07.into()).loss;
        let (a, b) = (narrow_a.to_kind(Kind::Double), narrow_b.to_kind(Kind::Double));
        let wide = loss(&a, &b, &Keys::own(&a, &b), 0.07.into()).loss;
        assert_eq!(narrow.kind(), Kind::Float, "{name}");
        assert!(largest_difference(&narrow.to_kind(Kind::Double), &wide) < 1e-5, "{name}");
    }
}

#[test]
fn a_row_of_zeros_leaves_loss_and_gradient_finite() {
    for (name, loss) in LOSSES {
        let a = Tensor::zeros([3, 4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let b = tensor(&rows(3, 4, 5)).to_kind(Kind::Float);
        let ours = loss(&a, &b, &Keys::own(&a, &b), 0.07.into()).loss;
        ours.backward();
        assert!(value(&ours).is_finite(), "{name}");
        assert_eq!(value(&a.grad().isfinite().all()), 1.0, "{name}");
    }
}

#[test]
fn a_learned_temperature_gives_the_same_loss_and_its_own_gradient() {
    let (a, b) = (tensor(&rows(5, 6, 8)), tensor(&rows(5, 6, 9)));
    let keys = Keys::own(&a, &b);
    for (name, loss) in LOSSES {
        let at = |tau: f64| value(&loss(&a, &b, &keys, tau.into()).loss);
        let tau = Tensor::from(0.2f64).set_requires_grad(true);
        let learned = loss(&a, &b, &keys, (&tau).into()).loss;
        learned.backward();
        let step = 1e-5;
        let slope = (at(0.2 + step) - at(0.2 - step)) / (2.0 * step);
        assert!((value(&learned) - at(0.2)).abs() < 1e-12, "{name}");
        assert!((value(&tau.grad()) - slope).abs() < 1e-6, "{name}");
    }
}

/// Value, share and the gradients of rows, keys and temperature.
fn everything(
    loss: impl Fn(&Tensor, &Tensor, &Keys, Temperature<'_>) -> Contrast,
    n: i64,
    keys: i64,
    kind: Kind,
) -> Vec<Tensor> {
    let leaf = |rows: i64, seed| tensor(&rows_of(rows, seed)).to_kind(kind).set_requires_grad(true);
    let (a, b) = (leaf(n, 21), leaf(n, 22));
    let foreign = [leaf(keys, 23), leaf(keys, 24)];
    let first = (keys - n) / 2;
    // Keys of other ranks carry gradient as well, and this rank's own lie among them.
    let [key_a, key_b] = [(&a, &foreign[0]), (&b, &foreign[1])].map(|(own, foreign)| {
        let after = foreign.narrow(0, first + n, keys - first - n);
        Tensor::cat(&[&foreign.narrow(0, 0, first), own, &after], 0)
    });
    let tau = Tensor::from(0.15f64).to_kind(kind).set_requires_grad(true);
    let ours = loss(&a, &b, &Keys { a: key_a, b: key_b, first }, (&tau).into());
    (&ours.loss * 3.0).backward();
    let [foreign_a, foreign_b] = &foreign;
    let gradients = [&a, &b, foreign_a, foreign_b, &tau].map(Tensor::grad);
    [ours.loss.detach(), ours.top1].into_iter().chain(gradients).collect()
}

fn rows_of(n: i64, seed: u64) -> Rows {
    rows(n as usize, 6, seed)
}

#[test]
fn chunks_of_any_size_give_what_the_whole_gives() {
    type Chunked = fn(&Tensor, &Tensor, &Keys, Temperature<'_>, i64) -> Contrast;
    let pairs: [(Loss, Chunked); 2] = [
        (LOSSES[0].1, |a, b, keys, tau, rows| info_nce(a, b, keys, tau, Some(rows))),
        (LOSSES[1].1, |a, b, keys, tau, rows| nt_xent(a, b, keys, tau, Some(rows))),
    ];
    let cases = [(7, 7), (5, 12), (1, 4)];
    for (n, keys) in cases {
        for (kind, tolerance) in [(Kind::Double, 1e-10), (Kind::Float, 1e-5)] {
            for (whole, chunked) in pairs {
                let whole = everything(whole, n, keys, kind);
                for rows in [1, 3, n, 1000] {
                    let ours =
                        everything(|a, b, keys, tau| chunked(a, b, keys, tau, rows), n, keys, kind);
                    for (part, (ours, whole)) in ours.iter().zip(&whole).enumerate() {
                        assert_eq!((ours.kind(), ours.size()), (whole.kind(), whole.size()));
                        let scale = value(&whole.abs().max()).max(1e-3);
                        let error = largest_difference(ours, whole) / scale;
                        assert!(error < tolerance, "part {part} of {n} of {keys} rows: {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_fixed_temperature_and_rows_without_gradient_do_too() {
    let (a, b) = (tensor(&rows(6, 5, 1)), tensor(&rows(6, 5, 2)));
    for place in 0..2 {
        let [plain, chunked] = [LOSSES[place].1, LOSSES[place + 2].1].map(|loss| {
            let a = a.copy().set_requires_grad(true);
            let loss = loss(&a, &b, &Keys::own(&a.detach(), &b), 0.07.into()).loss;
            loss.backward();
            (loss.detach(), a.grad())
        });
        assert!(largest_difference(&plain.0, &chunked.0) < 1e-10);
        assert!(largest_difference(&plain.1, &chunked.1) < 1e-10);
    }
}

/// A contrast of any positives and masks against its formula in plain loops: the loss and the share solved.
fn naive_contrast(queries: &Rows, keys: &Rows, positives: &[i64], masked: &[[i64; 2]]) -> [f64; 2] {
    let (mut loss, mut solved) = (0.0, 0.0);
    for ((query, positive), masked) in queries.iter().zip(positives).zip(masked) {
        let taken = |key: &usize| !masked.contains(&(*key as i64));
        let exp = |key: usize| exp_similarity(query, &keys[key], 0.3);
        let all: Vec<f64> = (0..keys.len()).filter(taken).map(exp).collect();
        let own = exp(*positive as usize);
        loss -= (own / all.iter().sum::<f64>()).ln();
        solved += f64::from(u8::from(all.iter().all(|other| *other <= own)));
    }
    [loss, solved].map(|sum| sum / queries.len() as f64)
}

#[test]
fn a_contrast_of_any_keys_positives_and_masks_equals_its_formula() {
    let (queries, keys) = (rows(3, 5, 31), rows(8, 5, 32));
    // two queries share a positive; the last masks one key twice
    let (positives, masked) = ([6, 1, 6], [[0, 7], [2, 6], [3, 3]]);
    let [loss, share] = naive_contrast(&queries, &keys, &positives, &masked);
    let (queries, keys) = (tensor(&queries), tensor(&keys));
    let parts = keys.split_with_sizes([3, 5], 0);
    let positives = Tensor::from_slice(&positives);
    let positions = Tensor::from_slice(masked.as_flattened()).reshape([3, 2]);
    let flags = Tensor::zeros([3, 8], (Kind::Bool, Device::Cpu)).scatter_value(1, &positions, 1);
    for keys in [&[&keys][..], &[&parts[0], &parts[1]]] {
        for mask in [&positions, &flags] {
            for chunk in [None, Some(1), Some(2), Some(9)] {
                let ours = contrast(&queries, keys, &positives, 0.3, Some(mask), chunk);
                let error = (value(&ours.loss) - loss).abs();
                assert!(error < 1e-12, "{error} in chunks of {chunk:?}");
                assert!((value(&ours.top1) - share).abs() < 1e-6, "in chunks of {chunk:?}");
            }
        }
    }
}

#[test]
fn what_a_contrast_cannot_compare_is_refused() {
    let size = |size: [i64; 2], kind| Tensor::zeros(size, (kind, Device::Cpu));
    let (queries, keys) = (size([2, 3], Kind::Float), size([4, 3], Kind::Float));
    let positives = Tensor::from_slice(&[0i64, 1]);
    let refused = |positives: &Tensor, mask: Option<&Tensor>| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            contrast(&queries, &[&keys], positives, 0.1, mask, None)
        }))
        .is_err()
    };
    assert!(!refused(&positives, None));
    assert!(refused(&Tensor::from_slice(&[0i64]), None), "a query without a positive");
    assert!(refused(&Tensor::from_slice(&[0f32, 1.0]), None), "positives that are no positions");
    assert!(!refused(&positives, Some(&size([2, 4], Kind::Bool))));
    assert!(refused(&positives, Some(&size([2, 3], Kind::Bool))), "a mask of other keys");
    assert!(refused(&positives, Some(&size([1, 1], Kind::Int64))), "a mask of other queries");
    assert!(refused(&positives, Some(&size([2, 4], Kind::Float))), "a mask of no positions");
}

#[test]
fn wrong_sizes_are_named() {
    let size = |n: i64, d: i64| Tensor::ones([n, d], (Kind::Float, Device::Cpu));
    let refused = |a: &Tensor, b: &Tensor, keys: Keys, tau: f64| {
        let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            no_grad(|| nt_xent(a, b, &keys, tau, None))
        }));
        let payload = failure.expect_err("should not have been accepted");
        payload.downcast::<String>().map_or_else(|_| String::new(), |message| *message)
    };
    let (a, keys) = (size(2, 3), |first| Keys { a: size(4, 3), b: size(4, 3), first });
    assert!(refused(&a, &size(3, 3), keys(0), 0.1).contains("nt_xent: the two kinds of rows"));
    assert!(refused(&size(2, 4), &size(2, 4), keys(0), 0.1).contains("keys and rows differ"));
    assert!(refused(&a, &a, keys(3), 0.1).contains("2 rows from row 3 on do not fit into 4 keys"));
    assert!(refused(&a, &a, keys(-1), 0.1).contains("from row -1"));
    assert!(refused(&a, &a, keys(0), 0.0).contains("0 is no temperature"));
    let chunked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        nt_xent(&a, &a, &keys(0), 0.1, Some(0))
    }));
    assert!(chunked.is_err(), "chunks of no rows");
    assert!(refused(&a.reshape([6]), &a, keys(0), 0.1).contains("rows are [n, d], not [6]"));
}

#[test]
fn equals_the_published_first_step() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/model_tiny");
    let text = std::fs::read_to_string(folder.join("trajectory.json")).expect("trajectory");
    let trajectory: serde_json::Value = serde_json::from_str(&text).expect("json");
    let tensors = Tensor::read_safetensors(folder.join("embeddings.safetensors")).expect("rows");
    let rows = |name: &str| &tensors.iter().find(|(key, _)| key == name).expect(name).1;
    let tau = trajectory["tau"].as_f64().expect("tau");
    let step = |name: &str| trajectory["steps"][0][name].as_f64().expect("figure");

    for (figure, loss, a, b) in [
        ("inter", LOSSES[0].1, "z_a_inter", "z_v_inter"),
        ("intra_a", LOSSES[1].1, "z_a_equi", "z_a_aug"),
        ("intra_v", LOSSES[1].1, "z_v_equi", "z_v_aug"),
    ] {
        let (a, b) = (rows(a), rows(b));
        let ours = loss(a, b, &Keys::own(a, b), tau.into());
        // 32-bit arithmetic of values up to 5
        assert!((value(&ours.loss) - step(figure)).abs() < 1e-5, "{figure}: {:?}", ours.loss);
        let accuracy = 100.0 * value(&ours.top1);
        assert!((accuracy - step(&format!("acc_{figure}"))).abs() < 1e-4, "{figure}: {accuracy} %");
    }
}
