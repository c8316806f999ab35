//! Files to ingest, made by FFmpeg's own generators, and shards read back by their index.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use equiav_data::ffmpeg::Ffmpeg;
use equiav_ingest::{IngestSettings, Ingested, ingest};
use serde_json::Value;

/// The FFmpeg of this machine; a test that needs it cannot pass without.
pub(crate) fn ffmpeg() -> Ffmpeg {
    let cache = equiav_corpora::cache_folder().ok();
    Ffmpeg::find(cache.as_deref()).expect("FFmpeg: `cargo xtask ffmpeg` fetches one")
}

/// Runs FFmpeg with `arguments`, separated by blanks, to make `path`.
pub(crate) fn make(path: &Path, arguments: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let mut command = Command::new(ffmpeg().program);
    command.args(["-nostdin", "-v", "error", "-y", "-threads", "1"]);
    let output = command.args(arguments.split_whitespace()).arg(path).output().expect("FFmpeg");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", path.display());
}

/// A moving picture with a tone, of `seconds`.
pub(crate) fn moving(path: &Path, seconds: f64, codecs: &str) {
    make(
        path,
        &format!(
            "-f lavfi -i testsrc2=s=64x48:r=10:d={seconds} -f lavfi -i sine=440:d={seconds} \
             -map 0:v -map 1:a {codecs}"
        ),
    );
}

/// Ingests `folder` into `out` without a word.
pub(crate) fn run(folder: &Path, out: &Path, settings: &IngestSettings) -> Ingested {
    ingest(folder, out, settings, &ffmpeg(), &mut |_, _| {}).expect("an ingest")
}

/// The members of every sample of the folder of shards, by key.
pub(crate) fn samples(shards: &Path) -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
    let mut samples = BTreeMap::new();
    for (name, index) in files(shards) {
        let Some(stem) = name.strip_suffix(".jsonl").filter(|stem| *stem != "report") else {
            continue;
        };
        let tar = fs::read(shards.join(format!("{stem}.tar"))).expect("a tar file");
        let index = String::from_utf8(index).expect("text");
        for line in index.lines().skip(1) {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let members = line["members"].as_array().expect("members").iter().map(|member| {
                let number = |field: usize| member[field].as_u64().expect("a number") as usize;
                let content = tar[number(1)..number(1) + number(2)].to_vec();
                (member[0].as_str().expect("a suffix").to_owned(), content)
            });
            let key = line["key"].as_str().expect("a key").to_owned();
            assert!(samples.insert(key, members.collect()).is_none(), "a key comes twice");
        }
    }
    samples
}

/// All files of a folder, by name.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().expect("a tame name");
        (name, fs::read(entry.path()).expect("a file"))
    };
    entries.map(read).collect()
}

/// The lines of the report.
pub(crate) fn report(ingested: &Ingested) -> Vec<Value> {
    let text = fs::read_to_string(&ingested.report).expect("a report");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
