//! Masked autoencoders: what is compared, and that it can be learned.

use equiav_models::{
    DecoderConfig, EncoderConfig, InputConfig, MaskedAutoencoder, MlpConfig, PoolConfig,
};
use tch::nn::OptimizerConfig;
use tch::{Device, Kind, Tensor, nn};

const MLP: MlpConfig = MlpConfig::Gelu { ratio: 2 };
/// 4 by 6 patches of 4 by 4.
const INPUT: InputConfig = InputConfig { height: 16, width: 24 };

fn encoder() -> EncoderConfig {
    let (mask_padding, pool, shared_from) = (false, PoolConfig::Mean, None);
    EncoderConfig {
        width: 32,
        depth: 2,
        heads: 2,
        patch: 4,
        mlp: MLP,
        mask_padding,
        pool,
        shared_from,
    }
}

fn autoencoder(store: &nn::VarStore, channels: i64, normalize: bool) -> MaskedAutoencoder {
    let decoder = DecoderConfig { width: 16, depth: 1, heads: 2, mlp: MLP };
    let sizes = (&encoder(), &decoder);
    MaskedAutoencoder::new(&store.root(), "v", (INPUT, channels), sizes, normalize).expect("sizes")
}

/// Pictures of waves that differ in direction, length and phase.
fn waves(count: i64, salt: i64) -> Tensor {
    tch::manual_seed(salt);
    let random = || Tensor::rand([count, 1, 1, 1], (Kind::Float, Device::Cpu)) * 2 - 1;
    let axis = |length: i64| Tensor::arange(length, (Kind::Float, Device::Cpu));
    let (rows, columns) = (axis(16).view([1, 1, 16, 1]), axis(24).view([1, 1, 1, 24]));
    (rows * random() * 0.25 + columns * random() * 0.25 + random() * 3).sin()
}

/// Six of the patches of each picture.
fn visible(count: i64) -> Tensor {
    Tensor::rand([count, 24], (Kind::Float, Device::Cpu)).argsort(-1, false).narrow(1, 0, 6)
}

#[test]
fn the_error_is_that_of_the_masked_patches_alone() {
    tch::manual_seed(3);
    let store = nn::VarStore::new(Device::Cpu);
    let autoencoder = autoencoder(&store, 3, false);
    assert_eq!(autoencoder.patches(), 24);
    // A head of zeros draws nothing: the error is the mean square of what is masked.
    let variables = store.variables();
    for name in ["weight", "bias"] {
        let mut head = variables[&format!("decoder_v.head.{name}")].shallow_clone();
        let _ = tch::no_grad(|| head.zero_());
    }
    let input = Tensor::randn([2, 3, 16, 24], (Kind::Float, Device::Cpu));
    let visible = Tensor::from_slice(&[0i64, 5, 7, 23, 1, 2]).view([2, 3]);
    let loss = autoencoder.reconstruct(&input, &visible).loss;
    for clip in 0..2i64 {
        let seen: Vec<i64> = Vec::try_from(visible.get(clip)).expect("positions");
        let square = |patch: &i64| {
            let (row, column) = (patch / 6 * 4, patch % 6 * 4);
            let part = input.get(clip).narrow(1, row, 4).narrow(2, column, 4);
            part.square().mean(Kind::Double).double_value(&[])
        };
        let masked: Vec<f64> =
            (0..24).filter(|patch| !seen.contains(patch)).map(|patch| square(&patch)).collect();
        let expected = masked.iter().sum::<f64>() / 21.0;
        assert!((loss.double_value(&[clip]) - expected).abs() < 1e-5);
    }
}

#[test]
fn masked_patches_are_not_seen() {
    let store = nn::VarStore::new(Device::Cpu);
    let autoencoder = autoencoder(&store, 1, false);
    let (input, visible) = (waves(1, 5), Tensor::from_slice(&[0i64, 1, 2]).view([1, 3]));
    // The error is a sum of squares: its gradient by a masked pixel is that of the target alone, by a visible one that
    // of the drawing alone.
    let input = input.set_requires_grad(true);
    autoencoder.reconstruct(&input, &visible).loss.sum(Kind::Float).backward();
    let gradient = input.grad();
    let at = |row: i64, column: i64| gradient.double_value(&[0, 0, row, column]);
    assert!(at(0, 0) != 0.0, "what is seen decides what is drawn");
    let drawn = || {
        let made = autoencoder.reconstruct(&input, &visible);
        made.loss.double_value(&[0])
    };
    // Moving a masked pixel by d changes the error by g d + d² / (21 * 16) exactly, where nothing else depends on it.
    let (before, step) = (drawn(), 0.25);
    let mut pixel = input.detach().narrow(2, 15, 1).narrow(3, 23, 1);
    let _ = tch::no_grad(|| pixel.g_add_scalar_(step));
    let expected = at(15, 23) * step + step * step / (21.0 * 16.0);
    assert!((drawn() - before - expected).abs() < 1e-5, "{} {expected}", drawn() - before);
}

#[test]
fn held_out_patches_are_drawn_better_than_by_the_best_constant() {
    tch::manual_seed(7);
    tch::set_num_threads(1);
    let store = nn::VarStore::new(Device::Cpu);
    let autoencoder = autoencoder(&store, 1, true);
    let mut optimizer = nn::AdamW::default().build(&store, 3e-3).expect("an optimizer");
    for step in 0..300 {
        let (input, visible) = (waves(32, 100 + step), visible(32));
        let made = autoencoder.reconstruct(&input, &visible);
        optimizer.backward_step(&made.loss.mean(Kind::Float));
    }
    let input = waves(256, 1);
    let made = tch::no_grad(|| autoencoder.reconstruct(&input, &visible(256)));
    let loss = made.loss.mean(Kind::Double).double_value(&[]);
    let [mean, square] = made.target;
    let mean = mean.mean_dim([0i64].as_slice(), false, Kind::Double);
    let constant = (square.mean(Kind::Double) - mean.square().mean(Kind::Double)).double_value(&[]);
    assert!(loss < 0.8 * constant, "{loss} of {constant}");
}
