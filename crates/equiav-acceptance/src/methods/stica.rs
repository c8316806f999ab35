//! What attention pooling of STiCA can tell that a mean cannot: which of two events came first. (That crops are slices, reach every
//! offset and cost one pass of the encoder are ordinary tests of the method.)

use std::collections::BTreeMap;

use equiav_augment::random::below;
use equiav_augment::{Modality, Purpose, stream};
use equiav_models::{Activation, HeadConfig, PoolConfig};
use equiav_train::clips::{ArrayClips, Values};
use equiav_train::engine::seeded;
use equiav_train::methods::uavm::{Uavm, UavmSettings};
use ndarray::{Array2, Array3, s};
use tch::Kind;

use crate::criterion::{Bar, Criterion};
use crate::training::{Schedule, Shape, embedded, towers, trained};
use crate::world::normal;

const A: Modality = Modality::AUDIO;
const V: Modality = Modality::VISUAL;
const TOKENS: usize = 4;
const WIDTH: usize = 16;

/// Every figure of the method.
///
/// # Errors
///
/// If libtorch or the disk fails.
pub(crate) fn figures(seeds: &[u64]) -> anyhow::Result<Vec<Criterion>> {
    let of = |pool: PoolConfig| -> anyhow::Result<Vec<f64>> {
        seeds.iter().map(|seed| order(*seed, pool)).collect()
    };
    let attention = PoolConfig::Transformer { layers: 2, heads: 4 };
    Ok(vec![
        Criterion::new(
            "which of two events comes first, mean of 4 tokens: accuracy",
            of(PoolConfig::Mean)?,
            Bar::AtMost(0.55),
        ),
        Criterion::new(
            "the same, first token of a transformer: accuracy",
            of(attention)?,
            Bar::AtLeast(0.95),
        ),
    ])
}

/// Clips of two events, each two tokens long, in one order or the other, which is their class.
fn clips(seed: u64, part: u64, count: usize) -> anyhow::Result<(ArrayClips, Vec<usize>)> {
    let events = normal((2, WIDTH), &mut stream(seed, u64::MAX, 0, Purpose::Synthesis));
    let mut rng = stream(seed, part, 0, Purpose::Synthesis);
    let orders: Vec<usize> = (0..count).map(|_| below(2, &mut rng)).collect();
    let mut seen = || {
        let noise = normal((count * TOKENS, WIDTH), &mut rng) * 0.3;
        let mut tokens: Array3<f32> =
            noise.into_shape_with_order((count, TOKENS, WIDTH)).expect("as many numbers");
        for (clip, order) in orders.iter().enumerate() {
            for place in 0..TOKENS {
                let event = (usize::from(place >= TOKENS / 2) + order) % 2;
                let mut token = tokens.slice_mut(s![clip, place, ..]);
                token += &events.row(event);
            }
        }
        Values::from(tokens)
    };
    let mut labels = Array2::zeros((count, 2));
    orders.iter().enumerate().for_each(|(clip, order)| labels[[clip, *order]] = 1.0);
    let both = BTreeMap::from([(A, seen()), (V, seen())]);
    Ok((ArrayClips::new(both)?.with_labels(labels)?, orders))
}

/// The accuracy of a classifier of sounds over that pool.
fn order(seed: u64, pool: PoolConfig) -> anyhow::Result<f64> {
    let ((train, _), (test, classes)) = (clips(seed, 0, 2_000)?, clips(seed, 1, 1_000)?);
    let shape = Shape {
        input: WIDTH,
        layers: vec![16],
        activation: Activation::Relu,
        head: HeadConfig::NONE,
        readout: None,
        pool,
    };
    let settings = UavmSettings {
        name: "uavm".to_owned(),
        audio_share: 0.5,
        smoothing: 0.0,
        mixup: 0.0,
        multilabel: false,
        own_classifiers: true,
    };
    let schedule = Schedule { epochs: 10, batch: 100, lr: 2e-3, weights: vec![] };
    let method = trained(seed, &schedule, &train, || {
        let towers = towers(seed, &[(A, shape.clone()), (V, shape.clone())]);
        seeded(seed + 1, || Uavm::new(towers, settings, 2, seed))
    })?;
    let rows = embedded(&method.towers, &test);
    let scores = tch::no_grad(|| method.scores(A, &rows[&A].to_kind(Kind::Float)));
    let best: Vec<i64> = Vec::try_from(scores.argmax(1, false))?;
    let right = best.iter().zip(&classes).filter(|(best, class)| **best == **class as i64);
    Ok(right.count() as f64 / classes.len() as f64)
}
