//! Time and memory of training steps of the published shape, ViT-B/16 for sound and picture, on the processor:
//! `vit_step CLIPS STEPS highest|medium|bfloat16 plain|checkpoint dropped|zeroed`.
//!
//! One thread, and the time that it ran instead of the time that passed, so that other work on the machine
//! disturbs little. One process a setting, since the peak of memory is the whole process's.
#![allow(clippy::print_stdout)]

use std::num::NonZeroUsize;
use std::{env, fs};

use equiav_loss::{Keys, info_nce, nt_xent};
use equiav_models::{
    AugmentedPositives, Branch, BranchConfig, BranchInput, Embeddings, EncoderConfig, HeadConfig,
    InputConfig, Inter, Intra, MlpConfig, PoolConfig, PredictorConfig,
};
use equiav_torch::{
    AdamW, AdamWConfig, AutocastKind, MatmulPrecision, autocast, checkpoint, clip_grad_norm,
    found_inf, keep_freed_memory, peak_resident, set_matmul_precision, set_threads,
};
use tch::{Device, Kind, Tensor, nn};

const MLP: MlpConfig = MlpConfig::Gelu { ratio: 4 };
const VECTOR: i64 = 24;
const TAU: f64 = 0.07;
const ADAMW: AdamWConfig = AdamWConfig { betas: (0.9, 0.95), eps: 1e-8, weight_decay: 1e-5 };

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [clips, steps, precision, blocks, gradients] = &arguments[..] else {
        panic!("expected CLIPS STEPS highest|medium|bfloat16 plain|checkpoint dropped|zeroed")
    };
    keep_freed_memory();
    set_threads(NonZeroUsize::MIN);
    let matmul =
        if precision == "medium" { MatmulPrecision::Medium } else { MatmulPrecision::Highest };
    set_matmul_precision(matmul).expect("libtorch takes it");
    let clips = clips.parse().expect("a number of clips");

    let store = nn::VarStore::new(Device::Cpu);
    let sides =
        [("a", 128, 1024, 1), ("v", 224, 224, 3)].map(|(suffix, height, width, channels)| {
            let input = InputConfig { height, width };
            let mut branch = config(suffix, input).build(&store.root());
            let blocks = (blocks == "checkpoint").then_some(checkpoint as _);
            branch.checkpoint_blocks(blocks).expect("an encoder with blocks");
            (branch, views(clips, channels, input))
        });
    let mut optimizer = AdamW::of_store(&store, ADAMW);
    for _ in 0..steps.parse().expect("a number of steps") {
        step(&sides, &mut optimizer, precision == "bfloat16", gradients == "zeroed");
    }
}

fn step(sides: &[(Branch, BranchInput); 2], optimizer: &mut AdamW, narrow: bool, zeroed: bool) {
    let mut times = vec![seconds()];
    let forward = || sides.each_ref().map(|(branch, views)| embed(branch, views));
    let embeddings =
        if narrow { autocast(Device::Cpu, AutocastKind::BFloat16, forward) } else { forward() };
    let loss = loss(&embeddings);
    times.push(seconds());
    if zeroed {
        optimizer.parameters().iter().for_each(|parameter| parameter.shallow_clone().zero_grad());
    }
    loss.backward();
    drop(embeddings);
    times.push(seconds());
    let norm = clip_grad_norm(optimizer.parameters(), Some(0.01)).expect("a norm");
    optimizer.step_unless(1e-4, &found_inf(&[&norm, &loss])).expect("a step");
    if !zeroed {
        optimizer.zero_grad();
    }
    times.push(seconds());
    let parts: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let peak = peak_resident().map_or(f64::NAN, |bytes| bytes as f64 / 1e9);
    println!(
        "forward {:.2} s, backward {:.2} s, update {:.2} s, together {:.2} s; peak {peak:.2} GB; loss {:.6}",
        parts[0],
        parts[1],
        parts[2],
        parts.iter().sum::<f64>(),
        loss.double_value(&[])
    );
}

fn embed(branch: &Branch, views: &BranchInput) -> Embeddings {
    branch.forward(views, Intra::Equivariant, Inter::Centroid)
}

fn loss([heard, seen]: &[Embeddings; 2]) -> Tensor {
    let keys = Keys::own(&heard.inter, &seen.inter);
    let mut loss = info_nce(&heard.inter, &seen.inter, &keys, TAU, None).loss;
    for pair in [&heard.intra, &seen.intra].into_iter().flatten() {
        let keys = Keys::own(&pair.predicted, &pair.augmented);
        loss += nt_xent(&pair.predicted, &pair.augmented, &keys, TAU, None).loss;
    }
    loss / 3
}

fn config(suffix: &str, input: InputConfig) -> BranchConfig {
    let head = HeadConfig::projector(2048, 512);
    BranchConfig {
        suffix: suffix.to_owned(),
        input,
        vector: VECTOR,
        encoder: EncoderConfig {
            width: 768,
            depth: 12,
            heads: 12,
            patch: 16,
            mlp: MLP,
            mask_padding: false,
            pool: PoolConfig::Mean,
            shared_from: None,
        },
        predictor: PredictorConfig::Attention { hidden: 256, heads: 8, head_width: 64, mlp: MLP },
        intra_head: head.clone(),
        inter_head: head,
        augmented_positives: AugmentedPositives::None,
        aggregate: PoolConfig::Mean,
        zero_init_predictor: false,
        readout: None,
    }
}

fn views(clips: i64, channels: i64, input: InputConfig) -> BranchInput {
    let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
    let view = || random(&[clips, channels, input.height, input.width]);
    BranchInput {
        plain: view(),
        augmented: view(),
        vectors: random(&[clips, VECTOR]),
        centroid: random(&[clips, 16, VECTOR]),
        material: None,
    }
}

/// How long this process's first thread has run, where Linux tells.
fn seconds() -> f64 {
    let statistics = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = statistics.split(' ').next().and_then(|number| number.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}
