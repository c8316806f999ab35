//! The model: a predictor with the intra-modal vector and 16 more, an encoder pass, and a whole step.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use equiav_loss::{Keys, info_nce, nt_xent};
use equiav_models::{
    AugmentedPositives, Branch, BranchConfig, BranchInput, EncoderConfig, HeadConfig, InputConfig,
    Inter, Intra, MlpConfig, PoolConfig, PredictorConfig, ViewKind,
};
use equiav_torch::{AdamW, AdamWConfig, clip_grad_norm};
use tch::{Device, Kind, Tensor, nn};

const CLIPS: i64 = 8;
const WIDTH: i64 = 192;
const VECTOR: i64 = 24;
const MLP: MlpConfig = MlpConfig::Gelu { ratio: 4 };
const AUDIO: InputConfig = InputConfig { height: 128, width: 256 };
const VISUAL: InputConfig = InputConfig { height: 128, width: 128 };

fn attention() -> PredictorConfig {
    PredictorConfig::Attention { hidden: 256, heads: 8, head_width: 64, mlp: MLP }
}

fn branch(store: &nn::VarStore, suffix: &str, input: InputConfig) -> Branch {
    let head = HeadConfig::projector(512, 128);
    let config = BranchConfig {
        suffix: suffix.to_owned(),
        input,
        vector: VECTOR,
        encoder: EncoderConfig {
            width: WIDTH,
            depth: 4,
            heads: 3,
            patch: 16,
            mlp: MLP,
            mask_padding: false,
            pool: PoolConfig::Mean,
            shared_from: None,
        },
        predictor: attention(),
        intra_head: head.clone(),
        inter_head: head,
        augmented_positives: AugmentedPositives::None,
        aggregate: PoolConfig::Mean,
        zero_init_predictor: false,
        readout: None,
    };
    config.build(&store.root())
}

fn random(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

fn views(channels: i64, input: InputConfig) -> BranchInput {
    let view = || random(&[CLIPS, channels, input.height, input.width]);
    BranchInput {
        plain: view(),
        augmented: view(),
        vectors: random(&[CLIPS, VECTOR]),
        centroid: random(&[CLIPS, 16, VECTOR]),
        material: None,
    }
}

fn predictor(criterion: &mut Criterion) {
    let store = nn::VarStore::new(Device::Cpu);
    let branch = branch(&store, "a", AUDIO);
    let (tokens, vectors) = (random(&[CLIPS, 128, WIDTH]), random(&[CLIPS, 17, VECTOR]));
    let _no_grad = tch::no_grad_guard();
    criterion.bench_function("predictor, 1 + 16 vectors in one call", |bencher| {
        bencher.iter(|| branch.predict(black_box(&tokens), black_box(&vectors), None));
    });
    criterion.bench_function("predictor, 1 and 16 vectors in two calls", |bencher| {
        let (one, many) = (vectors.narrow(1, 0, 1), vectors.narrow(1, 1, 16));
        bencher
            .iter(|| (branch.predict(&tokens, &one, None), branch.predict(&tokens, &many, None)));
    });
}

fn encoder(criterion: &mut Criterion) {
    let store = nn::VarStore::new(Device::Cpu);
    let branch = branch(&store, "a", AUDIO);
    let input = random(&[CLIPS, 1, AUDIO.height, AUDIO.width]);
    let _no_grad = tch::no_grad_guard();
    criterion.bench_function("encoder pass of 8 spectrograms, width 192, depth 4", |bencher| {
        bencher.iter(|| branch.encode(black_box(&input), ViewKind::Plain));
    });
}

fn step(criterion: &mut Criterion) {
    let store = nn::VarStore::new(Device::Cpu);
    let (audio, visual) = (branch(&store, "a", AUDIO), branch(&store, "v", VISUAL));
    let (sounds, pictures) = (views(1, AUDIO), views(3, VISUAL));
    let config = AdamWConfig { betas: (0.9, 0.95), eps: 1e-8, weight_decay: 1e-5 };
    let mut optimizer = AdamW::of_store(&store, config);
    criterion.bench_function("training step of 8 clips, width 192, depth 4", |bencher| {
        bencher.iter(|| {
            let heard = audio.forward(&sounds, Intra::Equivariant, Inter::Centroid);
            let seen = visual.forward(&pictures, Intra::Equivariant, Inter::Centroid);
            let keys = Keys::own(&heard.inter, &seen.inter);
            let mut loss = info_nce(&heard.inter, &seen.inter, &keys, 0.07, None).loss;
            for pair in [&heard.intra, &seen.intra].into_iter().flatten() {
                let keys = Keys::own(&pair.predicted, &pair.augmented);
                loss += nt_xent(&pair.predicted, &pair.augmented, &keys, 0.07, None).loss;
            }
            optimizer.zero_grad();
            loss.backward();
            let _ = clip_grad_norm(optimizer.parameters(), Some(1.0)).expect("a norm");
            optimizer.step(1e-4).expect("a step");
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = predictor, encoder, step
}
criterion_main!(benches);
