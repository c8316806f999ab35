//! Parts of a network from outside, in the trainer as it is: an encoder, a pool and a head of one's own.

#[path = "support/tiny.rs"]
mod tiny;

use std::collections::BTreeMap;
use std::path::Path;

use equiav_augment::Modality;
use equiav_models::{Branch, BranchConfig, Encode, EncodeOptions, Features, Pool, PoolOutput};
use equiav_train::model::Network;
use equiav_train::{
    Callback, Event, LoadedModel, NoOp, Override, PretrainSummary, Recipe, RunOptions, StopSignal,
    World, pretrain_with,
};
use tch::{Device, Kind, Tensor, nn};
use tiny::tiny;

const WIDTH: i64 = 24;

/// A small convolutional network: two maps, with ReLU between them.
#[derive(Debug)]
struct ConvNet {
    first: nn::Conv2D,
    second: nn::Conv2D,
}

impl ConvNet {
    fn new(path: &nn::Path) -> Self {
        let stride = |stride| nn::ConvConfig { stride, ..Default::default() };
        Self {
            first: nn::conv2d(path / "first", 1, 8, 8, stride(8)),
            second: nn::conv2d(path / "second", 8, WIDTH, 2, stride(2)),
        }
    }
}

impl Encode for ConvNet {
    fn width(&self) -> i64 {
        WIDTH
    }

    fn encode(&self, input: &Tensor, _: &EncodeOptions<'_>) -> Features {
        let gray = input.mean_dim([1i64].as_slice(), true, None);
        let maps = gray.apply(&self.first).relu().apply(&self.second);
        Features::new(maps.flatten(2, 3).transpose(1, 2))
    }
}

/// Each token says how much it weighs.
#[derive(Debug)]
struct OwnPool(nn::Linear);

impl Pool for OwnPool {
    fn pool(&self, tokens: &Tensor, _: Option<&Tensor>) -> PoolOutput {
        let attention = tokens.apply(&self.0).softmax(1, Kind::Float); // [b, n, 1]
        let point = (tokens * &attention).sum_dim_intlist(1i64, false, Kind::Float);
        PoolOutput { point, attention: Some(attention.transpose(1, 2)) }
    }
}

fn branch(config: &BranchConfig, root: &nn::Path) -> Branch {
    let linear = |path: &nn::Path, out| nn::linear(path / "map", WIDTH, out, Default::default());
    config
        .builder(root)
        .encoder(ConvNet::new)
        .pool(|path| OwnPool(linear(path, 1)))
        .inter_head(|path| linear(path, 12))
        .build()
}

/// Asks for a stop after the first step.
struct StopAtOne<'a>(&'a StopSignal);

impl Callback for StopAtOne<'_> {
    fn on_event(&mut self, event: &Event) {
        if matches!(event, Event::Step(_)) {
            self.0.request(15);
        }
    }
}

fn train(
    recipe: &Recipe,
    out: &Path,
    stop: &StopSignal,
    callback: &mut dyn Callback,
) -> anyhow::Result<PretrainSummary> {
    let options = RunOptions { out, world: &World::alone(), stop };
    pretrain_with(recipe, options, callback, |recipe, device| {
        Network::with_branches(recipe, device, branch)
    })
}

fn weights(run: &PretrainSummary) -> BTreeMap<String, Tensor> {
    let file = run.checkpoint.join("model.safetensors");
    Tensor::read_safetensors(file).expect("weights").into_iter().collect()
}

/// Two steps an epoch, one epoch.
const TWO_STEPS: [&str; 3] = ["run.batch=16", "run.epochs=1", "objective.inter=clean-pair"];

#[test]
fn an_encoder_a_pool_and_a_head_of_ones_own_are_trained_and_resumed() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = tiny(folder.path(), &TWO_STEPS);
    let out = |name: &str| folder.path().join(name);
    let run = train(&recipe, &out("straight"), &StopSignal::never(), &mut NoOp).expect("a run");
    assert_eq!((run.steps, run.skipped), (2, 0));
    assert!(run.metrics.score("r1").is_some(), "the held-out list is measured");
    let trained = weights(&run);
    let fresh = Network::with_branches(&recipe, Device::Cpu, branch).expect("a network");
    let before = fresh.store.variables();
    assert_eq!(before.len(), trained.len());
    assert!(trained.keys().all(|name| before.contains_key(name)), "saved under the same names");
    for part in ["encoder_a.second.weight", "pool_v.map.weight", "pred_a_inter.map.weight"] {
        assert!(!trained[part].equal(&before[part]), "{part} has not learned");
    }
    assert!(!trained.keys().any(|name| name.starts_with("blocks_")), "no built-in encoder");

    let stop = StopSignal::never();
    let first = train(&recipe, &out("stopped"), &stop, &mut StopAtOne(&stop)).expect("a stop");
    assert_eq!((first.steps, first.stopped), (1, Some(15)));
    let resumed = train(&recipe, &out("stopped"), &StopSignal::never(), &mut NoOp).expect("a run");
    for (name, tensor) in weights(&resumed) {
        assert!(tensor.equal(&trained[&name]), "{name} differs");
    }

    let attention = tch::no_grad(|| {
        let branch = &fresh.branches[&Modality::VISUAL];
        let input = Tensor::rand([2, 3, 48, 48], (Kind::Float, Device::Cpu));
        branch.pool(&branch.features(&input, None, &[])).attention.expect("it attends")
    });
    assert_eq!(attention.size(), [2, 1, 9]);
}

#[test]
fn an_encoder_without_blocks_cannot_compute_them_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = tiny(folder.path(), &["compute.recompute_blocks=true"]);
    let run = train(&recipe, &folder.path().join("run"), &StopSignal::never(), &mut NoOp);
    let error = format!("{:#}", run.expect_err("there are no blocks"));
    assert!(error.contains("in the audio network"), "{error}");
    assert!(error.contains("help: compute.recompute_blocks = false"), "{error}");
}

#[test]
fn a_pool_of_the_recipe_is_trained_opened_and_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let pool = "model.encoder.pool={ kind = \"attention\", heads = 4 }";
    let recipe =
        tiny(folder.path(), &[&TWO_STEPS[..], &[pool, "compute.recompute_blocks=true"]].concat());
    let out = folder.path().join("run");
    let run = tiny::run(&recipe, &out).expect("a run");
    let trained = weights(&run);
    let fresh = Network::new(&recipe, Device::Cpu).expect("a network").store.variables();
    for name in ["pool_a.query", "pool_v.to_out.weight"] {
        assert!(!trained[name].equal(&fresh[name]), "{name} has not learned");
    }
    let opened = LoadedModel::open(&out, &mut NoOp).expect("a model");
    let figures = opened.retrieve_all(&mut NoOp).expect("figures");
    let exported = folder.path().join("model");
    opened.export(&exported).expect("an export");
    let config = std::fs::read_to_string(exported.join("config.json")).expect("a configuration");
    assert!(config.contains("\"attention\""), "{config}");
    let again = LoadedModel::open(&exported, &mut NoOp).expect("the export");
    assert_eq!(again.fingerprint(), opened.fingerprint());
    assert_eq!(figures.len(), 1);
}

#[test]
fn a_weight_of_no_term_is_refused_before_the_first_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recipe = tiny(folder.path(), &[]).to_toml();
    let place =
        recipe.find("[objective.weights]\n").expect("weights") + "[objective.weights]\n".len();
    recipe.insert_str(place, "intra_adio = 1.0\n");
    let recipe = Recipe::parse(&recipe, &[] as &[Override]).expect("a recipe");
    let out = folder.path().join("run");
    let error = format!("{:#}", tiny::run(&recipe, &out).expect_err("no such term"));
    let expected = "objective.weights.intra_adio: unknown term, expected one of inter, \
                    intra_audio, intra_visual, inter_augmented, tokens";
    assert_eq!(error, expected);
    assert!(!out.join("checkpoints").exists(), "nothing was trained");
    tiny::run(&tiny(folder.path(), &["run.epochs=1"]), &out)
        .expect("another recipe takes its place");
}
