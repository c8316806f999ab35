//! Methods trained by the engine on arrays, in folders that are gone afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use equiav_augment::Modality;
use equiav_models::{
    Activation, AugmentedPositives, BranchConfig, Encode, EncoderConfig, FeatureEncoderConfig,
    HeadConfig, InputConfig, MlpConfig, PoolConfig, PredictorConfig,
};
use equiav_train::clips::{ArrayClips, RunClips};
use equiav_train::engine::seeded;
use equiav_train::methods::Towers;
use equiav_train::model::Network;
use equiav_train::recipe::{ArraySettings, Checked};
use equiav_train::{Method, NoOp, RunOptions, StopSignal, World, train};
use ndarray::Array2;
use tch::{Device, Kind, Tensor, nn};

/// What one modality's tower is made of, over features.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Numbers of a clip.
    pub(crate) input: usize,
    /// Layers of the encoder; none, the features themselves.
    pub(crate) layers: Vec<i64>,
    pub(crate) activation: Activation,
    pub(crate) head: HeadConfig,
    pub(crate) readout: Option<i64>,
    pub(crate) pool: PoolConfig,
}

/// Towers of those shapes with weights drawn from `seed`.
pub(crate) fn towers(seed: u64, shapes: &[(Modality, Shape)]) -> Towers {
    towers_of(seed, shapes, |shape, path, _| {
        let encoder = FeatureEncoderConfig {
            input: shape.input as i64,
            layers: shape.layers.clone(),
            activation: shape.activation,
        };
        encoder.build(path)
    })
}

/// As [`towers`], with encoders that `make` builds of a shape, under a path of their own and under the root of all.
pub(crate) fn towers_of<E: Encode + 'static>(
    seed: u64,
    shapes: &[(Modality, Shape)],
    make: impl Fn(&Shape, &nn::Path, &nn::Path) -> E,
) -> Towers {
    let store = nn::VarStore::new(Device::Cpu);
    let root = store.root();
    let branch = |(modality, shape): &(Modality, Shape)| {
        let config = nominal(*modality, shape);
        let encoder = |path: &nn::Path| make(shape, path, &root);
        (*modality, config.builder(&root).encoder(encoder).build())
    };
    let branches: BTreeMap<_, _> = seeded(seed, || shapes.iter().map(branch).collect());
    Towers::over_arrays(Network::of_branches(store, branches))
}

/// The configuration of a branch whose encoder comes from outside: what it says of encoder and input is not used.
fn nominal(modality: Modality, shape: &Shape) -> BranchConfig {
    let mlp = MlpConfig::Gelu { ratio: 1 };
    BranchConfig {
        suffix: modality.name().to_owned(),
        input: InputConfig { height: 1, width: 1 },
        vector: 1,
        encoder: EncoderConfig {
            width: 4,
            depth: 1,
            heads: 1,
            patch: 1,
            mlp,
            mask_padding: false,
            pool: shape.pool,
            shared_from: None,
        },
        predictor: PredictorConfig::Mean,
        intra_head: HeadConfig::NONE,
        inter_head: shape.head.clone(),
        augmented_positives: AugmentedPositives::None,
        aggregate: PoolConfig::Mean,
        zero_init_predictor: false,
        readout: shape.readout,
    }
}

/// How long and how fast a method is trained.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) epochs: u64,
    pub(crate) batch: usize,
    pub(crate) lr: f64,
    /// The weights of terms, by name; 1 of the others.
    pub(crate) weights: Vec<(&'static str, f64)>,
}

/// The method that `build` makes, trained on `clips`.
pub(crate) fn trained<M: Method>(
    seed: u64,
    schedule: &Schedule,
    clips: &ArrayClips,
    build: impl FnOnce() -> anyhow::Result<M>,
) -> anyhow::Result<M> {
    let Schedule { epochs, batch, lr, weights } = schedule;
    let weights: Vec<String> =
        weights.iter().map(|(name, weight)| format!("{name} = {weight:?}")).collect();
    let recipe = format!(
        r#"
        name = "acceptance"
        seed = {seed}
        method = {{}}
        objective = {{ weights = {{ {} }} }}
        [compute]
        device = "cpu"
        threads = 1
        matmul_precision = "highest"
        precision = "fp32"
        [optimizer]
        lr = {lr:?}
        start_lr = {lr:?}
        final_lr = {:?}
        warmup_epochs = 0.0
        betas = [0.9, 0.99]
        eps = 1e-8
        weight_decay = 0.0
        clip_norm = 10.0
        [run]
        epochs = {epochs}
        batch = {batch}
        keep_checkpoints = 1
        max_skipped = 3
        [evaluation]
        every = {epochs}
        best = "none"
        "#,
        weights.join(", "),
        lr * 0.1,
    );
    let recipe = Checked::<ArraySettings<BTreeMap<String, String>>>::parse(&recipe, &[])
        .context("the recipe of an acceptance test")?;
    let folder = tempfile::tempdir().context("a folder to train in")?;
    let (world, stop) = (World::alone(), StopSignal::never());
    let options = RunOptions { out: folder.path(), world: &world, stop: &stop };
    let run = train(&recipe, options, &mut NoOp, |_, _| {
        Ok((build()?, RunClips::of_arrays(Arc::new(clips.clone()))))
    })?;
    Ok(run.state.method)
}

/// What the towers make of all `clips`, by modality, without a gradient.
pub(crate) fn embedded(towers: &Towers, clips: &ArrayClips) -> BTreeMap<Modality, Tensor> {
    let all: Vec<usize> = (0..clips.len()).collect();
    let rows = tch::no_grad(|| towers.embed(&clips.rows(&all).to_device(Device::Cpu)));
    let one =
        |modality: Modality| (modality, rows[&format!("inter_{modality}")].to_kind(Kind::Double));
    towers.modalities().into_iter().map(one).collect()
}

/// Rows as a tensor in 64 bits.
pub(crate) fn tensor(rows: &Array2<f32>) -> Tensor {
    Tensor::try_from(rows.as_standard_layout().into_owned()).expect("rows").to_kind(Kind::Double)
}
