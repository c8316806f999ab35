//! Losses in chunks on a batch whose scores would take gigabytes. A process of its own, since it is the
//! whole process whose memory is measured.
#![cfg(target_os = "linux")]

use std::fs;

use equiav_loss::{Contrast, Keys, info_nce, nt_xent};
use tch::{Device, Kind, Tensor};

/// Rows of the whole batch, and of the rank whose loss is computed.
const ALL: i64 = 32_768;
const OWN: i64 = 2_048;
const WIDTH: i64 = 64;
const CHUNK: i64 = 32;
const MEBIBYTE: i64 = 1 << 20;

/// The most memory this process has held at once, in MiB.
fn peak() -> i64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    line.trim().trim_end_matches("kB").trim().parse::<i64>().expect("KiB") / 1024
}

fn rows() -> Tensor {
    Tensor::randn([ALL, WIDTH], (Kind::Float, Device::Cpu)).set_requires_grad(true)
}

/// By how many MiB a loss and its backward pass raise the peak.
fn growth(loss: impl FnOnce(&Tensor, &Tensor, &Keys) -> Contrast) -> i64 {
    let (a, b) = (rows(), rows());
    let (own_a, own_b) = (a.narrow(0, OWN, OWN), b.narrow(0, OWN, OWN));
    let keys = Keys { first: OWN, ..Keys::own(&a, &b) };
    let before = peak();
    loss(&own_a, &own_b, &keys).loss.backward();
    let lengths = [a, b].map(|rows| rows.grad().norm().double_value(&[]));
    assert!(lengths.iter().all(|length| length.is_finite() && *length > 0.0), "{lengths:?}");
    peak() - before
}

#[test]
fn memory_grows_with_the_batch_and_not_with_its_square() {
    // One thread: on a busy machine two wait for one another at every small operation.
    tch::set_num_threads(1);
    tch::manual_seed(0);
    let inter = growth(|a, b, keys| info_nce(a, b, keys, 0.07, Some(CHUNK)));
    let intra = growth(|a, b, keys| nt_xent(a, b, keys, 0.07, Some(CHUNK)));
    // The whole losses keep four matrices of these sizes, or more, for the backward pass.
    let (inter_scores, intra_scores) = (OWN * ALL * 4 / MEBIBYTE, OWN * 2 * ALL * 4 / MEBIBYTE);
    assert!(inter < inter_scores, "{inter} MiB, one matrix of scores has {inter_scores}");
    assert!(intra < intra_scores, "{intra} MiB, one matrix of scores has {intra_scores}");
}
