//! The crate graph as cargo sees it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use anyhow::{Context as _, Result};
use cargo_metadata::{CargoOpt, MetadataCommand};

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
    pub(crate) fn read(root: &Path) -> Result<Graph> {
        let rustc = std::process::Command::new("rustc").arg("-vV").output()?;
        let host = String::from_utf8_lossy(&rustc.stdout).into_owned();
        let host = host.lines().find_map(|line| line.strip_prefix("host: "));
        let platform = host.context("`rustc -vV` tells of no host")?.to_owned();
        // Optional dependencies count as well.
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .features(CargoOpt::AllFeatures)
            .other_options(["--filter-platform".to_owned(), platform])
            .exec()?;
        let nodes = metadata.resolve.context("`cargo metadata` resolved nothing")?.nodes;
        let packages = metadata.packages.into_iter();
        Ok(Graph {
            names: packages.map(|package| (package.id.repr, package.name.to_string())).collect(),
            members: metadata.workspace_members.into_iter().map(|id| id.repr).collect(),
            edges: nodes
                .into_iter()
                .map(|node| {
                    (node.id.repr, node.dependencies.into_iter().map(|id| id.repr).collect())
                })
                .collect(),
        })
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
    fn the_shortest_way_is_found_through_others() {
        let graph =
            graph(&["a"], &[("a", &["b", "c"]), ("b", &["d"]), ("c", &["b"]), ("d", &["a"])]);
        assert_eq!(graph.path("a", &["d"]).unwrap(), ["a", "b", "d"]);
        assert_eq!(graph.path("a", &["e"]), None);
    }
}
