//! `edges`: docs/architecture.md's crate table equals the crate graph, and torch-free crates stay so.

use std::collections::{BTreeMap, BTreeSet};

use crate::metadata::Graph;
use crate::output::outln;
use crate::problem::{Problem, report};
use crate::workspace::Workspace;
use crate::{args, markdown};

pub(crate) const HELP: &str = "\
usage: cargo xtask edges

Fails unless the table `| crate | holds | depends on |` of docs/architecture.md names exactly the
crates of the workspace and exactly the edges between them (normal, build and development), and
unless the crates that promise to do without libtorch cannot reach it through any dependency.
";

const DOCUMENT: &str = "docs/architecture.md";
const HEADER: [&str; 3] = ["crate", "holds", "depends on"];

/// Crates that build and test where no libtorch is installed.
const TORCH_FREE: &[&str] = &[
    "equiav-augment",
    "equiav-corpora",
    "equiav-data",
    "equiav-eval",
    "equiav-ingest",
    "equiav-report",
    "xtask",
];

/// What they must not reach.
const TORCH: &[&str] = &["tch", "torch-sys"];

/// `cargo xtask edges`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    args::none("edges", arguments)?;
    run(workspace)
}

/// The check itself.
pub(crate) fn run(workspace: &Workspace) -> Result<(), String> {
    let graph = Graph::read(workspace)?;
    let mut problems = compare(&workspace.read(DOCUMENT)?, &graph.member_edges());
    problems.extend(torch(&graph));
    report("edges", problems)?;
    outln!("edges: {} crates as documented", graph.member_edges().len());
    Ok(())
}

/// Differences between the document's table and the workspace, both ways.
fn compare(document: &str, actual: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Problem> {
    let tables = markdown::tables(document);
    let is_ours = |table: &&markdown::Table| table.header.iter().map(String::as_str).eq(HEADER);
    let Some(table) = tables.iter().find(is_ours) else {
        let header = HEADER.join(" | ");
        return vec![Problem::new(DOCUMENT, 0, format!("the table `| {header} |` is missing"))];
    };
    let mut problems = Vec::new();
    let mut listed = BTreeSet::new();
    for row in &table.rows {
        let at = |message: String| Problem::new(DOCUMENT, row.line, message);
        let cell = |column: usize| row.cells.get(column).map_or("", String::as_str);
        let Some(&name) = markdown::code_words(cell(0)).first() else {
            problems.push(at("the first cell names no crate between backticks".to_owned()));
            continue;
        };
        let Some(edges) = actual.get(name) else {
            problems.push(at(format!("`{name}` is no crate of the workspace")));
            continue;
        };
        if !listed.insert(name) {
            problems.push(at(format!("`{name}` is listed twice")));
        }
        let documented: BTreeSet<&str> = markdown::code_words(cell(2)).into_iter().collect();
        for missing in edges.difference(&documented) {
            problems.push(at(format!("`{name}` depends on `{missing}`, which is not listed")));
        }
        for extra in documented.difference(edges) {
            problems.push(at(format!("`{name}` does not depend on `{extra}`, which is listed")));
        }
    }
    let unlisted = actual.keys().filter(|name| !listed.contains(*name));
    problems.extend(unlisted.map(|name| Problem::new(DOCUMENT, 0, format!("`{name}` has no row"))));
    problems
}

/// Torch-free crates that are not, or that are not there.
fn torch(graph: &Graph) -> Vec<Problem> {
    let mut problems = Vec::new();
    let members = graph.member_edges();
    for name in TORCH_FREE {
        if !members.contains_key(name) {
            let message = format!("`{name}` is to be kept free of libtorch, but is no crate");
            problems.push(Problem::new("Cargo.toml", 0, message));
        }
        if let Some(path) = graph.path(name, TORCH) {
            let message = format!("`{name}` must stay free of libtorch: {}", path.join(" -> "));
            problems.push(Problem::new("Cargo.toml", 0, message));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::graph;

    const TABLE: &str = "| crate | holds | depends on |\n|--|--|--|\n";

    fn messages(rows: &str, edges: &[(&str, &[&str])]) -> Vec<String> {
        let actual = edges.iter().map(|(from, to)| (*from, to.iter().copied().collect())).collect();
        let problems = compare(&format!("{TABLE}{rows}"), &actual);
        problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn a_true_table_passes() {
        let rows = "| `a` | things | `b` |\n| `b` | others | – |\n";
        assert!(messages(rows, &[("a", &["b"]), ("b", &[])]).is_empty());
    }

    #[test]
    fn an_edge_that_is_not_listed_is_found() {
        let found =
            messages("| `a` | things | – |\n| `b` | others | – |\n", &[("a", &["b"]), ("b", &[])]);
        assert_eq!(found, ["`a` depends on `b`, which is not listed"]);
    }

    #[test]
    fn a_listed_edge_that_is_not_there_is_found() {
        let found =
            messages("| `a` | things | `b` |\n| `b` | others | – |\n", &[("a", &[]), ("b", &[])]);
        assert_eq!(found, ["`a` does not depend on `b`, which is listed"]);
    }

    #[test]
    fn crates_and_rows_pair_up() {
        let found = messages(
            "| `a` | x | – |\n| `a` | x | – |\n| `z` | x | – |\n| y | x | – |\n",
            &[("a", &[]), ("b", &[])],
        );
        assert_eq!(
            found,
            [
                "`a` is listed twice",
                "`z` is no crate of the workspace",
                "the first cell names no crate between backticks",
                "`b` has no row",
            ]
        );
    }

    #[test]
    fn a_document_without_the_table_fails() {
        assert_eq!(compare("# Nothing\n", &BTreeMap::new()).len(), 1);
    }

    #[test]
    fn torch_behind_another_crate_is_found() {
        let clean: Vec<(&str, &[&str])> = TORCH_FREE.iter().map(|name| (*name, &[][..])).collect();
        assert!(torch(&graph(TORCH_FREE, &clean)).is_empty());
        let mut dirty = clean;
        dirty[0] = ("equiav-augment", &["helper"]);
        dirty.push(("helper", &["torch-sys"]));
        let problems = torch(&graph(TORCH_FREE, &dirty));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.ends_with("equiav-augment -> helper -> torch-sys"));
    }

    #[test]
    fn a_torch_free_crate_that_was_renamed_is_missed() {
        let edges: Vec<(&str, &[&str])> = TORCH_FREE.iter().map(|name| (*name, &[][..])).collect();
        let problems = torch(&graph(&TORCH_FREE[1..], &edges));
        assert_eq!(problems.len(), 1);
    }
}
