//! The method trains as every other does: a killed run resumes to the same bytes, and two processes learn what one does.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tch::{Kind, Tensor};

const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recipe.toml");
/// The last checkpoint of a run: 3 epochs of 6 steps.
const LAST: &str = "checkpoints/step-000000018/model.safetensors";

/// Starts a run of `recipe` in `out`, as `rank` of `world` processes that meet at `port`.
fn start(recipe: &Path, out: &Path, rank: usize, world: usize, port: u16) -> Child {
    let mut program = Command::new(env!("CARGO_BIN_EXE_own-method"));
    if world > 1 {
        for (name, value) in [
            ("RANK", rank.to_string()),
            ("LOCAL_RANK", rank.to_string()),
            ("WORLD_SIZE", world.to_string()),
            ("MASTER_ADDR", "127.0.0.1".to_owned()),
            ("MASTER_PORT", port.to_string()),
        ] {
            program.env(name, value);
        }
    }
    program.arg(recipe).arg(out).stdout(Stdio::null()).spawn().expect("the program")
}

fn train(recipe: &Path, out: &Path) {
    assert!(start(recipe, out, 0, 1, 0).wait().expect("an end").success());
}

fn weights(path: &Path) -> BTreeMap<String, Tensor> {
    Tensor::read_safetensors(path).expect("weights").into_iter().collect()
}

/// The length of the difference of two sets of weights.
fn distance(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>) -> f64 {
    let square =
        |(name, a): (&String, &Tensor)| (a - &b[name]).square().sum(Kind::Double).double_value(&[]);
    a.iter().map(square).sum::<f64>().sqrt()
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let [straight, killed] = ["straight", "killed"].map(|name| folder.path().join(name));
    train(RECIPE.as_ref(), &straight);
    let log = fs::read_to_string(straight.join("metrics.jsonl")).expect("a log");
    let terms = ["invariance", "variance", "covariance"];
    assert!(terms.iter().all(|term| log.contains(&format!("train/loss_{term}"))), "{log}");
    assert!(log.contains("val/held-out/visual_to_audio/r1"), "{log}");

    let mut run = start(RECIPE.as_ref(), &killed, 0, 1, 0);
    while !killed.join("checkpoints/step-000000004").exists() {
        assert!(run.try_wait().expect("a state").is_none(), "it ended before it was killed");
        sleep(Duration::from_millis(2));
    }
    run.kill().expect("a kill");
    run.wait().expect("an end");
    assert!(!killed.join(LAST).exists(), "it was killed before its end");
    train(RECIPE.as_ref(), &killed);
    let [one, other] = [&straight, &killed].map(|out| fs::read(out.join(LAST)).expect("weights"));
    assert!(one == other, "the resumed run has other bytes");
}

#[test]
fn two_processes_learn_what_one_learns() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    // AdamW makes a whole step of a gradient near 0, whose sign is rounding; with this eps it is a momentum's descent.
    let mut text = fs::read_to_string(RECIPE).expect("the recipe");
    for (from, to) in [
        ("eps = 1e-8", "eps = 1.0"),
        ("lr = 1e-3", "lr = 0.1"),
        ("keep_checkpoints = 2", "keep_checkpoints = 20"),
    ] {
        assert!(text.contains(from));
        text = text.replacen(from, to, 1);
    }
    let recipe = folder.path().join("recipe.toml");
    fs::write(&recipe, text).expect("written");
    train(&recipe, &one);
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one").port();
    let ranks = [0, 1].map(|rank| start(&recipe, &two, rank, 2, port));
    for mut rank in ranks {
        assert!(rank.wait().expect("an end").success());
    }
    let last = weights(&one.join(LAST));
    let first = weights(&one.join("checkpoints/step-000000002/model.safetensors"));
    let (way, apart) = (distance(&last, &first), distance(&last, &weights(&two.join(LAST))));
    assert!(way > 1e-2, "the weights have hardly moved: {way}");
    assert!(apart < 1e-3 * way, "{apart} apart after a way of {way}");
}
