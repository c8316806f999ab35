//! `edges`: compares the crate table of docs/architecture.md with the crate graph, and keeps crates free of libtorch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use crate::graph::Graph;
use crate::markdown;
use crate::problem::{Problem, report};
use crate::read;

const DOCUMENT: &str = "docs/architecture.md";
const HEADER: [&str; 3] = ["crate", "holds", "depends on"];

/// Crates that build and test where no libtorch is installed.
const TORCH_FREE: &[&str] = &[
    "equiav-augment",
    "equiav-checks",
    "equiav-corpora",
    "equiav-data",
    "equiav-eval",
    "equiav-experiments",
    "equiav-frontend",
    "equiav-ingest",
    "equiav-report",
    "xtask",
];

/// What they must not reach.
const TORCH: &[&str] = &["tch", "torch-sys"];

/// The check itself.
pub(crate) fn run(root: &Path) -> Result<()> {
    let graph = Graph::read(root)?;
    let mut problems = compare(&read(root, DOCUMENT)?, &graph.member_edges());
    problems.extend(torch(&graph));
    let crates = graph.member_edges().len();
    report("edges", &format!("{crates} crates as documented"), problems)
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
    use crate::graph::tests::graph;

    const TABLE: &str = "| crate | holds | depends on |\n|--|--|--|\n";

    fn messages(rows: &str, edges: &[(&str, &[&str])]) -> Vec<String> {
        let actual = edges.iter().map(|(from, to)| (*from, to.iter().copied().collect())).collect();
        let problems = compare(&format!("{TABLE}{rows}"), &actual);
        problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn table_and_graph_are_compared_both_ways() {
        let edges: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &[])];
        let rows = "| `a` | things | `b` |\n| `b` | others | – |\n";
        assert!(messages(rows, edges).is_empty());
        let found = messages("| `a` | things | – |\n| `b` | others | – |\n", edges);
        assert_eq!(found, ["`a` depends on `b`, which is not listed"]);
        assert_eq!(
            messages(rows, &[("a", &[]), ("b", &[])]),
            ["`a` does not depend on `b`, which is listed"]
        );
        let found = messages(
            "| `a` | x | `b` |\n| `a` | x | `b` |\n| `z` | x | – |\n| y | x | – |\n",
            edges,
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
    fn torch_behind_another_crate_and_a_missing_crate_are_found() {
        let mut edges: Vec<(&str, &[&str])> =
            TORCH_FREE.iter().map(|name| (*name, &[][..])).collect();
        assert!(torch(&graph(TORCH_FREE, &edges)).is_empty());
        assert_eq!(torch(&graph(&TORCH_FREE[1..], &edges)).len(), 1);
        edges[0] = ("equiav-augment", &["helper"]);
        edges.push(("helper", &["torch-sys"]));
        let problems = torch(&graph(TORCH_FREE, &edges));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.ends_with("equiav-augment -> helper -> torch-sys"));
    }
}
