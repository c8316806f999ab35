//! Features kept on disk, so that a probe with other settings takes seconds; one that does not fit or is
//! damaged is computed anew.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_data::atomic_write;
use ndarray::Array2;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use super::features::Features;
use crate::callback::{Callback, Event};
use crate::model::LoadedModel;
use crate::recipe::Settings;

/// Where features are kept, below the run folder.
const FOLDER: &str = "features";
/// The entry of a file's metadata that says what its rows are of.
const KEY: &str = "features";

/// Features of one network under one front end.
pub(super) struct Cache {
    folder: PathBuf,
    /// What decides the features beside the list.
    network: String,
}

/// What a file holds beside its rows.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Head {
    /// What decides the rows: weights, front end and list.
    of: String,
    clips: Vec<usize>,
    #[serde(rename = "left_out")]
    skipped: Vec<String>,
    /// Of every row's bytes, by modality.
    checksums: BTreeMap<String, u32>,
}

impl Cache {
    /// Of the weights of `trained`, whose run or export is the folder `run`.
    ///
    /// # Errors
    ///
    /// If the checkpoint of a run cannot be read.
    pub(super) fn of(run: &Path, trained: &LoadedModel) -> anyhow::Result<Self> {
        let LoadedModel { recipe, checkpoint, .. } = trained;
        if checkpoint == run {
            // An export has no checksums of a checkpoint.
            return Ok(Self::new(run, format!("export {}", trained.fingerprint().digest), recipe));
        }
        let path = checkpoint.join("checksums.json");
        let sums = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let step = checkpoint.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self::new(run, format!("{step} {:08x}", crc32c::crc32c(&sums)), recipe))
    }

    /// Of the fresh network of `recipe`.
    pub(super) fn untrained(run: &Path, recipe: &Settings) -> Self {
        let model = serde_json::to_string(&(recipe.seed, &recipe.model)).unwrap_or_default();
        Self::new(run, format!("untrained {:08x}", crc32c::crc32c(model.as_bytes())), recipe)
    }

    fn new(run: &Path, weights: String, recipe: &Settings) -> Self {
        let front = serde_json::to_string(&(&recipe.front_end, recipe.compute.precision));
        let network = format!("{weights}, {}", front.unwrap_or_default());
        Self { folder: run.join(FOLDER), network }
    }

    /// The features of the list with that digest, from the disk or from `make`.
    ///
    /// # Errors
    ///
    /// Those of `make`; a disk that refuses is told to `watch`.
    pub(super) fn get(
        &self,
        digest: &str,
        callback: &mut dyn Callback,
        make: impl FnOnce() -> anyhow::Result<Features>,
    ) -> anyhow::Result<Features> {
        let of = format!("list {digest}, {}", self.network);
        let path = self.folder.join(format!("{:08x}.safetensors", crc32c::crc32c(of.as_bytes())));
        if path.exists() {
            match read(&path, &of) {
                Ok(features) => return Ok(features),
                Err(error) => {
                    let message = format!("{}: {error:#}: computing it anew", path.display());
                    callback.on_event(&Event::Warning(message));
                }
            }
        }
        let features = make()?;
        if let Err(error) = write(&path, &of, &features) {
            let message = format!("{} is not kept: {error:#}", path.display());
            callback.on_event(&Event::Warning(message));
        }
        Ok(features)
    }
}

fn read(path: &Path, of: &str) -> anyhow::Result<Features> {
    let bytes = fs::read(path)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
    let head = metadata.metadata().as_ref().and_then(|entries| entries.get(KEY));
    let head: Head = serde_json::from_str(head.context("it says nothing of its rows")?)?;
    ensure!(head.of == of, "it holds features of {}", head.of);
    let tensors = SafeTensors::deserialize(&bytes)?;
    let mut rows = BTreeMap::new();
    for name in tensors.names() {
        let modality = Modality::new(name)?;
        let view = tensors.tensor(name)?;
        let sum = crc32c::crc32c(view.data());
        ensure!(head.checksums.get(name) == Some(&sum), "its rows of {name} are damaged");
        let (numbers, _) = view.data().as_chunks::<4>();
        let numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let [count, width] = *view.shape() else { anyhow::bail!("its rows have another shape") };
        ensure!(count == head.clips.len(), "{count} rows for {} clips", head.clips.len());
        rows.insert(modality, Array2::from_shape_vec((count, width), numbers)?);
    }
    Ok(Features { clips: head.clips, skipped: head.skipped, rows })
}

fn write(path: &Path, of: &str, features: &Features) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let bytes: BTreeMap<String, (Vec<u8>, Vec<usize>)> = features
        .rows
        .iter()
        .map(|(modality, rows)| {
            let bytes = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
            (modality.to_string(), (bytes, rows.shape().to_vec()))
        })
        .collect();
    let head = Head {
        of: of.to_owned(),
        clips: features.clips.clone(),
        skipped: features.skipped.clone(),
        checksums: bytes
            .iter()
            .map(|(name, (bytes, _))| (name.clone(), crc32c::crc32c(bytes)))
            .collect(),
    };
    let views = bytes.iter().map(|(name, (bytes, shape))| {
        Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?))
    });
    let views = views.collect::<anyhow::Result<Vec<_>>>()?;
    let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(&head)?)]);
    Ok(atomic_write(path, &serialize(views, Some(metadata))?)?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::callback::Warnings;

    #[test]
    fn features_come_from_the_disk_unless_they_are_others_or_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let rows = |start: f32| Array2::from_shape_fn((3, 2), |(r, c)| start + (2 * r + c) as f32);
        let features = Features {
            clips: vec![0, 2, 5],
            skipped: vec!["clip `c1`: gone".to_owned()],
            rows: [(Modality::AUDIO, rows(0.0)), (Modality::VISUAL, rows(1.0))].into(),
        };
        let cache = |network: &str| Cache {
            folder: folder.path().join(FOLDER),
            network: network.to_owned(),
        };
        let made = Cell::new(0);
        let mut warnings = Warnings::default();
        let mut get = |network: &str, digest: &str| {
            let make = || {
                made.set(made.get() + 1);
                Ok(features.clone())
            };
            let found = cache(network).get(digest, &mut warnings, make).expect("features");
            assert_eq!(found, features);
            made.get()
        };
        assert_eq!((get("a", "x"), get("a", "x")), (1, 1));
        assert_eq!((get("a", "y"), get("b", "x"), get("a", "x")), (2, 3, 3));
        for entry in fs::read_dir(folder.path().join(FOLDER)).expect("files").flatten() {
            let whole = fs::read(entry.path()).expect("a file");
            for place in [0, 12, whole.len() / 2, whole.len() - 1] {
                let mut damaged = whole.clone();
                damaged[place] ^= 1;
                fs::write(entry.path(), &damaged).expect("a damaged file");
                let before = made.get();
                for (network, digest) in [("a", "x"), ("a", "y"), ("b", "x")] {
                    get(network, digest);
                }
                assert_eq!(made.get(), before + 1, "byte {place}");
                assert_eq!(fs::read(entry.path()).expect("a file"), whole, "mended");
            }
        }
        assert_eq!(warnings.0.len(), 12);
        assert!(warnings.0[0].contains("computing it anew"), "{}", warnings.0[0]);
    }
}
