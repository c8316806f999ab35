//! `tidy`: rules of the tree that no compiler checks, each a function from the tree to its problems.

mod exceptions;
mod files;
mod names;
mod source;
mod text;

use std::path::Path;

use anyhow::Result;

use crate::problem::{Problem, report};

pub(crate) use files::Tree;

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

/// The check itself.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let problems = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    report("tidy", &format!("{} files", tree.files.len()), problems)
}
