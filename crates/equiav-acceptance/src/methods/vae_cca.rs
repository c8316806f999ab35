//! VAE-CCA beside linear CCA: retrieval by class, and what its terms bring.

use equiav_augment::Modality;
use equiav_cca::LinearCca;
use equiav_models::{Activation, HeadConfig, PoolConfig};
use equiav_train::engine::seeded;
use equiav_train::methods::vae_cca::{Centers, VaeCca, VaeCcaSettings};

use crate::criterion::{Bar, Criterion};
use crate::measures::class_map;
use crate::training::{Schedule, Shape, embedded, tensor, towers, trained};
use crate::world::MadeWorld;

const A: Modality = Modality::AUDIO;
const V: Modality = Modality::VISUAL;

/// Classes beside an instance of every clip's own, and something private.
const WORLD: MadeWorld = MadeWorld {
    width: 48,
    classes: 10,
    class_energy: 0.5,
    zipf: 0.0,
    instance: 6,
    instance_energy: 0.7,
    nuisances: 8,
    nuisance_energy: 0.5,
    noise: 0.2,
    unrelated: 0.0,
};

/// The published weights.
const WEIGHTS: [(&str, f64); 5] = [
    ("vae", 1e-4),
    ("discriminative", 1.0),
    ("affinity", 1e-3),
    ("distance", 0.1),
    ("center", 0.01),
];

/// Every figure of the method.
///
/// # Errors
///
/// If libtorch or the disk fails.
pub(crate) fn figures(seeds: &[u64]) -> anyhow::Result<Vec<Criterion>> {
    let each = |measure: &dyn Fn(u64) -> anyhow::Result<f64>| -> anyhow::Result<Vec<f64>> {
        seeds.iter().map(|seed| measure(*seed)).collect()
    };
    let of = |centers, weights: &[(&'static str, f64)]| each(&|seed| map(seed, centers, weights));
    let without = |name: &str| -> Vec<(&'static str, f64)> {
        let off = |(known, weight): (&'static str, f64)| {
            (known, if known == name { 0.0 } else { weight })
        };
        WEIGHTS.into_iter().map(off).collect()
    };
    let cca = each(&linear)?;
    let stored = of(Centers::Stored, &WEIGHTS)?;
    let ahead = stored.iter().zip(&cca).map(|(vae, cca)| vae - cca).collect();
    Ok(vec![
        Criterion::new("linear CCA: MAP by class", cca, Bar::Shown),
        Criterion::new("VAE-CCA, published weights: MAP by class", stored, Bar::Shown),
        Criterion::new("VAE-CCA ahead of linear CCA", ahead, Bar::AtLeast(0.15)),
        Criterion::new(
            "centers drawn anew at every step, as published: MAP by class",
            of(Centers::Redrawn, &WEIGHTS)?,
            Bar::Shown,
        ),
        Criterion::new(
            "without the term of distance: MAP by class",
            of(Centers::Stored, &without("distance"))?,
            Bar::Shown,
        ),
        Criterion::new(
            "without the discriminative term: MAP by class",
            of(Centers::Stored, &without("discriminative"))?,
            Bar::Shown,
        ),
    ])
}

fn linear(seed: u64) -> anyhow::Result<f64> {
    let (train, test) =
        (WORLD.clips(seed, 0, 3_000, &[A, V]), WORLD.clips(seed, 1, 1_000, &[A, V]));
    let fitted = LinearCca::fit(&tensor(&train.features[&A]), &tensor(&train.features[&V]), 1e-4)?;
    let fitted = fitted.truncated(16);
    let (a, v) = (
        fitted.transform_a(&tensor(&test.features[&A])),
        fitted.transform_b(&tensor(&test.features[&V])),
    );
    Ok(class_map(&a, &v, [&test.classes, &test.classes]))
}

fn map(seed: u64, centers: Centers, weights: &[(&'static str, f64)]) -> anyhow::Result<f64> {
    let (train, test) =
        (WORLD.clips(seed, 0, 3_000, &[A, V]), WORLD.clips(seed, 1, 1_000, &[A, V]));
    let shape = Shape {
        input: WORLD.width,
        layers: vec![128],
        activation: Activation::Relu,
        head: HeadConfig { shared: true, ..HeadConfig::perceptron(64, 32) },
        readout: None,
        pool: PoolConfig::Mean,
    };
    let schedule = Schedule { epochs: 40, batch: 128, lr: 1e-3, weights: weights.to_vec() };
    let settings =
        VaeCcaSettings { name: "vae-cca".to_owned(), hidden: 64, centers, canonical_ridge: None };
    let method = trained(seed, &schedule, &train.arrays(WORLD.classes), || {
        let towers = towers(seed, &[(A, shape.clone()), (V, shape.clone())]);
        seeded(seed + 1, || VaeCca::new(towers, settings, WORLD.classes, seed))
    })?;
    let rows = embedded(&method.towers, &test.arrays(WORLD.classes));
    Ok(class_map(&rows[&A], &rows[&V], [&test.classes, &test.classes]))
}
