//! Embeddings of plain files: the same bytes whatever else is embedded, whole windows, named faults; and the
//! index that holds them, whole or refused.

#[path = "../../equiav-train/tests/support/tiny.rs"]
mod tiny;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use equiav_augment::Modality;
use equiav_search::embed::{Embedder, MediaFiles, MediumFile, Per, Row, find_ffmpeg, write};
use equiav_search::index::{IndexContents, index_files};
use equiav_search::search::{self, Gallery, lookers, measure};
use equiav_train::{DeviceChoice, LoadedModel, NoOp};
use tch::Device;

/// A run of one epoch in `folder/run`, of a network large enough for its products to depend on how they
/// are cut.
fn train(folder: &Path, changes: &[&str]) -> PathBuf {
    let run = folder.join("run");
    let larger = ["model.encoder.width=128", "model.encoder.depth=2", "run.epochs=1"];
    let recipe = tiny::tiny(folder, &[&larger[..], changes].concat());
    tiny::run(&recipe, &run).expect("a run");
    run
}

fn embedder(run: &Path, threads: usize) -> Embedder {
    let trained = LoadedModel::open_on(run, DeviceChoice::Cpu, &mut NoOp).expect("a model");
    Embedder::new(trained, None, NonZeroUsize::new(threads).expect("threads")).expect("an embedder")
}

/// What comes of each of `files`, in their order.
fn embed(embedder: &Embedder, files: &[MediumFile], per: Per) -> Vec<Result<Vec<Row>, String>> {
    let mut all = Vec::new();
    let take = &mut |position, rows| {
        assert_eq!(position, all.len(), "in the order of the files");
        all.push(rows);
        Ok(())
    };
    embedder.embed(files, per, take).expect("no fault of the program");
    all
}

/// The bits of rows, since equal numbers may differ in them.
fn bits(rows: &[Row]) -> Vec<(Modality, Option<u64>, Vec<u32>)> {
    let bits = |row: &Row| {
        let values = row.vector.iter().map(|value| value.to_bits()).collect();
        (row.modality, row.span.map(|span| span.start), values)
    };
    rows.iter().map(bits).collect()
}

/// A sound of `seconds` in which a tone rises.
fn rising(path: &Path, seconds: f64) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 22_050,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("a file");
    for sample in 0..(22_050.0 * seconds) as u32 {
        let time = f64::from(sample) / 22_050.0;
        let value = (std::f64::consts::TAU * (200.0 + 150.0 * time) * time).sin() * 9_000.0;
        writer.write_sample(value as i16).expect("a sample");
    }
    writer.finalize().expect("a wav");
}

/// Sounds and pictures of the corpus, a long sound, and a broken file in the middle.
fn files(folder: &Path) -> Vec<MediumFile> {
    let found = MediaFiles::find(&[folder.join("corpus")], &[]).expect("files").files;
    let some = |ending: &str| {
        let is = |file: &&MediumFile| file.path.extension().is_some_and(|own| own == ending);
        found.iter().filter(is).take(3).cloned().collect::<Vec<_>>()
    };
    let long = folder.join("long.wav");
    rising(&long, 3.3);
    let mut files = [some("wav"), vec![MediumFile::new(long)], some("jpg")].concat();
    assert_eq!(files.len(), 7);
    let broken = folder.join("broken.wav");
    fs::write(&broken, b"RIFF and then nonsense").expect("a file");
    files.insert(3, MediumFile::new(broken));
    files
}

#[test]
fn a_file_has_the_same_bits_alone_among_others_in_any_order_and_by_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = train(folder.path(), &[]);
    let files = files(folder.path());
    let one = embedder(&run, 1);
    let alone: Vec<_> = files
        .iter()
        .map(|file| embed(&one, std::slice::from_ref(file), Per::Window).remove(0))
        .collect();
    assert!(
        alone[3].as_ref().is_err_and(|reason| reason.contains("is a text, no sound")),
        "{:?}",
        alone[3]
    );
    let long = alone[4].as_ref().expect("a long sound");
    assert_eq!(
        long.iter().map(|row| row.span.expect("a time").start).collect::<Vec<_>>(),
        [0, 960, 1_920, 2_320]
    );
    assert_ne!(long[0].vector, long[1].vector, "windows differ");

    for threads in [1, 2, 3] {
        let embedder = embedder(&run, threads);
        let mut order: Vec<usize> = (0..files.len()).collect();
        for _ in 0..3 {
            let shuffled: Vec<MediumFile> = order.iter().map(|at| files[*at].clone()).collect();
            for (rows, at) in embed(&embedder, &shuffled, Per::Window).iter().zip(&order) {
                let same = match (rows, &alone[*at]) {
                    (Ok(rows), Ok(alone)) => bits(rows) == bits(alone),
                    (rows, alone) => rows == alone,
                };
                assert!(same, "{} with {threads} threads", files[*at].path.display());
            }
            order.rotate_left(3);
            order.swap(0, 5);
        }
    }
    let whole = embed(&one, &files, Per::File);
    for (rows, whole) in alone.iter().zip(&whole) {
        let Ok(whole) = whole else { continue };
        let norm = whole[0].vector.iter().map(|value| value * value).sum::<f32>();
        assert!((norm - 1.0).abs() < 1e-5 && whole.len() == 1, "one row of unit length");
        let windows = rows.as_ref().expect("rows");
        assert_eq!(
            whole[0].span.map(|span| span.end),
            windows.last().expect("a row").span.map(|span| span.end)
        );
    }
}

#[test]
fn damage_in_a_video_costs_the_windows_that_it_touches_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = train(folder.path(), &[]);
    let path = folder.path().join("damaged.avi");
    let mut ffmpeg = std::process::Command::new(find_ffmpeg().expect("FFmpeg").program);
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=20"]);
    ffmpeg.args(["-f", "lavfi", "-i", "sine=440:d=20", "-g", "10"]);
    ffmpeg.args(["-c:v", "mpeg4", "-q:v", "3", "-c:a", "mp2"]).arg(&path);
    assert!(ffmpeg.status().expect("FFmpeg").success());
    let embedder = embedder(&run, 2);
    let video = [MediumFile::new(path.clone())];
    let whole = embed(&embedder, &video, Per::Window).remove(0).expect("rows");
    assert_eq!(embedder.take_damaged(), []);

    let mut bytes = fs::read(&path).expect("a file");
    let middle = bytes.len() / 2;
    for at in (middle..middle + 3_000).step_by(100) {
        bytes[at] ^= 0x24;
    }
    fs::write(&path, bytes).expect("a file");
    let left = embed(&embedder, &video, Per::Window).remove(0).expect("rows");
    assert!(whole.len() / 2 < left.len() && left.len() < whole.len(), "{}", left.len());
    let (whole_bits, left_bits) = (bits(&whole), bits(&left));
    assert!(left_bits.iter().all(|row| whole_bits.contains(row)), "the others are what they were");
    let damaged = embedder.take_damaged();
    let skipped = whole.len() - left.len();
    let reason = format!("{skipped} of {} windows are damaged and skipped", whole.len());
    assert_eq!((damaged.len(), &damaged[0].file, &damaged[0].reason), (1, &path, &reason));
    assert_eq!(embedder.take_damaged(), [], "told once");
}

#[test]
fn an_export_is_the_same_model_and_embeds_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = train(folder.path(), &["objective.learn_temperature=true"]);
    let exported = folder.path().join("model");
    LoadedModel::open_on(&run, DeviceChoice::Cpu, &mut NoOp)
        .expect("a run")
        .export(&exported)
        .expect("an export");
    let (of_run, of_export) = (embedder(&run, 1), embedder(&exported, 1));
    assert_eq!(of_run.fingerprint(), of_export.fingerprint());
    let files = files(folder.path());
    let rows = |embedder| embed(embedder, &files, Per::Window);
    for (a, b) in rows(&of_run).iter().zip(&rows(&of_export)) {
        assert!(a.as_ref().ok().map(|rows| bits(rows)) == b.as_ref().ok().map(|rows| bits(rows)));
    }
    // What decides an embedding decides the fingerprint.
    let config = exported.join("config.json");
    let text = fs::read_to_string(&config).expect("a configuration");
    let fingerprint = |text: &str| {
        fs::write(&config, text).expect("a file");
        LoadedModel::open_on(&exported, DeviceChoice::Cpu, &mut NoOp)
            .map(|trained| trained.fingerprint().digest)
    };
    let mut changed: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    changed["evaluation"]["seed"] = 1.into();
    let other = fingerprint(&changed.to_string()).expect("another seed of the vectors");
    assert_ne!(other, of_run.fingerprint().digest);
    changed["evaluation"].as_object_mut().expect("a table").remove("seed");
    let message = format!("{:#}", fingerprint(&changed.to_string()).expect_err("no seed"));
    assert!(message.contains("config.json: `evaluation`: missing field `seed`"), "{message}");
    changed.as_object_mut().expect("a table").remove("seed");
    let message = format!("{:#}", fingerprint(&changed.to_string()).expect_err("an older export"));
    assert!(message.contains("`seed` is missing") && message.contains("equiav export"));
    fs::remove_file(&config).expect("a file");
    let message = format!(
        "{:#}",
        LoadedModel::open_on(&exported, DeviceChoice::Cpu, &mut NoOp).expect_err("nothing")
    );
    assert!(message.contains("is no run folder and no exported model"), "{message}");
}

#[test]
fn rows_are_written_for_python_and_the_embeddings_are_those_of_retrieval() {
    // Sounds of 98 frames, in windows of 96 and of 160.
    embeddings_are_those_of_retrieval(&[]);
    embeddings_are_those_of_retrieval(&["front_end.frames=160", "model.encoder.mask_padding=true"]);
}

fn embeddings_are_those_of_retrieval(changes: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let run = train(folder.path(), changes);
    let embedder = embedder(&run, 2);
    let list = folder.path().join("corpus/valid.json");
    let files = MediaFiles::find(&[], std::slice::from_ref(&list)).expect("files").files;
    let mut rows = Vec::new();
    for (file, own) in files.iter().zip(embed(&embedder, &files, Per::Window)) {
        rows.push((file.path.clone(), own.expect("rows")));
    }
    let out = folder.path().join("e.safetensors");
    let written = write(&rows, embedder.fingerprint(), &out).expect("files");
    let tensors: BTreeMap<_, _> =
        tch::Tensor::read_safetensors(&out).expect("tensors").into_iter().collect();
    let index = fs::read_to_string(&written.index).expect("an index");
    let lines: Vec<serde_json::Value> =
        index.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), written.rows[0] + written.rows[1]);

    // Retrieval embeds in batches, so only nearly the same.
    let trained = LoadedModel::open_on(&run, DeviceChoice::Cpu, &mut NoOp).expect("a run");
    let clips = equiav_data::Clips::open(&list.to_string_lossy()).expect("clips");
    let dataset = equiav_train::dataset(&trained.recipe, clips).expect("a data set");
    let embedded =
        equiav_train::eval::embeddings::embed(dataset, &trained.network, &trained.recipe)
            .expect("embeddings");
    for modality in Modality::AUDIO_VISUAL {
        let tensor = &tensors[modality.name()];
        let own = lines.iter().filter(|line| line["modality"] == modality.name());
        let first = own.filter(|line| line["start"].as_f64().unwrap_or(0.0) == 0.0);
        for (clip, line) in first.enumerate() {
            let row = tensor.get(line["row"].as_i64().expect("a row"));
            let other = embedded.rows[&modality].row(clip).to_vec();
            let other = tch::Tensor::from_slice(&other);
            let cosine = row.dot(&other).double_value(&[]) / other.norm().double_value(&[]);
            assert!(cosine > 0.99999, "{modality} of clip {clip}: {cosine}");
        }
    }
    assert!(write(&rows, embedder.fingerprint(), &folder.path().join("e.pt")).is_err());
}

fn twenty_of_each(files: Vec<MediumFile>) -> Vec<MediumFile> {
    let some = |ending: &str| {
        let is = |file: &&MediumFile| file.path.extension().is_some_and(|own| own == ending);
        files.iter().filter(is).take(20).cloned().collect::<Vec<_>>()
    };
    [some("wav"), some("jpg")].concat()
}

/// An index of some of the corpus in `folder`.
fn index(folder: &Path, run: &Path, name: &str) -> (PathBuf, IndexContents) {
    let path = folder.join(name);
    let files = MediaFiles::find(&[folder.join("corpus")], &[]).expect("files").files;
    let files = twenty_of_each(files);
    let indexed =
        index_files(&embedder(run, 2), &files, &path, 7, &mut |_, _| {}).expect("an index");
    assert!(indexed.broken.is_empty());
    let contents = IndexContents::read(&path).expect("an index");
    (path, contents)
}

#[test]
fn an_index_grows_skips_what_it_has_and_refuses_another_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = train(folder.path(), &[]);
    let (path, before) = index(folder.path(), &run, "index");
    assert!(before.rows.len() > 20 && before.files.len() == 40);
    let embedder_of_run = embedder(&run, 1);
    let add = |files: &[MediumFile]| {
        index_files(&embedder_of_run, files, &path, 64, &mut |_, _| {}).expect("an index")
    };
    let (copy, changed) = (folder.path().join("copy.wav"), folder.path().join("changed.wav"));
    let known: Vec<&String> = before.files.keys().filter(|file| file.ends_with(".wav")).collect();
    fs::copy(known[0], &copy).expect("a copy");
    rising(&changed, 0.5);
    let files = [copy, changed.clone(), PathBuf::from(known[1]), folder.path().join("no.wav")];
    let files = files.map(MediumFile::new);
    let indexed = add(&files);
    assert_eq!((indexed.embedded, indexed.copies, indexed.unchanged), (1, 1, 1));
    assert_eq!(indexed.broken.len(), 1);
    let more = IndexContents::read(&path).expect("an index");
    assert_eq!((more.files.len(), more.rows.len()), (42, before.rows.len() + 1));

    // Of two new files that are equal one is embedded.
    let twins = ["one.wav", "two.wav"].map(|name| folder.path().join(name));
    twins.iter().for_each(|path| rising(path, 0.6));
    let indexed = add(&twins.map(MediumFile::new));
    assert_eq!((indexed.embedded, indexed.copies, indexed.unchanged), (1, 1, 0));
    let more = IndexContents::read(&path).expect("an index");
    assert_eq!((more.files.len(), more.rows.len()), (44, before.rows.len() + 2));

    // A file that has changed leaves nothing of its past behind.
    rising(&changed, 0.7);
    let indexed = add(&files[1..2]);
    assert_eq!((indexed.embedded, indexed.unchanged), (1, 0));
    let after = IndexContents::read(&path).expect("an index");
    assert_eq!((after.files.len(), after.rows.len()), (44, more.rows.len()));
    assert_ne!(after.rows, more.rows);

    let other_folder = tempfile::tempdir().expect("a folder");
    let other = train(other_folder.path(), &["seed=1"]);
    let other = embedder(&other, 1);
    let message =
        index_files(&other, &files, &path, 64, &mut |_, _| {}).expect_err("another model");
    let message = message.to_string();
    assert!(message.contains(&embedder_of_run.fingerprint().digest), "{message}");
    assert!(message.contains(&other.fingerprint().digest), "{message}");
    assert!(search::open(&path, other.fingerprint()).is_err());

    let trained = LoadedModel::open_on(&run, DeviceChoice::Cpu, &mut NoOp).expect("a run");
    let often = Embedder::new(trained, Some(0.5), NonZeroUsize::MIN).expect("an embedder");
    let message = index_files(&often, &files, &path, 64, &mut |_, _| {}).expect_err("a stride");
    assert!(message.to_string().contains("holds windows that begin every 0.96 s, not every 0.5 s"));

    // Each sound finds its own picture as early as a search by hand says.
    let list = folder.path().join("corpus/valid.json");
    let pictures = MediaFiles::find(&[], std::slice::from_ref(&list)).expect("files").files;
    add(&pictures);
    let contents = search::open(&path, embedder_of_run.fingerprint()).expect("an index");
    let found = measure(&embedder_of_run, &contents, &list).expect("figures");
    let gallery = Gallery::new(&contents, Modality::VISUAL, Device::Cpu);
    let mut ranks = Vec::new();
    for clip in &equiav_data::Manifest::read(&list).expect("a list").clips {
        let sound = [MediumFile::new(clip.sound.clone())];
        let rows = embed(&embedder_of_run, &sound, Per::Window).remove(0).expect("rows");
        let hits = gallery.search(&lookers(&rows, Modality::VISUAL), gallery.len());
        let own = clip.frame_path(clip.frames() / 2).canonicalize().expect("a path");
        let is_own = |file: &String| Path::new(file) == own;
        let rank = hits.iter().position(|hit| hit.files.iter().any(is_own));
        ranks.push(rank.expect("its own picture") + 1);
    }
    ranks.sort_unstable();
    assert_eq!(found.median_rank, (ranks[7] + ranks[8]) as f64 / 2.0);
    for recall in &found.recall {
        let within = ranks.iter().filter(|rank| **rank <= recall.at).count();
        assert_eq!(recall.share, within as f64 / 16.0);
    }
    assert_eq!((found.queries, found.gallery), (16, gallery.len()));
}

#[test]
fn a_damaged_index_is_refused_or_unharmed() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = train(folder.path(), &[]);
    let (path, contents) = index(folder.path(), &run, "index");
    let bytes = fs::read(&path).expect("an index");
    let embedder = embedder(&run, 1);
    let damaged = folder.path().join("damaged");
    let (mut refused, mut whole) = (0, 0);
    let mut try_reading = |bytes: &[u8], what: &str| {
        fs::write(&damaged, bytes).expect("a file");
        match IndexContents::read(&damaged) {
            Ok(read) => {
                assert!(read == contents, "{what}: other answers");
                whole += 1;
                true
            }
            Err(error) => {
                let message = format!("{error:#}");
                assert!(message.starts_with("index ") && !message.contains('\n'), "{message}");
                refused += 1;
                false
            }
        }
    };
    // The bit that tells which copy of the roots holds: after a clean end either does.
    let mut other_roots = bytes.clone();
    other_roots[9] ^= 1;
    assert!(try_reading(&other_roots, "the other roots"), "nothing is lost");
    let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let header = 0..512;
    let within = (0..400).map(|step| used[step * used.len() / 400]);
    let anywhere = (0..100).map(|step| step * bytes.len() / 100);
    for at in header.chain(within).chain(anywhere) {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            try_reading(&bytes, &format!("byte {at} by {flip}"));
        }
    }
    for length in (0..40).map(|step| step * bytes.len() / 40) {
        try_reading(&bytes[..length], &format!("{length} bytes"));
    }
    assert!(refused > 300, "{refused} refused, {whole} unharmed");
    // Adding to it either repairs it or refuses.
    let files = MediaFiles::find(&[folder.path().join("corpus")], &[]).expect("files").files;
    let files = twenty_of_each(files);
    for at in (0..60).map(|step| used[step * used.len() / 60]) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x20;
        fs::write(&damaged, &bytes).expect("a file");
        match index_files(&embedder, &files, &damaged, 64, &mut |_, _| {}) {
            Ok(_) => {
                assert!(IndexContents::read(&damaged).expect("an index") == contents, "byte {at}")
            }
            Err(error) => assert!(!format!("{error:#}").contains('\n'), "{error:#}"),
        }
    }
}
