//! A recipe's clips: a corpus made or fetched on the spot, or the user's own lists or shards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use equiav_corpora::{Stamps, Synthetic, cache_folder};
use equiav_data::shard::{ShardSource, Shards};
use equiav_data::{Clips, Labels, Manifest, Order};

use crate::callback::{Callback, Event};
use crate::recipe::{Lists, ShardLists, Source};

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
    pub fn prepare(&self, callback: &mut dyn Callback) -> anyhow::Result<Corpus> {
        let lists = match self {
            Source::Shards(shards) => return shards.open(),
            Source::Manifest(lists) => lists.clone(),
            Source::Synthetic(corpus) => synthetic(corpus, callback)?,
            Source::Stamps(corpus) => stamps(corpus, callback)?,
        };
        let named = !lists.train.as_os_str().is_empty();
        ensure!(named, "the model names no list of clips: name one with --list");
        let train = Manifest::read(&lists.train)?;
        ensure!(!train.clips.is_empty(), "{} lists no clip", lists.train.display());
        let read = |(name, path): (String, PathBuf)| Ok((name, Manifest::read(&path)?.into()));
        let evaluate = lists.evaluate.into_iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Corpus { train: train.into(), order: Order::Shuffled, evaluate })
    }

    /// The clips to train on, if they are there: nothing is made or fetched.
    pub fn train_list(&self) -> Option<Clips> {
        let manifest = |path: &Path| Some(Manifest::read(path).ok()?.into());
        match self {
            Source::Shards(shards) => Some(Shards::open(&shards.train).ok()?.into()),
            Source::Manifest(lists) => manifest(&lists.train),
            Source::Synthetic(corpus) => {
                manifest(&synthetic_folder(corpus).ok()?.join(SYNTHETIC_TRAIN))
            }
            // Where its lists are follows from what was fetched.
            Source::Stamps(_) => None,
        }
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

/// The table of classes at `path`, or of a corpus made on the spot.
///
/// # Errors
///
/// If it cannot be read, or there is none.
pub(crate) fn labels(path: Option<&Path>, source: &Source) -> anyhow::Result<Labels> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => source.labels()?.context(
            "data.labels is missing: clips of your own need a table `index,mid,display_name` of \
             their classes",
        )?,
    };
    Ok(Labels::read(&path)?)
}

/// The training list of the procedural corpus, in its folder.
const SYNTHETIC_TRAIN: &str = "train.json";
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
fn synthetic(corpus: &Synthetic, callback: &mut dyn Callback) -> anyhow::Result<Lists> {
    let folder = synthetic_folder(corpus)?;
    let paths = corpus.write(&folder, &mut preparing("synthetic corpus", callback))?;
    let evaluate = BTreeMap::from([("held-out".to_owned(), paths.valid)]);
    Ok(Lists { train: paths.train, evaluate })
}

/// The folder of the procedural corpus; each choice of knobs has its own, so that none replaces another.
fn synthetic_folder(corpus: &Synthetic) -> anyhow::Result<PathBuf> {
    let knobs = crc32c::crc32c(toml::to_string(corpus)?.as_bytes());
    Ok(cache_folder()?.join(format!("synthetic-{knobs:08x}")))
}

/// The lists of the stamps, fetched if need be.
fn stamps(corpus: &Stamps, callback: &mut dyn Callback) -> anyhow::Result<Lists> {
    let paths = corpus.write(&cache_folder()?, &mut preparing("stamps", callback))?;
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
fn preparing(what: &str, callback: &mut dyn Callback) -> impl FnMut(usize, usize) {
    move |done, total| callback.on_event(&Event::Preparing { what: what.to_owned(), done, total })
}
