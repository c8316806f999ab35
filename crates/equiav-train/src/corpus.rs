//! Where a run's clips come from: a corpus made or fetched on the spot, or the user's own lists.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::ensure;
use equiav_corpora::{Stamps, Synthetic, cache_folder};
use equiav_data::Manifest;
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

/// The clips of a run, read and checked.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The clips to train on.
    pub train: Manifest,
    /// The lists to measure, with their names, in the order of reporting.
    pub evaluate: Vec<(String, Manifest)>,
}

impl Source {
    /// Makes or fetches what is not there yet and reads the lists.
    ///
    /// # Errors
    ///
    /// If a corpus cannot be made, or a list cannot be read or is empty.
    pub fn prepare(&self, watch: &mut dyn Watch) -> anyhow::Result<Corpus> {
        let lists = self.lists(watch)?;
        let train = Manifest::read(&lists.train)?;
        ensure!(!train.clips.is_empty(), "{} lists no clip", lists.train.display());
        let read = |(name, path): (String, PathBuf)| Ok((name, Manifest::read(&path)?));
        let evaluate = lists.evaluate.into_iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Corpus { train, evaluate })
    }

    /// The lists' files, after making sure that they are there.
    fn lists(&self, watch: &mut dyn Watch) -> anyhow::Result<Lists> {
        let mut report = |what: &str, done, total| {
            watch.note(&Event::Preparing { what: what.to_owned(), done, total });
        };
        match self {
            Source::Manifest(lists) => Ok(lists.clone()),
            Source::Synthetic(corpus) => {
                // Each choice of knobs has a folder of its own, so that none replaces another.
                let knobs = crc32c::crc32c(toml::to_string(corpus)?.as_bytes());
                let folder = cache_folder()?.join(format!("synthetic-{knobs:08x}"));
                let paths = corpus
                    .write(&folder, &mut |done, total| report("synthetic corpus", done, total))?;
                let evaluate = BTreeMap::from([("held-out".to_owned(), paths.valid)]);
                Ok(Lists { train: paths.train, evaluate })
            }
            Source::Stamps(corpus) => {
                let paths = corpus
                    .write(&cache_folder()?, &mut |done, total| report("stamps", done, total))?;
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
        }
    }
}
