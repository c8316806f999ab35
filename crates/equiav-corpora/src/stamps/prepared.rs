//! Makes the stamps ready once: scaled pictures, sounds whose first channel is not empty, one list.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;
use equiav_data::{content_key, parallel, read_picture, read_sound};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::channel::loudest_channel;
use super::tree::{Pair, Skipped, Tree};
use crate::{finished, wav};

/// Raised whenever the same package gives other files than before.
const VERSION: u32 = 1;
/// Sounds that never exceed this, of full scale 1, are silent.
const SILENCE: f32 = 1e-3;
const LIST: &str = "inventory.json";

/// All usable pairs of the package.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Inventory {
    pub(super) items: Vec<Item>,
    pub(super) skipped: Skipped,
    /// Sounds in which nothing is to be heard.
    pub(super) silent: usize,
    /// Sounds that are damaged.
    pub(super) unreadable: usize,
    /// Sounds whose first channel is empty, written anew from the other.
    pub(super) mended: usize,
}

impl Inventory {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Usable(item) => self.items.push(item),
            Outcome::Mended(item) => {
                self.mended += 1;
                self.items.push(item);
            }
            Outcome::Silent => self.silent += 1,
            Outcome::Unreadable => self.unreadable += 1,
        }
    }
}

/// One usable pair.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Item {
    #[serde(flatten)]
    pub(super) pair: Pair,
    /// The sound to read, below the folder of the stamps.
    pub(super) path: String,
    /// The English sentence that describes the picture; empty where there is none.
    pub(super) sentence: String,
    /// Equal for files of equal bytes.
    pub(super) sound_key: String,
    /// Equal for files of equal bytes.
    pub(super) picture_key: String,
}

/// Where the parts of the stamps lie below their folder.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) base: PathBuf,
    pub(super) side: u32,
}

impl Place {
    pub(super) fn package(&self) -> PathBuf {
        self.base.join("package")
    }

    fn name(&self) -> String {
        format!("prepared-{}", self.side)
    }

    /// The prepared picture, below the folder of the stamps.
    pub(super) fn picture(&self, picture: &str) -> String {
        format!("{}/pictures/{picture}.png", self.name())
    }

    fn mended(&self, pair: &Pair) -> String {
        let stem = pair.sound.rsplit_once('.').map_or(&*pair.sound, |(stem, _)| stem);
        format!("{}/sounds/{stem}.wav", self.name())
    }
}

/// Prepares the unpacked package, unless that is done, and gives the list of it.
pub(super) fn prepare(
    place: &Place,
    progress: &mut dyn FnMut(usize, usize),
) -> anyhow::Result<Inventory> {
    let folder = place.base.join(place.name());
    let recipe = json!({"corpus": "stamps-prepared", "version": VERSION, "side": place.side});
    finished::finish(&folder, &recipe, |partial| {
        let tree = Tree::read(&place.package().join("stamps"))?;
        let inventory = Work { place, tree: &tree, partial }.all(progress)?;
        let text = serde_json::to_vec_pretty(&inventory)?;
        write(&partial.join(LIST), &text)
    })?;
    let path = folder.join(LIST);
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{} is damaged; delete its folder", path.display()))
}

/// What every piece of the preparation needs.
struct Work<'a> {
    place: &'a Place,
    tree: &'a Tree,
    /// The folder that becomes the prepared one.
    partial: &'a Path,
}

/// What became of a pair.
enum Outcome {
    Usable(Item),
    Mended(Item),
    Silent,
    Unreadable,
}

impl Work<'_> {
    fn all(&self, progress: &mut dyn FnMut(usize, usize)) -> anyhow::Result<Inventory> {
        let pairs = &self.tree.pairs;
        let pictures: BTreeSet<_> = pairs.iter().map(|pair| pair.picture.as_str()).collect();
        let pictures: Vec<_> = pictures.into_iter().collect();
        let total = pictures.len() + pairs.len();
        let outcomes: Mutex<Vec<_>> = Mutex::new(pairs.iter().map(|_| None).collect());
        let work = |piece: usize| match pictures.get(piece) {
            Some(picture) => self.picture(picture),
            None => {
                let index = piece - pictures.len();
                let outcome = self.sound(&pairs[index])?;
                let mut outcomes = outcomes.lock().unwrap_or_else(|broken| broken.into_inner());
                outcomes[index] = Some(outcome);
                Ok(())
            }
        };
        parallel::for_each_counted(total, parallel::threads(0), work, progress)?;
        let outcomes = outcomes.into_inner().unwrap_or_else(|broken| broken.into_inner());
        let mut inventory = Inventory { skipped: self.tree.skipped, ..Inventory::default() };
        for outcome in outcomes.into_iter().flatten() {
            inventory.add(outcome);
        }
        Ok(inventory)
    }

    fn source(&self, name: &str) -> PathBuf {
        self.place.package().join("stamps").join(name)
    }

    /// The path in the temporary folder of a file below the folder of the stamps.
    fn target(&self, below: &str) -> anyhow::Result<PathBuf> {
        let name = below.strip_prefix(&self.place.name()).unwrap_or(below);
        let path = self.partial.join(name.trim_start_matches('/'));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(path)
    }

    fn picture(&self, picture: &str) -> anyhow::Result<()> {
        let image = read_picture(&self.source(&format!("{picture}.png")))?;
        let size = image.size();
        let wide = RgbImage::from_raw(
            size.width as u32,
            size.height as u32,
            image.into_pixels().into_raw_vec_and_offset().0,
        );
        let wide = wide.with_context(|| format!("{picture}.png is too large"))?;
        let path = self.target(&self.place.picture(picture))?;
        squared(&wide, self.place.side)
            .save(&path)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn sound(&self, pair: &Pair) -> anyhow::Result<Outcome> {
        let source = self.source(&pair.sound);
        let item = |path: String| -> anyhow::Result<Item> {
            let picture = self.source(&format!("{}.png", pair.picture));
            Ok(Item {
                pair: pair.clone(),
                path,
                sentence: self.sentence(&pair.picture),
                sound_key: key(&source)?,
                picture_key: key(&picture)?,
            })
        };
        let is_silent = |samples: &[f32]| samples.iter().all(|sample| sample.abs() < SILENCE);
        let first = match read_sound(&source) {
            Ok(waveform) => waveform,
            Err(error) if error.missing => return Err(error.into()),
            Err(_) => return Ok(Outcome::Unreadable),
        };
        if !is_silent(&first.samples) {
            return Ok(Outcome::Usable(item(format!("package/stamps/{}", pair.sound))?));
        }
        let waveform = loudest_channel(&source)?;
        if is_silent(&waveform.samples) {
            return Ok(Outcome::Silent);
        }
        let path = self.place.mended(pair);
        let samples: Vec<_> = waveform
            .samples
            .iter()
            .map(|sample| (sample * 32767.0).round().clamp(-32767.0, 32767.0) as i16)
            .collect();
        wav::write(&self.target(&path)?, &samples, waveform.rate)?;
        Ok(Outcome::Mended(item(path)?))
    }

    fn sentence(&self, picture: &str) -> String {
        let text = fs::read(self.source(&format!("{picture}.txt"))).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.lines().next().unwrap_or_default().trim().to_owned()
    }
}

fn key(path: &Path) -> anyhow::Result<String> {
    let key = content_key(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(format!("{key:016x}"))
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// The whole picture in the middle of a white square, which is at most `side` pixels wide.
///
/// Stamps are cut-out things of any shape: cropping to a square would cut a long one to pieces.
fn squared(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let square = width.max(height);
    let mut whole = RgbImage::from_pixel(square, square, Rgb([255; 3]));
    let (left, top) = ((square - width) / 2, (square - height) / 2);
    imageops::replace(&mut whole, picture, left.into(), top.into());
    if square <= side {
        return whole;
    }
    imageops::resize(&whole, side, side, FilterType::CatmullRom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_pictures_keep_all_their_parts() {
        let red = Rgb([255, 0, 0]);
        let small = squared(&RgbImage::from_pixel(40, 10, red), 64);
        assert_eq!(small.dimensions(), (40, 40));
        assert_eq!(*small.get_pixel(20, 20), red);
        assert_eq!(*small.get_pixel(20, 5), Rgb([255; 3]));
        let large = squared(&RgbImage::from_pixel(40, 300, red), 64);
        assert_eq!(large.dimensions(), (64, 64));
        assert_eq!(*large.get_pixel(32, 1), red);
        assert_eq!(*large.get_pixel(2, 32), Rgb([255; 3]));
    }
}
