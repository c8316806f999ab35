//! Keys that earlier versions wrote, and what they are called now: recipes of then are read, and written anew.

use toml::{Table, Value};

/// Each old key with its present name, by dotted paths of equal length.
const RENAMED: [(&str, &str); 4] = [
    ("objective.rows", "objective.loss_chunk_size"),
    ("objective.centroid", "objective.centroid_samples"),
    ("run.keep", "run.keep_checkpoints"),
    ("data.queue", "data.prefetch_batches"),
];

/// The present name of the dotted `key`.
pub(in crate::recipe) fn present(key: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == key).map_or(key, |(_, new)| new)
}

/// Gives every key of `recipe` its present name; where both names stand there, the old one stays, to be refused
/// as unknown.
pub(in crate::recipe) fn rename(recipe: &mut Table) {
    for (old, new) in RENAMED {
        let (Some((section, old)), Some((_, new))) = (old.split_once('.'), new.split_once('.'))
        else {
            continue;
        };
        if let Some(Value::Table(section)) = recipe.get_mut(section)
            && !section.contains_key(new)
            && let Some(value) = section.remove(old)
        {
            section.insert(new.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_keys_are_read_under_their_present_names() {
        let mut recipe: Table =
            toml::from_str("[run]\nkeep = 3\n[objective]\nrows = 7\ncentroid = 2\n").expect("TOML");
        rename(&mut recipe);
        let expected: Table = toml::from_str(
            "[run]\nkeep_checkpoints = 3\n[objective]\nloss_chunk_size = 7\ncentroid_samples = 2\n",
        )
        .expect("TOML");
        assert_eq!(recipe, expected);
        assert_eq!(present("data.queue"), "data.prefetch_batches");
        assert_eq!(present("data.workers"), "data.workers");
    }

    #[test]
    fn a_key_under_both_names_is_not_decided_silently() {
        let mut recipe: Table =
            toml::from_str("[run]\nkeep = 3\nkeep_checkpoints = 4\n").expect("TOML");
        rename(&mut recipe);
        assert!(recipe["run"].get("keep").is_some(), "it stays, and is refused as a duplicate");
    }
}
