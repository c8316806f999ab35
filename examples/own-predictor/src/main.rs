//! EquiAV with one layer swapped: a predictor written outside the workspace, trained by the real engine.
//!
//! Everything else, clips, encoders, heads, losses, checkpoints, evaluation, is what `equiav pretrain` has.

use equiav_models::{BranchConfig, Predict};
use equiav_train::model::Network;
use equiav_train::pretrain_with;
use equiav_train::{NoOp, Override, Recipe, RunOptions, StopSignal, World};
use tch::{Tensor, nn};

/// Our predictor: the parameter vector scales and shifts the mean token, channel by channel.
///
/// `u(h, t) = mean(h) · (1 + scale(t)) + shift(t)`
#[derive(Debug)]
struct ScaleAndShift {
    scale: nn::Linear,
    shift: nn::Linear,
}

impl ScaleAndShift {
    fn new(path: &nn::Path, branch: &BranchConfig) -> Self {
        let linear = |name: &str| {
            nn::linear(path / name, branch.vector, branch.encoder.width, Default::default())
        };
        Self { scale: linear("scale"), shift: linear("shift") }
    }
}

impl Predict for ScaleAndShift {
    /// `tokens` `[b, n, width]` and `vectors` `[b, q, vector]` to `[b, q, width]`; all tokens count, since the recipe
    /// masks no padding.
    fn predict(&self, tokens: &Tensor, vectors: &Tensor, _: Option<&Tensor>) -> Tensor {
        let mean = tokens.mean_dim([1i64].as_slice(), true, None); // [b, 1, width]
        mean * (vectors.apply(&self.scale) + 1.0) + vectors.apply(&self.shift)
    }
}

/// The built-in recipe at a size that trains in seconds.
fn recipe() -> anyhow::Result<Recipe> {
    let source = "data.source={ kind = \"synthetic\", instances = 48, held_out = 16, classes = 4, \
                  image = 48, seconds = 1.0, frames = 2 }";
    let small = [
        source,
        "front_end.frames=96",
        "front_end.image=48",
        "model.encoder.width=32",
        "model.encoder.depth=1",
        "objective.centroid_samples=3",
        "run.batch=8",
        "run.epochs=2",
    ];
    let changes: Vec<Override> =
        small.iter().map(|text| text.parse()).collect::<anyhow::Result<_>>()?;
    Recipe::load("quick".as_ref(), &changes)
}

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options =
        RunOptions { out: folder.path(), world: &World::alone(), stop: &StopSignal::on_signals()? };
    let run = pretrain_with(&recipe()?, options, &mut NoOp, |recipe, device| {
        Network::with_predictors(recipe, device, ScaleAndShift::new)
    })?;
    let saved = Tensor::read_safetensors(run.checkpoint.join("model.safetensors"))?;
    let ours = saved.iter().filter(|(name, _)| name.starts_with("predictor_")).count();
    assert_eq!(ours, 8, "weight and bias of two maps for two modalities");
    println!(
        "{} steps, mean R@1 {:?}, {ours} tensors of our own",
        run.steps,
        run.metrics.score("r1")
    );
    Ok(())
}
