//! The rooms of this crate: each knows those before it alone, and no two know each other.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, lower ones first; files at the root of `src` that are no room of their own come first of all.
const ROOMS: [&str; 9] =
    ["recipe", "distributed", "run_dir", "clips", "engine", "model", "eval", "methods", "bench"];

/// The files of a room: its folder's, and the file of its name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => files(&path),
        path => vec![path],
    });
    below.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// The rooms that `text` imports from, by `crate::ROOM`.
fn imports(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let parts = lines.flat_map(|line| line.split("crate::").skip(1));
    parts.filter_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_').next()).collect()
}

#[test]
fn no_import_runs_from_a_lower_room_to_a_higher_one() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let place = |room: &str| ROOMS.iter().position(|name| *name == room);
    let (mut seen, mut wrong) = (0, Vec::new());
    for (own, room) in ROOMS.iter().enumerate() {
        let mut all = files(&src.join(room));
        all.push(src.join(format!("{room}.rs")));
        for file in all {
            let text = fs::read_to_string(&file).expect("a source file");
            for import in imports(&text) {
                seen += 1;
                // What lies at the root is lower than any room.
                if place(import).is_some_and(|other| other > own) {
                    wrong.push(format!("{}: crate::{import}", file.display()));
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were found");
    assert!(wrong.is_empty(), "imports that run back up:\n{}", wrong.join("\n"));
}

#[test]
fn an_import_of_a_higher_room_would_be_seen() {
    let text = "use crate::engine::step;\n/// crate::bench\nfn f(x: &crate::eval::Row) {}\n";
    assert_eq!(imports(text), ["engine", "eval"]);
}
