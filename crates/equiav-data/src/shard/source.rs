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
