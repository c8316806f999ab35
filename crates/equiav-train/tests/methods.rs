//! Every method that a recipe names: a run that is stopped goes on to the same bytes, a killed one too, two processes have the
//! gradient of one, and what is trained can be opened and is better than nothing.

#[path = "../../equiav-torch/tests/group/launch.rs"]
#[allow(dead_code, reason = "each test program uses its part")]
mod launch;
#[path = "support/tiny.rs"]
mod tiny;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use equiav_augment::Modality;
use equiav_torch::Timeouts;
use equiav_train::{
    Callback, Event, LoadedModel, NoOp, Override, PretrainRecipe, PretrainSummary, RunOptions,
    StopSignal, World,
};
use launch::{Failure, Launch, Outcome, PATIENT, Running, free_port};
use tch::{Kind, Tensor};

/// The folder in which the processes of a test work, and the recipe that they train by.
const FOLDER: &str = "EQUIAV_TEST_FOLDER";
const RECIPE: &str = "EQUIAV_TEST_RECIPE";

/// Every built-in recipe of another method than EquiAV, with what makes it small beside what makes all of them small.
const RECIPES: [(&str, &[&str]); 6] = [
    ("cca-quick", &["model.head.out=4", "model.readout=3", "method.agreement.running=0.9"]),
    ("sdcca-quick", &["model.head.out=4", "model.readout=3"]),
    ("stica-quick", &["model.head.hidden=8", "model.head.out=6", "model.encoder.pool.heads=2"]),
    ("uavm-quick", &["model.encoder.depth=2"]),
    ("vae-cca-quick", &["model.head.hidden=8", "model.head.out=6", "method.hidden=8"]),
    ("xdc-quick", &["method.clusters=3"]),
];

/// What makes an update a momentum's descent: with AdamW's usual eps a gradient near 0 becomes a whole step by its rounding.
const SMOOTH: [&str; 2] = ["optimizer.eps=1.0", "optimizer.lr=0.3"];

fn recipe(name: &str, folder: &Path, changes: &[&str]) -> PretrainRecipe {
    let list = |name: &str| folder.join("corpus").join(name);
    let source = format!(
        "data.source={{ kind = \"manifest\", train = {:?}, evaluate = {{ held-out = {:?} }} }}",
        list("train.json"),
        list("valid.json")
    );
    let small = [
        source.as_str(),
        "front_end.frames=96",
        "front_end.image=48",
        "model.encoder.width=32",
        "model.encoder.depth=1",
        "model.encoder.heads=2",
        "run.batch=8",
        "run.epochs=3",
        "run.keep_checkpoints=3",
        "evaluation.every=1",
        "compute.threads=1",
    ];
    let own = RECIPES.iter().find(|(known, _)| *known == name).expect("a recipe").1;
    let overrides: Vec<Override> = small
        .iter()
        .chain(own)
        .chain(changes)
        .map(|text| text.parse().expect("KEY=VALUE"))
        .collect();
    PretrainRecipe::load(name.as_ref(), &overrides).expect("a recipe")
}

fn train(
    recipe: &PretrainRecipe,
    out: &Path,
    stop: &StopSignal,
    callback: &mut dyn Callback,
) -> PretrainSummary {
    let world = &World::alone();
    recipe.pretrain(RunOptions { out, world, stop }, callback).expect("a run")
}

/// A watcher that asks the run to stop at its `n`-th step.
struct StopAt<'a>(u64, &'a StopSignal);

impl Callback for StopAt<'_> {
    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Step(report) if report.step == self.0 => self.1.request(15),
            _ => {}
        }
    }
}

/// The body of a started process; of no meaning when the tests start it.
#[test]
fn child() {
    launch::child(|scenario| match scenario {
        "run" => child_run(),
        other => panic!("no scenario {other}"),
    });
}

fn child_run() -> Result<(), Failure> {
    tch::set_num_threads(1);
    let variable = |name| std::env::var(name).expect("set by the test");
    let folder = PathBuf::from(variable(FOLDER));
    let recipe = recipe(&variable(RECIPE), &folder, &[&SMOOTH[..], &["run.epochs=1"]].concat());
    let timeouts = Timeouts { rendezvous: PATIENT, collective: PATIENT };
    let world = World::from_environment(timeouts)?;
    let (out, stop) = (folder.join("two"), StopSignal::never());
    recipe.pretrain(RunOptions { out: &out, world: &world, stop: &stop }, &mut NoOp)?;
    Ok(())
}

#[test]
fn every_recipe_resumes_to_the_same_bytes_and_can_be_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    tiny::tiny(folder.path(), &[]);
    for (name, _) in RECIPES {
        let place = |run: &str| folder.path().join(name).join(run);
        let recipe = recipe(name, folder.path(), &["evaluation.online_every=3"]);
        let straight = train(&recipe, &place("straight"), &StopSignal::never(), &mut NoOp);
        // In the middle of the second epoch, whose start a method may have done much at.
        let stop = StopSignal::never();
        let stopped = train(&recipe, &place("stopped"), &stop, &mut StopAt(6, &stop));
        assert_eq!((stopped.stopped, stopped.steps), (Some(15), 6), "{name}");
        // Killed between two checkpoints: the steps since the last are made again.
        let killed = AssertUnwindSafe(|| {
            train(&recipe, &place("stopped"), &StopSignal::never(), &mut tiny::CrashAt(10))
        });
        assert!(catch_unwind(killed).is_err(), "{name}: the run was ended");
        let resumed = train(&recipe, &place("stopped"), &StopSignal::never(), &mut NoOp);
        for file in ["model.safetensors", "optimizer.safetensors", "method.safetensors"] {
            let [a, b] = [&straight, &resumed].map(|run| fs::read(run.checkpoint.join(file)).ok());
            assert!(a == b, "{name}: {file} of the resumed run has other bytes");
        }
        assert_eq!(straight.metrics, resumed.metrics, "{name}");
        assert_eq!(tiny::records(&place("straight")), tiny::records(&place("stopped")), "{name}");

        let opened = LoadedModel::open(&place("straight"), &mut NoOp).expect(name);
        let found = opened.retrieve_all(&mut NoOp).expect("figures").remove(0);
        let value = straight.metrics.lists[0].value("visual_to_audio/mean_rank").expect("a rank");
        assert_eq!(found.visual_to_audio.mean_rank, value, "{name}: as measured while training");
        let branch = &opened.network.branches[&Modality::AUDIO];
        let point = Tensor::zeros([1, branch.encoder().width()], (Kind::Float, tch::Device::Cpu));
        let width = branch.project(&point).size()[1] as usize;
        assert_eq!(opened.fingerprint().width, width, "{name}: as an index has its rows");
        opened.export(&place("export")).expect("a folder");
        let exported = LoadedModel::open(&place("export"), &mut NoOp).expect("a model");
        assert!(
            exported.fingerprint().is(&opened.fingerprint()),
            "{name}: the export is another model"
        );
    }
}

#[test]
fn two_processes_go_the_way_of_one() {
    let folder = tempfile::tempdir().expect("a folder");
    tiny::tiny(folder.path(), &[]);
    for (name, _) in RECIPES {
        let changes = [&SMOOTH[..], &["run.epochs=1"]].concat();
        let one_recipe = recipe(name, folder.path(), &changes);
        let one = folder.path().join(name);
        train(&one_recipe, &one, &StopSignal::never(), &mut NoOp);
        let port = free_port();
        let start = |rank| {
            let launch = Launch::new("run", rank, 2).with(RECIPE, name);
            launch.with(FOLDER, folder.path().to_str().expect("a path in Unicode")).start(port)
        };
        let running: Vec<Running> = (0..2).map(start).collect();
        let outcomes: Vec<Outcome> = running.into_iter().map(Running::finish).collect();
        for outcome in &outcomes {
            assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.text);
        }
        let two = folder.path().join("two");
        let moments = |run: &Path| moments(run, tiny::STEPS);
        let (one, two_moments) = (moments(&one), moments(&two));
        let length = |all: &[(String, Tensor)]| {
            all.iter()
                .map(|(_, moment)| moment.square().sum(Kind::Double).double_value(&[]))
                .sum::<f64>()
                .sqrt()
        };
        let apart: Vec<(String, Tensor)> =
            one.iter().zip(&two_moments).map(|((name, a), (_, b))| (name.clone(), a - b)).collect();
        let share = length(&apart) / length(&one);
        assert!(share < 1e-3, "{name}: two processes are {share:.1e} of the gradient away");
        fs::remove_dir_all(&two).expect("the folder of the run");
    }
}

/// The first moments after `step` steps: averages of the gradients.
fn moments(run: &Path, step: u64) -> Vec<(String, Tensor)> {
    let file = run.join(format!("checkpoints/step-{step:09}/optimizer.safetensors"));
    let mut all = Tensor::read_safetensors(file).expect("moments");
    all.retain(|(name, _)| name.ends_with(".exp_avg"));
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(!all.is_empty());
    all
}
