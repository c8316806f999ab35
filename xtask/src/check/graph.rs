//! The crate graph as cargo sees it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context as _, Result};
use tinyjson::JsonValue;

use crate::process;
use crate::workspace::Workspace;

/// Every crate of the build, with normal, build and development dependencies alike.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// Package id to name.
    names: BTreeMap<String, String>,
    /// Package id to the ids it depends on.
    edges: BTreeMap<String, Vec<String>>,
    /// Ids of the workspace's own crates.
    members: BTreeSet<String>,
}

impl Graph {
    /// Asks cargo, for the system that this runs on.
    pub(crate) fn read(workspace: &Workspace) -> Result<Graph> {
        let host = process::capture(std::process::Command::new("rustc").arg("-vV"))?;
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let mut cargo = workspace.cargo();
        // Optional dependencies count as well.
        cargo.args(["metadata", "--format-version", "1", "--all-features"]);
        let text = process::capture(cargo.args(["--filter-platform", host]))?;
        Graph::parse(&text).context("`cargo metadata` printed what is not understood")
    }

    fn parse(text: &str) -> Option<Graph> {
        let json: JsonValue = text.parse().ok()?;
        let mut graph = Graph::default();
        for package in array(field(&json, "packages")?)? {
            graph.names.insert(string(package, "id")?, string(package, "name")?);
        }
        for member in array(field(&json, "workspace_members")?)? {
            graph.members.insert(member.get::<String>()?.clone());
        }
        for node in array(field(field(&json, "resolve")?, "nodes")?)? {
            let dependencies = array(field(node, "deps")?)?;
            let ids = dependencies.iter().map(|dependency| string(dependency, "pkg"));
            graph.edges.insert(string(node, "id")?, ids.collect::<Option<_>>()?);
        }
        Some(graph)
    }

    /// The workspace's crates, each with those of them that it depends on.
    pub(crate) fn member_edges(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let name = |id: &String| self.names[id].as_str();
        let ours = |id: &&String| self.members.contains(*id);
        let edges = |id: &String| self.edges[id].iter().filter(ours).map(name).collect();
        self.members.iter().map(|id| (name(id), edges(id))).collect()
    }

    /// The shortest way from the workspace's crate `from` to any crate of `wanted`, by names.
    pub(crate) fn path(&self, from: &str, wanted: &[&str]) -> Option<Vec<&str>> {
        let start = self.members.iter().find(|id| self.names[*id] == from)?;
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([start.as_str()]);
        while let Some(id) = queue.pop_front() {
            if wanted.contains(&self.names[id].as_str()) {
                let steps = std::iter::successors(Some(id), |id| came_from.get(id).copied());
                let mut path: Vec<&str> = steps.map(|id| self.names[id].as_str()).collect();
                path.reverse();
                return Some(path);
            }
            for next in self.edges.get(id).into_iter().flatten() {
                if next != start && !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, id);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

/// A field of an object.
pub(crate) fn field<'a>(json: &'a JsonValue, name: &str) -> Option<&'a JsonValue> {
    json.get::<std::collections::HashMap<String, JsonValue>>()?.get(name)
}

fn array(json: &JsonValue) -> Option<&Vec<JsonValue>> {
    json.get()
}

/// A field that is text.
pub(crate) fn string(json: &JsonValue, name: &str) -> Option<String> {
    field(json, name)?.get::<String>().cloned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A graph from edges; names serve as ids.
    pub(crate) fn graph(members: &[&str], edges: &[(&str, &[&str])]) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in edges {
            for name in to.iter().chain([from]) {
                graph.names.insert((*name).to_owned(), (*name).to_owned());
                graph.edges.entry((*name).to_owned()).or_default();
            }
            graph.edges.insert((*from).to_owned(), to.iter().map(|to| (*to).to_owned()).collect());
        }
        graph.members = members.iter().map(|member| (*member).to_owned()).collect();
        graph
    }

    #[test]
    fn cargos_answer_is_read() {
        let text = r#"{
            "packages": [{"id": "p#a", "name": "a"}, {"id": "p#b", "name": "b"}],
            "workspace_members": ["p#a"],
            "resolve": {"nodes": [
                {"id": "p#a", "deps": [{"pkg": "p#b", "name": "b"}]}, {"id": "p#b", "deps": []}
            ]}
        }"#;
        let graph = Graph::parse(text).unwrap();
        assert_eq!(graph.path("a", &["b"]).unwrap(), ["a", "b"]);
        assert!(graph.member_edges()["a"].is_empty(), "b is not ours");
        assert!(Graph::parse("{}").is_none());
    }

    #[test]
    fn the_shortest_way_is_found_through_others() {
        let graph =
            graph(&["a"], &[("a", &["b", "c"]), ("b", &["d"]), ("c", &["b"]), ("d", &["a"])]);
        assert_eq!(graph.path("a", &["d"]).unwrap(), ["a", "b", "d"]);
        assert_eq!(graph.path("a", &["e"]), None);
    }
}
