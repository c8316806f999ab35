//! The method trains as every other does: a killed run resumes to the same bytes, and two processes learn what one does.

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

/// Starts a run in `out`, as `rank` of `world` processes that meet at `port`.
fn start(out: &Path, rank: usize, world: usize, port: u16) -> Child {
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
    program.arg(RECIPE).arg(out).stdout(Stdio::null()).spawn().expect("the program")
}

fn train(out: &Path) {
    assert!(start(out, 0, 1, 0).wait().expect("an end").success());
}

fn weights(out: &Path) -> Vec<(String, Tensor)> {
    let mut all = Tensor::read_safetensors(out.join(LAST)).expect("weights");
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let [straight, killed] = ["straight", "killed"].map(|name| folder.path().join(name));
    train(&straight);
    let log = fs::read_to_string(straight.join("metrics.jsonl")).expect("a log");
    let terms = ["invariance", "variance", "covariance"];
    assert!(terms.iter().all(|term| log.contains(&format!("train/loss_{term}"))), "{log}");
    assert!(log.contains("val/held-out/visual_to_audio/r1"), "{log}");

    let mut run = start(&killed, 0, 1, 0);
    while !killed.join("checkpoints/step-000000004").exists() {
        assert!(run.try_wait().expect("a state").is_none(), "it ended before it was killed");
        sleep(Duration::from_millis(2));
    }
    run.kill().expect("a kill");
    run.wait().expect("an end");
    assert!(!killed.join(LAST).exists(), "it was killed before its end");
    train(&killed);
    let [one, other] = [&straight, &killed].map(|out| fs::read(out.join(LAST)).expect("weights"));
    assert!(one == other, "the resumed run has other bytes");
}

#[test]
fn two_processes_learn_what_one_learns() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    train(&one);
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one").port();
    let ranks = [0, 1].map(|rank| start(&two, rank, 2, port));
    for mut rank in ranks {
        assert!(rank.wait().expect("an end").success());
    }
    // AdamW makes whole steps of gradients near 0, whose signs are rounding: weights agree in the mean.
    for ((name, one), (other, two)) in weights(&one).into_iter().zip(weights(&two)) {
        assert_eq!(name, other);
        let apart = (&one - &two).abs().mean(Kind::Double).double_value(&[]);
        assert!(apart < 1e-4, "{name}: {apart}");
    }
}
