//! Finds the keys in which the recipes of several runs differ.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::run_folder::Run;

/// The dotted keys whose values are not the same in all of `runs`, each with one value a run, in
/// TOML; `None` where a recipe lacks the key. A recipe's name is not compared.
pub fn differing_keys(runs: &[Run]) -> BTreeMap<String, Vec<Option<String>>> {
    let mut keys: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        let mut leaves = BTreeMap::new();
        flatten("", &run.recipe, &mut leaves);
        for (key, value) in leaves {
            keys.entry(key).or_insert_with(|| vec![None; runs.len()])[index] = Some(value);
        }
    }
    keys.retain(|key, values| key != "name" && values.iter().any(|value| *value != values[0]));
    keys
}

fn flatten(prefix: &str, table: &Table, leaves: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => flatten(&key, inner, leaves),
            leaf => drop(leaves.insert(key, leaf.to_string())),
        }
    }
}
