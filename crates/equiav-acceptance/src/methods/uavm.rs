//! A unified classifier beside one whose modalities have nothing in common: as good with fewer parameters, and what it makes of
//! sound and picture lies in one space, in which narrow layers no longer tell which of both it was.

use equiav_augment::Modality;
use equiav_models::{
    Activation, Encode, EncodeOptions, FeatureEncoder, FeatureEncoderConfig, Features, HeadConfig,
    PoolConfig,
};
use equiav_train::clips::ArrayClips;
use equiav_train::engine::seeded;
use equiav_train::methods::uavm::{Uavm, UavmSettings};
use tch::{Device, Kind, Tensor};

use crate::criterion::{Bar, Criterion};
use crate::measures::class_map;
use crate::training::{Schedule, Shape, embedded, towers_of, trained};
use crate::world::MadeWorld;

const A: Modality = Modality::AUDIO;
const V: Modality = Modality::VISUAL;

/// Classes that neither modality tells alone.
const WORLD: MadeWorld = MadeWorld {
    width: 32,
    classes: 12,
    class_energy: 0.6,
    zipf: 0.0,
    instance: 1,
    instance_energy: 0.0,
    nuisances: 24,
    nuisance_energy: 0.8,
    noise: 0.5,
    unrelated: 0.0,
};

/// Layers of a modality's own, then the trunk, whose parameters are those of another modality's where the path is the same.
#[derive(Debug)]
struct TwoParts {
    own: FeatureEncoder,
    trunk: [FeatureEncoder; 2],
}

impl TwoParts {
    /// What the first layer of the trunk makes of `input`, `[n, width]`.
    fn first(&self, input: &Tensor, options: &EncodeOptions<'_>) -> Tensor {
        let own = self.own.encode(input, options).tokens;
        self.trunk[0].encode(&own, options).tokens
    }
}

impl Encode for TwoParts {
    fn width(&self) -> i64 {
        self.trunk[1].width()
    }

    fn blocks(&self) -> usize {
        1
    }

    fn encode(&self, input: &Tensor, options: &EncodeOptions<'_>) -> Features {
        let first = self.first(input, options);
        let mut features = Features::new(self.trunk[1].encode(&first, options).tokens);
        if options.layers.contains(&0) {
            features.layers.insert(0, first);
        }
        features
    }
}

/// What becomes of one classifier.
struct Found {
    audio: f64,
    visual: f64,
    both: f64,
    /// Pictures of the class of a sound, by pooled tokens.
    map: f64,
    /// How often a linear map of the first trunk layer tells sound and picture apart.
    modality: f64,
    parameters: f64,
}

/// Every figure of the method.
///
/// # Errors
///
/// If libtorch or the disk fails.
pub(crate) fn figures(seeds: &[u64]) -> anyhow::Result<Vec<Criterion>> {
    let of = |width, shared| -> anyhow::Result<Vec<Found>> {
        seeds.iter().map(|seed| found(*seed, width, shared)).collect()
    };
    let (unified, independent) = (of(16, true)?, of(16, false)?);
    let (narrow, narrow_independent) = (of(8, true)?, of(8, false)?);
    let each =
        |all: &[Found], value: &dyn Fn(&Found) -> f64| all.iter().map(value).collect::<Vec<f64>>();
    let pairs = |value: &dyn Fn(&Found, &Found) -> f64| -> Vec<f64> {
        unified.iter().zip(&independent).map(|(a, b)| value(a, b)).collect()
    };
    Ok(vec![
        Criterion::new(
            "unified, width 16: accuracy by sound and picture",
            each(&unified, &|one| one.both),
            Bar::Shown,
        ),
        Criterion::new(
            "independent, width 16: accuracy by sound and picture",
            each(&independent, &|one| one.both),
            Bar::Shown,
        ),
        Criterion::new(
            "unified less independent",
            pairs(&|a, b| a.both - b.both),
            Bar::AtLeast(-0.02),
        ),
        Criterion::new(
            "parameters, unified over independent",
            pairs(&|a, b| a.parameters / b.parameters),
            Bar::AtMost(0.999),
        ),
        Criterion::new(
            "unified, both ahead of the better of sound and picture",
            each(&unified, &|one| one.both - one.audio.max(one.visual)),
            Bar::AtLeast(0.03),
        ),
        Criterion::new(
            "unified: MAP of pictures by class of a sound, last layer",
            each(&unified, &|one| one.map),
            Bar::Shown,
        ),
        Criterion::new(
            "the same, over that of independent",
            pairs(&|a, b| a.map / b.map),
            Bar::AtLeast(2.0),
        ),
        Criterion::new(
            "unified, width 8: sound and picture told apart after the first common layer",
            each(&narrow, &|one| one.modality),
            Bar::AtMost(0.75),
        ),
        Criterion::new(
            "independent, width 8: the same",
            each(&narrow_independent, &|one| one.modality),
            Bar::Shown,
        ),
    ])
}

fn found(seed: u64, width: i64, shared: bool) -> anyhow::Result<Found> {
    let train = WORLD.clips(seed, 0, 4_000, &[A, V]);
    let test = WORLD.clips(seed, 1, 2_000, &[A, V]);
    let shape = Shape {
        input: WORLD.width,
        layers: vec![32],
        activation: Activation::Relu,
        head: HeadConfig::NONE,
        readout: None,
        pool: PoolConfig::Mean,
    };
    let settings = UavmSettings {
        name: "uavm".to_owned(),
        audio_share: 0.5,
        smoothing: 0.1,
        mixup: 0.5,
        multilabel: false,
        own_classifiers: !shared,
    };
    let schedule = Schedule { epochs: 30, batch: 100, lr: 2e-3, weights: vec![] };
    let method = trained(seed, &schedule, &train.arrays(WORLD.classes), || {
        let towers =
            towers_of(seed, &[(A, shape.clone()), (V, shape.clone())], |shape, path, root| {
                let layers = |input: i64, layers: &[i64]| FeatureEncoderConfig {
                    input,
                    layers: layers.to_vec(),
                    activation: Activation::Relu,
                };
                let last = *shape.layers.last().expect("a layer");
                let trunk = if shared { root / "blocks_shared" } else { path / "trunk" };
                TwoParts {
                    own: layers(shape.input as i64, &shape.layers).build(path),
                    trunk: [
                        layers(last, &[width]).build(&(&trunk / "first")),
                        layers(width, &[width]).build(&(&trunk / "second")),
                    ],
                }
            });
        seeded(seed + 1, || Uavm::new(towers, settings, WORLD.classes, seed))
    })?;
    measured(&method, &train.arrays(WORLD.classes), &test.arrays(WORLD.classes), &test.classes)
}

fn measured(
    method: &Uavm,
    train: &ArrayClips,
    test: &ArrayClips,
    classes: &[usize],
) -> anyhow::Result<Found> {
    let rows = embedded(&method.towers, test);
    let scores = [A, V].map(|modality| {
        tch::no_grad(|| method.scores(modality, &rows[&modality].to_kind(Kind::Float)))
    });
    let both = (&scores[0] + &scores[1]) / 2.0;
    let accuracy = |scores: &Tensor| {
        let best: Vec<i64> = Vec::try_from(scores.argmax(1, false)).expect("classes");
        let right = best.iter().zip(classes).filter(|(best, class)| **best == **class as i64);
        right.count() as f64 / classes.len() as f64
    };
    let [audio, visual] = scores.each_ref().map(accuracy);
    Ok(Found {
        audio,
        visual,
        both: accuracy(&both),
        map: class_map(&rows[&A], &rows[&V], [classes, classes]),
        modality: told_apart(&first_layer(method, train), &first_layer(method, test)),
        parameters: method.parameters() as f64,
    })
}

/// What the first layer of the trunk makes of all clips, sounds and pictures.
fn first_layer(method: &Uavm, clips: &ArrayClips) -> [Tensor; 2] {
    let all: Vec<usize> = (0..clips.len()).collect();
    let batch = clips.rows(&all).to_device(Device::Cpu);
    [A, V].map(|modality| {
        let branch = &method.towers.network.branches[&modality];
        let values = &batch.inputs[&modality].plain.values;
        let layer = tch::no_grad(|| branch.features(values, None, &[0]).layers.remove(&0));
        layer.expect("the layer that was asked for").squeeze_dim(1).to_kind(Kind::Double)
    })
}

/// How often a linear map, fitted to `train` by least squares, tells the two kinds of rows of `test` apart.
fn told_apart(train: &[Tensor; 2], test: &[Tensor; 2]) -> f64 {
    let with_one = |rows: &Tensor| {
        Tensor::cat(&[rows, &Tensor::ones([rows.size()[0], 1], (Kind::Double, Device::Cpu))], 1)
    };
    let stacked = |rows: &[Tensor; 2]| with_one(&Tensor::cat(rows, 0));
    let signs = |rows: &[Tensor; 2]| {
        let [a, b] = rows
            .each_ref()
            .map(|rows| Tensor::ones([rows.size()[0], 1], (Kind::Double, Device::Cpu)));
        Tensor::cat(&[a, -b], 0)
    };
    let (x, y) = (stacked(train), signs(train));
    let width = x.size()[1];
    let ridge = Tensor::eye(width, (Kind::Double, Device::Cpu)) * 1e-6;
    let map = Tensor::linalg_solve(&(x.tr().matmul(&x) + ridge), &x.tr().matmul(&y), true);
    let right = (stacked(test).matmul(&map) * signs(test)).gt(0.0);
    right.to_kind(Kind::Double).mean(Kind::Double).double_value(&[])
}
