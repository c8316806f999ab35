//! How a recipe names shards: a pattern, and how often their clips come.

use serde::{Deserialize, Serialize};

/// Shards that belong together, and how often their clips come.
///
/// In a recipe, a pattern alone or `{ shards = ..., weight = 2.0 }`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(from = "Written", into = "Written")]
pub struct ShardSource {
    /// The pattern, see [`expand`](crate::shard::expand).
    pub shards: String,
    /// How likely a clip of this source is to come, beside a clip of another; above 0. The source
    /// of the largest weight comes whole in every epoch.
    pub weight: f64,
}

/// A [`ShardSource`] as it is written.
#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "a pattern, or { shards = pattern, weight = number }")]
enum Written {
    Pattern(String),
    Weighted(Weighted),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Weighted {
    shards: String,
    #[serde(default = "one")]
    weight: f64,
}

fn one() -> f64 {
    1.0
}

impl From<Written> for ShardSource {
    fn from(written: Written) -> Self {
        match written {
            Written::Pattern(shards) => Self { shards, weight: one() },
            Written::Weighted(Weighted { shards, weight }) => Self { shards, weight },
        }
    }
}

impl From<ShardSource> for Written {
    fn from(source: ShardSource) -> Self {
        let ShardSource { shards, weight } = source;
        if weight == one() {
            return Self::Pattern(shards);
        }
        Self::Weighted(Weighted { shards, weight })
    }
}

impl From<&str> for ShardSource {
    /// The shards of a pattern, at weight 1.
    fn from(pattern: &str) -> Self {
        Self { shards: pattern.to_owned(), weight: one() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Lists {
        train: Vec<ShardSource>,
    }

    #[test]
    fn a_pattern_alone_has_the_weight_one() {
        let text =
            "train = [\"a-{0..9}.tar\", { shards = \"b\", weight = 2.5 }, { shards = \"c\" }]";
        let lists: Lists = toml::from_str(text).unwrap();
        let found = lists.train.iter().map(|source| (source.shards.as_str(), source.weight));
        assert_eq!(found.collect::<Vec<_>>(), [("a-{0..9}.tar", 1.0), ("b", 2.5), ("c", 1.0)]);
        let again: Lists = toml::from_str(&toml::to_string(&lists).unwrap()).unwrap();
        assert_eq!(again.train, lists.train, "written and read");
        for wrong in ["train = [1]", "train = [{ shards = \"a\", wait = 2 }]", "train = [{}]"] {
            let error = toml::from_str::<Lists>(wrong).unwrap_err().to_string();
            assert!(
                error.contains("a pattern, or { shards = pattern, weight = number }"),
                "{error}"
            );
        }
    }
}
