//! Rules of the tree that no compiler checks; `cargo xtask tidy`, `edges`, `parity-notes` and `recipe-keys` start this program.
//!
//! It is apart from xtask since a fresh machine, which only wants to set itself up, need not build what reads Rust,
//! Markdown and the crate graph.

mod edges;
mod graph;
mod markdown;
mod parity_notes;
mod problem;
mod recipe_keys;
mod tidy;
mod tokens;

use std::env;
use std::io::{ErrorKind, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

/// What a program returns that SIGPIPE has ended: nobody reads what this one prints.
const CLOSED: u8 = 128 + 13;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<std::io::Error>() {
            Some(failure) if failure.kind() == ErrorKind::BrokenPipe => ExitCode::from(CLOSED),
            _ => {
                // Where that is closed too, nobody could be told otherwise.
                let _ = writeln!(stderr(), "error: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root()?;
    match words[..] {
        ["edges"] => edges::run(&root),
        ["tidy"] => tidy::run(&root),
        ["parity-notes"] => parity_notes::run(&root),
        ["parity-notes", "--write"] => {
            parity_notes::fill(&root).and_then(|()| parity_notes::run(&root))
        }
        ["recipe-keys"] => recipe_keys::run(&root, false),
        ["recipe-keys", "--write"] => recipe_keys::run(&root, true),
        [command, option, ..] => {
            bail!("`{option}` is no option of `{command}`: see `cargo xtask help {command}`")
        }
        _ => bail!(
            "expected edges, tidy, parity-notes or recipe-keys; help: start this by `cargo xtask`"
        ),
    }
}

/// The text of a file of the repository.
fn read(root: &Path, path: &str) -> Result<String> {
    std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
}

/// The repository that cargo started this program in, or else was built from.
fn root() -> Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR");
    let manifest = manifest.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&manifest).parent().map(Path::to_owned);
    let is_ours = |root: &PathBuf| root.join("Cargo.lock").is_file();
    root.filter(is_ours).context("cannot find the repository; help: start this by `cargo xtask`")
}
