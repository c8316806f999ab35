//! `tidy`: rules of the tree that no compiler checks, each a function from the tree to its problems.

mod exceptions;
mod files;
mod names;
mod source;
mod text;

use anyhow::Result;

use super::problem::{Problem, report};
use crate::args::Args;
use crate::output::outln;
use crate::workspace::Workspace;

pub(super) use files::Tree;

pub(crate) const HELP: &str = "\
usage: cargo xtask tidy

Reads every file that git tracks or would track, and fails where one breaks a rule:
  - a Rust file opens with `//!` and has at most 300 lines without its tests
  - at most 12 modules on one level of a `src` folder; `a.rs` and the folder `a` are one
  - no note of work left undone, no ignored test, no module named utils, common or helpers
  - unsafe code in equiav-torch only
  - no public type has the name of another one in any crate of crates/
  - American spelling in identifiers
  - no path of one machine, no host of a package index
  - no white space at a line's end, a line's end at the file's
  - every relative link in Markdown leads somewhere
  - fixtures at most 15 MB, any other file at most 5 MB
What is excepted stands in xtask/src/check/tidy/exceptions.rs, and fails once it is no longer needed.
";

type Rule = fn(&Tree) -> Vec<Problem>;

const RULES: &[Rule] = &[
    source::opens_with_its_purpose,
    source::is_short,
    source::has_no_leftovers,
    source::has_no_grab_bag,
    source::is_safe,
    names::are_few_on_a_level,
    names::of_types_are_unique,
    names::are_spelled_one_way,
    text::names_no_machine,
    text::is_trimmed,
    text::links_lead_somewhere,
    files::are_small,
    files::lock_names_no_mirror,
];

/// `cargo xtask tidy`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    Args::new("tidy", arguments).finish()?;
    run(workspace)
}

/// The check itself.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::read(workspace)?;
    report("tidy", RULES.iter().flat_map(|rule| rule(&tree)).collect())?;
    outln!("tidy: {} files", tree.files.len());
    Ok(())
}
