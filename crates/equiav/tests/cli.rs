//! The program as a user meets it: what it prints and how it fails.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::{Path, PathBuf};

use program::{corpus, equiav, fails, pretrain, succeeds};

/// The fixtures of the repository.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[test]
fn help_lists_the_commands() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = expect_test::expect_file!["help.txt"];
    expected.assert_eq(&succeeds(folder.path(), &["--help"]));
}

#[test]
fn runs_are_listed_plotted_and_written_as_csv() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("runs/mine");
    fs::create_dir_all(&run).expect("a folder");
    fs::write(run.join("recipe.toml"), "name = \"quick\"\n[run]\nepochs = 2\n").unwrap();
    fs::write(run.join("metrics.jsonl"), "{\"step\":1,\"epoch\":0,\"train/loss\":4.5}\n").unwrap();
    fs::create_dir(folder.path().join("runs/other")).expect("a folder");
    let arguments = ["runs", "--plot", "a.svg", "--csv", "a.csv"];
    let text = succeeds(folder.path(), &arguments);
    assert!(text.contains("mine  quick   no checkpoint  0/2     1      4.500"), "{text}");
    assert!(text.contains("other: holds no recipe.toml"), "{text}");
    let csv = fs::read_to_string(folder.path().join("a.csv")).expect("a CSV");
    assert_eq!(csv, "run,step,epoch,train/loss\nmine,1,0,4.5\n");
    assert!(fs::read_to_string(folder.path().join("a.svg")).expect("an SVG").contains("loss"));
    assert!(succeeds(folder.path(), &["runs", "--json"]).contains("\"state\": \"no-checkpoint\""));
    let message = fails(folder.path(), &["runs", "--plot", "a.svg", "--metric", "nope"]);
    assert!(message.contains("no run has the metric nope (there are: train/loss)"), "{message}");
}

#[test]
fn wrong_keys_and_values_name_the_nearest() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = |change| fails(folder.path(), &["pretrain", "quick", "--set", change]);
    let message = error("optimizer.lrr=1");
    assert!(message.contains("`optimizer` has no key `lrr`, did you mean `lr`?"), "{message}");
    let message = error("optimiser.lr=1");
    assert!(message.contains("has no key `optimiser`, did you mean `optimizer`?"), "{message}");
    let message = error("objective.inter=centroids");
    assert!(message.contains("did you mean `centroid`?"), "{message}");
    let message = error("run.batch=many");
    assert!(message.contains("run.batch: invalid type"), "{message}");
    let message = error("model.encoder.heads=7");
    assert!(message.contains("heads = 7 does not divide width"), "{message}");
    let message = error("objective.temperature=0");
    assert!(message.contains("objective.temperature = 0: expected above 0"), "{message}");
    let message = fails(folder.path(), &["pretrain", "nope.toml"]);
    assert!(message.contains("reading recipe nope.toml (built-in recipes: quick"), "{message}");
}

#[test]
fn missing_data_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = fails(folder.path(), &pretrain(&[]));
    assert!(message.contains("corpus/train.json: "), "{message}");

    corpus(folder.path());
    fs::rename(folder.path().join("corpus/train.json"), folder.path().join("list.json")).unwrap();
    let list = "data.source={ kind = \"manifest\", train = \"list.json\" }";
    let message = fails(folder.path(), &pretrain(&[list]));
    assert!(message.contains("missing or empty"), "{message}");
    let message = fails(folder.path(), &["retrieve", "nowhere"]);
    assert!(message.contains("nowhere is no run folder"), "{message}");
}

#[test]
fn a_drawn_clip_is_not_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let drawn = ["localize", "run", "--video", "a.mp4", "--out", "a.png"];
    for other in [&["--json"][..], &["--first", "3"], &["--list", "l.json"], &["--audio", "a.wav"]]
    {
        let output = equiav(folder.path(), &[&drawn[..], other].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(other[0]) && errors.contains("cannot be used with"), "{errors}");
    }
}

#[test]
fn a_video_is_drawn_as_a_video() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    succeeds(folder.path(), &pretrain(&["run.epochs=1"]));
    // A frame of the corpus, for as long as its sound lasts.
    let ffmpeg = equiav_search::embed::find_ffmpeg().expect("an FFmpeg");
    let mut make = std::process::Command::new(ffmpeg.program);
    let arguments = "-nostdin -v error -loop 1 -i corpus/frames/frame_1/valid-000000.jpg \
                     -i corpus/sound/valid-000000.wav -t 2 clip.mp4";
    make.args(arguments.split_whitespace());
    assert!(make.current_dir(folder.path()).status().expect("FFmpeg").success());

    let draw = |more: &[&str]| {
        let drawn = ["localize", "run", "--video", "clip.mp4", "--dark", "-1", "--out"];
        succeeds(folder.path(), &[&drawn[..], more].concat())
    };
    let said = draw(&["all.mp4", "--per-second", "5"]);
    assert!(said.contains("all.mp4: 10 frames, 10 lit: cosines from "), "{said}");
    let said = draw(&["one.png"]);
    assert!(said.contains("one.png: lit: cosine "), "{said}");
    let again = ["localize", "run", "--video", "all.mp4", "--out", "again.png"];
    succeeds(folder.path(), &again);

    for out in ["clip.mp4", "./clip.mp4"] {
        let over = ["localize", "run", "--video", "clip.mp4", "--out", out];
        let message = fails(folder.path(), &over);
        assert!(message.ends_with("clip.mp4: is what is to be drawn: name another --out"));
    }
    let draw = |more: &[&str]| fails(folder.path(), &[&["localize", "run"], more].concat());
    let message = draw(&["--video", "clip.mp4", "--out", "a.gif"]);
    assert!(message.ends_with("a.gif: expected a .png or .mp4"), "{message}");
    let message = draw(&["--video", "clip.mp4", "--out", "none/a.mp4"]);
    assert!(message.ends_with("none: no such folder"), "{message}");
    let message = draw(&["--video", "run/recipe.toml", "--out", "a.mp4"]);
    assert!(
        message.contains("error: run/recipe.toml: not-media: its content is a text"),
        "{message}"
    );
    let sound = ["--audio", "corpus/sound/valid-000000.wav"];
    let image = ["--image", "corpus/frames/frame_1/valid-000000.jpg", "--out", "a.mp4"];
    let message = draw(&[&sound[..], &image].concat());
    assert!(message.contains("a.mp4: expected a .png; an .mp4 is drawn of a --video"), "{message}");
}

#[test]
fn shards_are_packed_once_and_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    let pack = ["data", "pack", "corpus/train.json", "--out", "shards", "--samples", "10"];
    let said = succeeds(folder.path(), &pack);
    assert!(said.contains("24 of 24 clips in 3 shards (0 were there), list "), "{said}");
    let said = succeeds(folder.path(), &pack);
    assert!(said.contains("24 of 24 clips in 3 shards (3 were there), list "), "{said}");
    let pattern = "shards/clips-{000000..000002}.tar";
    let said = succeeds(folder.path(), &["data", "verify", pattern]);
    assert!(said.starts_with("3 shards, 24 samples, ") && said.ends_with(" 0 faults\n"), "{said}");

    let tar = folder.path().join("shards/clips-000001.tar");
    let mut bytes = fs::read(&tar).expect("a shard");
    let sound = bytes.windows(4).position(|four| four == b"RIFF").expect("a sound");
    bytes[sound] = b'x';
    fs::write(&tar, bytes).expect("a damaged shard");
    let output = equiav(folder.path(), &["data", "verify", "shards"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("shards/clips-000001.tar: train-000010.wav: is no known"), "{said}");
    assert!(said.ends_with(" 1 faults\n"), "{said}");
    let message = fails(folder.path(), &["data", "verify", "nowhere-{0..9.tar"]);
    assert!(message.contains("nowhere-{0..9.tar: a brace is not closed"), "{message}");
}

/// The first file with that ending below `folder`, in the order of names.
fn first_file(folder: &Path, ending: &str) -> PathBuf {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    entries.sort();
    let inner = entries.iter().filter(|path| path.is_dir()).map(|path| first_file(path, ending));
    let own = entries.iter().filter(|path| path.to_string_lossy().ends_with(ending)).cloned();
    own.chain(inner).find(|path| path.is_file()).unwrap_or_default()
}

#[test]
fn bad_clips_are_named_and_never_trained_on_in_silence() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    let wav = first_file(&folder.path().join("corpus"), ".wav");
    let jpg = first_file(&folder.path().join("corpus"), ".jpg");
    let (sound, picture) = (fs::read(&wav).unwrap(), fs::read(&jpg).unwrap());
    let mut non_finite = Vec::new();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer =
        hound::WavWriter::new(std::io::Cursor::new(&mut non_finite), spec).expect("a writer");
    for sample in 0..32_000 {
        writer.write_sample(if sample == 9_000 { f32::NAN } else { 0.1 }).expect("a sample");
    }
    writer.finalize().expect("a wav");

    let strict = ["run.epochs=1", "data.max_unreadable=0.0", "data.source.evaluate={}"];
    for (file, whole, bad) in [
        (&wav, &sound, b"RIFF and then nonsense".to_vec()),
        (&wav, &sound, non_finite),
        (&jpg, &picture, picture[..picture.len() / 2].to_vec()),
    ] {
        fs::write(file, &bad).unwrap();
        // A jpg may be a frame that this epoch does not draw, so every epoch of a few is tried.
        let message = fails(folder.path(), &pretrain(&[&strict[1..], &["run.epochs=40"]].concat()));
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(message.contains(&name) && message.contains("max_unreadable"), "{message}");
        fs::write(file, whole).unwrap();
        // A bad frame that the first epoch does not draw leaves a run behind.
        fs::remove_dir_all(folder.path().join("run")).unwrap();
    }

    fs::write(&wav, b"not a sound").unwrap();
    let printed = succeeds(folder.path(), &pretrain(&["data.max_unreadable=0.5"]));
    let warnings = printed.lines().filter(|line| line.starts_with("warning: another clip")).count();
    assert_eq!(warnings, 1, "each bad clip is told once: {printed}");
}

#[test]
fn data_is_measured_and_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    let small = ["--set", "front_end.frames=96", "--set", "front_end.image=48"];
    let run = |command: &str, options: &[&str]| {
        let list = ["data", command, "corpus/valid.json"];
        succeeds(folder.path(), &[&list[..], &small, options].concat())
    };

    let stats = run("stats", &[]);
    assert!(stats.contains("8 of 8, list ") && stats.contains("95 % interval"), "{stats}");
    let figures: serde_json::Value = serde_json::from_str(&run("stats", &["--json"])).unwrap();
    let mean = figures["mean"]["value"].as_f64().expect("a mean");
    assert!(stats.contains(&format!("\n[front_end]\nmean = {mean:.4}\nstd = ")), "{stats}");

    let short = ["--seconds", "0.2", "--workers", "1,2", "--batch", "4"];
    let table = run("bench", &short);
    assert!(table.contains("filterbank") && table.contains("nothing cached"), "{table}");
    let json = run("bench", &[&short[..], &["--json"]].concat());
    let figures: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(figures["loader"][1]["workers"], 2);
    assert!(figures["milliseconds_a_sample"]["read files"].as_f64() > Some(0.0), "{json}");

    let printed = run("preview", &["--clips", "3", "--out", "sheet.png"]);
    assert!(printed.contains("3 of 8 clips drawn to sheet.png"), "{printed}");
    let bytes = fs::read(folder.path().join("sheet.png")).unwrap();
    let sheet = image::load_from_memory(&bytes).expect("a picture");
    assert!(sheet.height() > 3 * 144 && sheet.width() > 800);
    let wrong = fails(folder.path(), &["data", "preview", "nowhere.json"]);
    assert!(wrong.contains("nowhere.json: "), "{wrong}");
    let nowhere = ["data", "preview", "corpus/valid.json", "--out", "nowhere/sheet.png"];
    assert!(fails(folder.path(), &nowhere).contains("nowhere/sheet.png: "));
}

#[test]
fn hostile_weights_run_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let call = format!("cos\nsystem\n(S'touch {}'\ntR.", trace.display());
    fs::write(folder.path().join("hostile.pth"), call).unwrap();
    let message = fails(folder.path(), &["import", "hostile.pth", "--out", "model"]);
    assert!(message.contains("hostile.pth"), "{message}");
    assert!(!trace.exists(), "the pickle was executed");
    assert!(!folder.path().join("model").exists());
}

#[test]
fn parity_agrees_and_can_disagree() {
    let folder = tempfile::tempdir().expect("a folder");
    let metrics = fixtures().join("metrics");
    let printed = succeeds(folder.path(), &["parity", &metrics.to_string_lossy()]);
    assert!(printed.contains("items agree"), "{printed}");

    let copy = folder.path().join("metrics");
    fs::create_dir(&copy).unwrap();
    fs::copy(metrics.join("metrics.safetensors"), copy.join("metrics.safetensors")).unwrap();
    let text = fs::read_to_string(metrics.join("metrics.json")).unwrap();
    fs::write(copy.join("metrics.json"), text.replacen("0.", "0.9", 1)).unwrap();
    let output = equiav(folder.path(), &["parity", "metrics"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("DISAGREES"));
    fs::create_dir(folder.path().join("empty")).unwrap();
    let message = fails(folder.path(), &["parity", "empty"]);
    assert!(message.contains("empty holds no dump: expected one of"), "{message}");

    // The network on a GPU where there is one, or the reason and what helps; the rest is arrays either way.
    let metrics = metrics.to_string_lossy();
    let output = equiav(folder.path(), &["parity", &metrics, "--device", "cuda"]);
    if output.status.success() {
        assert_eq!(String::from_utf8_lossy(&output.stdout), printed);
    } else {
        let message = fails(folder.path(), &["parity", &metrics, "--device", "cuda"]);
        assert!(message.contains("help: --device cpu"), "{message}");
    }
}

/// Measures the run in `folder` with embeddings that its recipe does not ask for.
fn variants_are_measured(folder: &Path) {
    let figures = |more: &[&str]| {
        let printed = succeeds(folder, &[&["retrieve", "run", "--json"], more].concat());
        let figures: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
        let interval = &figures["visual_to_audio"]["intervals"]["r1"];
        assert!(interval["low"].as_f64() <= interval["high"].as_f64(), "{printed}");
        figures
    };
    let (usual, again) = (figures(&[]), figures(&["--variant", "recipe"]));
    assert_eq!(usual, again);
    assert_eq!(usual["variant"]["kind"], "centroid");
    let other = figures(&["--centroid", "3", "--vectors-seed", "5"]);
    let expected = serde_json::json!({"kind": "centroid", "vectors": 3, "seed": 5});
    assert_eq!((&other["variant"], &other["found"]), (&expected, &usual["found"]));
    let clean = figures(&["--variant", "clean"]);
    assert_eq!(clean["variant"], serde_json::json!({"kind": "clean"}));
    let message = fails(folder, &["retrieve", "run", "--variant", "clean", "--centroid", "2"]);
    assert!(message.contains("add `--variant centroid`"), "{message}");
}

#[test]
fn a_trained_model_goes_out_and_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus(folder.path());
    succeeds(folder.path(), &pretrain(&["run.epochs=1"]));
    let printed = succeeds(folder.path(), &["retrieve", "run"]);
    assert!(printed.contains("held-out: 8 of 8 clips found"), "{printed}");
    let wav = folder.path().join("corpus/sound").read_dir().expect("sounds").flatten();
    let wav = wav.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("valid"));
    fs::write(wav.expect("a held-out sound"), b"not a sound").unwrap();
    let printed = succeeds(folder.path(), &["retrieve", "run"]);
    assert!(printed.contains("held-out: 7 of 8 clips found"), "{printed}");
    assert!(printed.contains("skipped: clip `valid-"), "{printed}");
    variants_are_measured(folder.path());
    succeeds(folder.path(), &["export", "run", "--out", "model"]);
    let printed = succeeds(
        folder.path(),
        &["import", "model", "--recipe", "run/recipe.toml", "--out", "again"],
    );
    assert!(printed.contains("loaded"), "{printed}");
    let read = |name: &str| fs::read(folder.path().join(name).join("model.safetensors")).unwrap();
    assert!(read("model") == read("again"), "the weights changed on the way");
}

/// `finetune` on the small corpus, from `start`, with `changes`.
fn finetune<'a>(start: &[&'a str], changes: &[&'a str]) -> Vec<&'a str> {
    let source = "data.source={ kind = \"manifest\", train = \"corpus/train.json\", \
                  evaluate = { held-out = \"corpus/valid.json\" } }";
    let small = [
        source,
        "data.labels=corpus/class_labels_indices.csv",
        "data.validation=0.25",
        "data.per_class=3",
        "front_end.frames=96",
        "front_end.image=48",
        "model.encoder.width=32",
        "model.encoder.depth=1",
        "model.encoder.heads=2",
        "run.batch=4",
        "run.epochs=2",
        "evaluation.every=1",
        "compute.threads=1",
    ];
    let mut arguments = [&["finetune", "finetune-quick"], start].concat();
    for change in small.iter().chain(changes) {
        arguments.extend(["--set", change]);
    }
    arguments
}

#[test]
fn a_run_is_fine_tuned_probed_and_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    corpus(folder);
    succeeds(folder, &pretrain(&["run.epochs=1"]));
    let printed = succeeds(folder, &finetune(&["--from", "run", "--out", "runs/tuned"], &[]));
    assert!(printed.contains("validation: mAP "), "{printed}");
    assert!(printed.contains("held-out: 8 of 8 clips found, list "), "{printed}");
    assert!(printed.contains("top-1 ") && printed.contains("(95 %: "), "{printed}");
    let again = succeeds(folder, &finetune(&["--from", "run", "--out", "runs/tuned"], &[]));
    assert!(again.contains("going on after step 4 of 4"), "{again}");
    let audio = finetune(&["--scratch", "--out", "runs/audio"], &["model.mode=audio"]);
    succeeds(folder, &audio);
    let listed = succeeds(folder, &["runs"]);
    for line in ["audio  finetune-quick  finished  2/2", "tuned  finetune-quick  finished  2/2"] {
        assert!(listed.contains(line), "{listed}");
    }

    let labels = ["--labels", "corpus/class_labels_indices.csv", "--validation", "0.25"];
    let probe = |more: &[&str]| succeeds(folder, &[&["probe", "run"][..], &labels, more].concat());
    let printed = probe(&["--per-class", "3"]);
    assert!(printed.contains("both, linear (lr "), "{printed}");
    assert!(probe(&["--random"]).contains("a fresh network of the recipe quick"));
    let json = probe(&["--json"]);
    assert_eq!(json.lines().filter(|line| line.contains("\"method\":\"neighbors\"")).count(), 3);

    let message = fails(folder, &finetune(&[], &[]));
    assert!(
        message.contains("name a run folder or weights with --from, or say --scratch"),
        "{message}"
    );
    let message = fails(folder, &finetune(&["--scratch"], &["objective.loss=mse"]));
    assert!(message.contains("did you mean"), "{message}");
    let message = fails(folder, &finetune(&["--from", "nowhere", "--out", "runs/none"], &[]));
    assert!(message.contains("starting from nowhere"), "{message}");
}
