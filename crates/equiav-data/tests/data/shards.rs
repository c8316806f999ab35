//! Shards: what is written stands there whole, and the same to the byte.

use std::fs;

use equiav_data::DataError;
use equiav_data::shard::{Member, ShardWriter, finished, shard_name};
use serde_json::json;

fn member<'a>(suffix: &'a str, bytes: &'a [u8]) -> Member<'a> {
    Member { suffix, bytes }
}

/// What stands in a folder, sorted.
fn names(folder: &std::path::Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_shard_stands_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let name = shard_name(12);
    let long = "k".repeat(150);
    let write = || {
        let mut writer = ShardWriter::create(folder.path(), &name).unwrap();
        assert!(!finished(folder.path(), &name).unwrap());
        let json = br#"{"labels": "/m/a, /m/b", "start": 2.5}"#;
        let members = [member("json", json), member("flac", b"sound"), member("0.jpg", &[7; 700])];
        writer.write("a/b", &members).unwrap();
        writer.write(&long, &[member("wav", b"")]).unwrap();
        assert_eq!(writer.len(), 2);
        writer
    };
    drop(write());
    assert_eq!(names(folder.path()), [""; 0], "dropped unfinished, nothing is left");

    let tar = write().finish(&json!({"seconds": 20})).unwrap();
    let bytes = fs::read(&tar).unwrap();
    let all = ["clips-000012.jsonl", "clips-000012.stats.json", "clips-000012.tar"];
    assert_eq!(names(folder.path()), all);
    assert!(finished(folder.path(), &name).unwrap());
    let index = fs::read_to_string(tar.with_extension("jsonl")).unwrap();
    let mut lines = index.lines();
    let head = format!(r#"{{"shard_index":1,"bytes":{},"samples":2}}"#, bytes.len());
    assert_eq!(lines.next(), Some(&head[..]));
    let line = r#"{"key":"a/b","labels":["/m/a","/m/b"],"members":[["0.jpg",512,700],["flac",2048,5],["json",3072,38]]}"#;
    assert_eq!(lines.next(), Some(line));
    assert_eq!(&bytes[2048..2053], b"sound");

    // Another reader finds the same, long names included.
    let mut archive = tar::Archive::new(&bytes[..]);
    let paths = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.mtime().unwrap(), header.mode().unwrap()), (0, 0o644));
        entry.path().unwrap().to_str().unwrap().to_owned()
    });
    let long = format!("{long}.wav");
    assert_eq!(paths.collect::<Vec<_>>(), ["a/b.0.jpg", "a/b.flac", "a/b.json", &long]);

    fs::remove_file(&tar).unwrap();
    let error = finished(folder.path(), &name).unwrap_err().to_string();
    assert!(error.contains("index of a tar file that is not there"), "{error}");
    fs::remove_file(tar.with_extension("jsonl")).unwrap();
    assert_eq!(fs::read(write().finish(&json!({})).unwrap()).unwrap(), bytes, "reproducible");
    fs::write(&tar, &bytes[..1024]).unwrap();
    let error = finished(folder.path(), &name).unwrap_err().to_string();
    assert!(error.contains("the file has 1024 bytes, its index says"), "{error}");
}

#[test]
fn samples_that_no_reader_would_understand_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ShardWriter::create(folder.path(), "x").unwrap();
    let mut refused = |key: &str, members: &[Member<'_>], expected: &str| {
        let error = writer.write(key, members).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    };
    let wav = member("wav", b"x");
    refused("../x", &[wav], "leads out");
    refused("a.b", &[wav], "holds a dot");
    refused("a\nb", &[wav], "control character");
    refused("a", &[], "needs a member");
    refused("a", &[wav, wav], "`wav` comes twice");
    refused("a", &[member("json", b"[]")], "must be an object");
    refused("a", &[member("json", br#"{"labels": 3}"#)], "`labels` must be");
    refused(&format!("{}a", "a/".repeat(3_000)), &[wav], "longer than");
    writer.write("a", &[wav]).unwrap();
    let error = writer.write("a", &[wav]).unwrap_err().to_string();
    assert!(error.contains("sample `a`: the key came before"), "{error}");
    assert_eq!(writer.len(), 1);
    for name in ["", ".x", "a/b", "a\n"] {
        assert!(ShardWriter::create(folder.path(), name).is_err(), "{name:?}");
    }
}

#[test]
fn two_writers_of_one_shard_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".x.tar.partial"), "what a killed process left").unwrap();
    let mut first = ShardWriter::create(folder.path(), "x").unwrap();
    let second = ShardWriter::create(folder.path(), "x").unwrap_err();
    assert!(matches!(&second, DataError::Shard { .. }), "{second}");
    assert!(second.to_string().contains("another process is writing"), "{second}");
    first.write("a", &[member("wav", b"x")]).unwrap();
    let tar = first.finish(&json!({})).unwrap();
    assert_eq!(fs::metadata(tar).unwrap().len(), 512 * 2 + 1024);
}
