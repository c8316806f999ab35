//! Where a run's clips come from: a corpus made or fetched on the spot, or the user's own lists or
//! shards.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use equiav_corpora::{Stamps, Synthetic, cache_folder};
use equiav_data::shard::{ShardSource, Shards};
use equiav_data::{Clips, Manifest, Order};
use serde::{Deserialize, Serialize};

use crate::watch::{Event, Watch};

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

/// The clips of a run, read and checked.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The clips to train on.
    pub train: Clips,
    /// How an epoch goes through them.
    pub order: Order,
    /// The lists to measure, with their names, in the order of reporting.
    pub evaluate: Vec<(String, Clips)>,
}

impl Source {
    /// Makes or fetches what is not there yet and reads the lists.
    ///
    /// # Errors
    ///
    /// If a corpus cannot be made, or a list or shard cannot be read or is empty.
    pub fn prepare(&self, watch: &mut dyn Watch) -> anyhow::Result<Corpus> {
        let lists = match self {
            Source::Shards(shards) => return shards.open(),
            Source::Manifest(lists) => lists.clone(),
            Source::Synthetic(corpus) => synthetic(corpus, watch)?,
            Source::Stamps(corpus) => stamps(corpus, watch)?,
        };
        let named = !lists.train.as_os_str().is_empty();
        ensure!(named, "the model names no list of clips: name one with --list");
        let train = Manifest::read(&lists.train)?;
        ensure!(!train.clips.is_empty(), "{} lists no clip", lists.train.display());
        let read = |(name, path): (String, PathBuf)| Ok((name, Manifest::read(&path)?.into()));
        let evaluate = lists.evaluate.into_iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Corpus { train: train.into(), order: Order::Shuffled, evaluate })
    }

    /// The table of classes of a corpus that was made on the spot.
    ///
    /// # Errors
    ///
    /// If the cache folder cannot be had.
    pub fn labels(&self) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Source::Synthetic(corpus) => Ok(Some(synthetic_folder(corpus)?.join(SYNTHETIC_LABELS))),
            _ => Ok(None),
        }
    }
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

/// The label table of the procedural corpus, in its folder.
const SYNTHETIC_LABELS: &str = "class_labels_indices.csv";

impl ShardLists {
    /// Opens every shard.
    fn open(&self) -> anyhow::Result<Corpus> {
        ensure!(!self.train.is_empty(), "data.source.train names no shard");
        ensure!(self.buffer != Some(0), "data.source.buffer = 0: expected at least 1 clip");
        let train = Shards::open(&self.train).context("data.source.train")?;
        let order = match self.buffer {
            Some(buffer) => Order::Streamed { buffer },
            None => Order::Shuffled,
        };
        let open = |(name, pattern): (&String, &String)| {
            let shards = Shards::open(&[ShardSource::from(pattern.as_str())]);
            let shards = shards.with_context(|| format!("data.source.evaluate.{name}"))?;
            Ok((name.clone(), shards.into()))
        };
        let evaluate = self.evaluate.iter().map(open).collect::<anyhow::Result<_>>()?;
        Ok(Corpus { train: train.into(), order, evaluate })
    }
}

/// The lists of the procedural corpus, made if need be.
fn synthetic(corpus: &Synthetic, watch: &mut dyn Watch) -> anyhow::Result<Lists> {
    let folder = synthetic_folder(corpus)?;
    let paths = corpus.write(&folder, &mut preparing("synthetic corpus", watch))?;
    let evaluate = BTreeMap::from([("held-out".to_owned(), paths.valid)]);
    Ok(Lists { train: paths.train, evaluate })
}

/// The folder of the procedural corpus; each choice of knobs has its own, so that none replaces another.
fn synthetic_folder(corpus: &Synthetic) -> anyhow::Result<PathBuf> {
    let knobs = crc32c::crc32c(toml::to_string(corpus)?.as_bytes());
    Ok(cache_folder()?.join(format!("synthetic-{knobs:08x}")))
}

/// The lists of the stamps, fetched if need be.
fn stamps(corpus: &Stamps, watch: &mut dyn Watch) -> anyhow::Result<Lists> {
    let paths = corpus.write(&cache_folder()?, &mut preparing("stamps", watch))?;
    let parts = [
        ("heard", paths.heard),
        ("unheard", paths.unheard),
        ("heard-new-pictures", paths.heard_pictures),
        ("unheard-new-pictures", paths.unheard_pictures),
    ];
    let named = |(part, lists): (&str, BTreeMap<String, PathBuf>)| {
        lists
            .into_iter()
            .map(move |(code, path)| (format!("{part}-{code}"), path))
            .collect::<Vec<_>>()
    };
    let evaluate = parts.into_iter().flat_map(named).collect();
    Ok(Lists { train: paths.train, evaluate })
}

/// Tells `watch` how far the making of a corpus is.
fn preparing(what: &str, watch: &mut dyn Watch) -> impl FnMut(usize, usize) {
    move |done, total| watch.note(&Event::Preparing { what: what.to_owned(), done, total })
}
