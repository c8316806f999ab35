//! Where a recipe's clips come from; what is there is looked at by `clips/corpus.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use equiav_corpora::{Stamps, Synthetic};
use equiav_data::shard::ShardSource;
use serde::{Deserialize, Serialize};

/// Where the clips come from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// The procedural corpus, generated from a seed.
    Synthetic(Synthetic),
    /// Real pictures with spoken words, fetched once.
    Stamps(Stamps),
    /// The user's own lists.
    Manifest(Lists),
    /// The user's own shards.
    Shards(ShardLists),
}

/// Manifests on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lists {
    /// The clips to train on.
    pub train: PathBuf,
    /// The lists to measure, by name; none is allowed.
    #[serde(default)]
    pub evaluate: BTreeMap<String, PathBuf>,
}

/// Shards on disk, by patterns: `"data/clips-{000000..000999}.tar"`, a folder of shards, or one
/// file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShardLists {
    /// The shards to train on; a pattern, or `{ shards = "...", weight = 2.0 }`.
    pub train: Vec<ShardSource>,
    /// The shards to measure, by name; none is allowed.
    #[serde(default)]
    pub evaluate: BTreeMap<String, String>,
    /// Reads each shard front to back, through a shuffle buffer of so many clips; without it, any
    /// clip of any shard may come next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer: Option<usize>,
}

impl Source {
    /// The same without the places of files on this machine, to be handed on.
    pub(crate) fn without_places(&self) -> Self {
        match self {
            Source::Synthetic(corpus) => Source::Synthetic(corpus.clone()),
            Source::Stamps(corpus) => Source::Stamps(Stamps { package: None, ..corpus.clone() }),
            Source::Manifest(_) | Source::Shards(_) => {
                Source::Manifest(Lists { train: PathBuf::new(), evaluate: BTreeMap::new() })
            }
        }
    }
}
