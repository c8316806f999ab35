//! EquiAV with one layer swapped: a predictor written outside the workspace, trained for three steps.
//!
//! Everything else, encoders, heads, losses, comes from `equiav-models` and `equiav-loss` as it is.

use equiav_loss::{Keys, info_nce, nt_xent};
use equiav_models::{
    Branch, BranchConfig, EncoderConfig, HeadConfig, InputConfig, Inter, Intra, MlpConfig, Predict,
    PredictorConfig, Views,
};
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};

const WIDTH: i64 = 48;
const VECTOR: i64 = 24;
const CLIPS: i64 = 8;
const TAU: f64 = 0.07;

/// Our predictor: the parameter vector scales and shifts the mean token, channel by channel.
///
/// `u(h, t) = mean(h) · (1 + scale(t)) + shift(t)`
#[derive(Debug)]
struct ScaleAndShift {
    scale: nn::Linear,
    shift: nn::Linear,
}

impl ScaleAndShift {
    fn new(path: &nn::Path) -> Self {
        let linear = |name: &str| nn::linear(path / name, VECTOR, WIDTH, Default::default());
        Self { scale: linear("scale"), shift: linear("shift") }
    }
}

impl Predict for ScaleAndShift {
    /// `tokens` `[b, n, width]` and `vectors` `[b, q, vector]` to `[b, q, width]`.
    fn predict(&self, tokens: &Tensor, vectors: &Tensor) -> Tensor {
        let mean = tokens.mean_dim([1i64].as_slice(), true, None); // [b, 1, width]
        mean * (vectors.apply(&self.scale) + 1.0) + vectors.apply(&self.shift)
    }
}

/// A small branch with our predictor in it.
fn branch(store: &nn::VarStore, suffix: &str, input: InputConfig) -> Branch {
    let head = HeadConfig { hidden: 64, out: 32 };
    let mlp = MlpConfig::Gelu { ratio: 4 };
    let config = BranchConfig {
        suffix: suffix.to_owned(),
        input,
        vector: VECTOR,
        encoder: EncoderConfig { width: WIDTH, depth: 2, heads: 3, patch: 16, mlp, mask_padding: false },
        predictor: PredictorConfig::Linear, // not built: ours takes its place
        intra_head: head.clone(),
        inter_head: head,
    };
    config.build_with(&store.root(), ScaleAndShift::new)
}

/// Views of noise: enough to see that everything is connected.
fn views(channels: i64, input: InputConfig) -> Views {
    let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
    let plain = random(&[CLIPS, channels, input.height, input.width]);
    Views {
        augmented: &plain + 0.1 * plain.randn_like(),
        plain,
        vectors: random(&[CLIPS, VECTOR]),
        centroid: random(&[CLIPS, 16, VECTOR]),
        material: None,
    }
}

fn main() -> Result<(), tch::TchError> {
    tch::manual_seed(1);
    let store = nn::VarStore::new(Device::Cpu);
    let (spectrogram, frame) =
        (InputConfig { height: 32, width: 64 }, InputConfig { height: 48, width: 48 });
    let (audio, visual) = (branch(&store, "a", spectrogram), branch(&store, "v", frame));
    let (sounds, pictures) = (views(1, spectrogram), views(3, frame));
    let mut optimizer = nn::AdamW::default().build(&store, 1e-3)?;

    let mut losses = Vec::new();
    for step in 1..=3 {
        let heard = audio.forward(&sounds, Intra::Equivariant, Inter::Centroid);
        let seen = visual.forward(&pictures, Intra::Equivariant, Inter::Centroid);
        let (a, v) = (&heard.inter, &seen.inter);
        let mut loss = info_nce(a, v, &Keys::own(a, v), TAU, None).loss;
        for pair in [&heard.intra, &seen.intra].into_iter().flatten() {
            let (predicted, augmented) = (&pair.predicted, &pair.augmented);
            loss += nt_xent(predicted, augmented, &Keys::own(predicted, augmented), TAU, None).loss;
        }
        let loss = loss / 3;
        optimizer.backward_step(&loss);
        println!("step {step}: loss {:.4}", loss.double_value(&[]));
        losses.push(loss.double_value(&[]));
    }
    assert!(losses.is_sorted_by(|before, after| before > after), "the loss should fall");
    Ok(())
}
