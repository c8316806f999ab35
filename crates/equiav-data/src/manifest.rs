//! The list of clips: CAV-MAE's JSON, checked entry by entry; it opens no sound and no picture.

pub(crate) mod clips;
pub(crate) mod entry;
pub(crate) mod labels;
pub(crate) mod overlap;
pub(crate) mod table;
pub(crate) mod text;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::DataError;
use crate::io::atomic::atomic_write;
use crate::io::digest::list_digest;
use crate::manifest::entry::{clip_value, in_entry, parse_clip};

/// How many frames a clip has where its entry does not say.
pub const DEFAULT_FRAMES: usize = 10;

/// One entry of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Its name, unique in the manifest.
    pub id: String,
    /// Its sound file.
    pub sound: PathBuf,
    /// Its pictures.
    pub pictures: Pictures,
    /// The machine names of its labels; empty where there are none.
    pub labels: Vec<String>,
    /// Every other key of the entry.
    pub factors: BTreeMap<String, Value>,
}

/// Where the pictures of a clip lie.
#[derive(Clone, Debug, PartialEq)]
pub enum Pictures {
    /// Frames of a video at `folder/frame_K/ID.jpg`, with `K` from 0 to `count - 1`.
    Frames {
        /// The folder of all `frame_K`.
        folder: PathBuf,
        /// How many there are; at least 1.
        count: usize,
    },
    /// One picture.
    Still(PathBuf),
}

impl Clip {
    /// The file of frame `frame`; a still picture is every frame.
    pub fn frame_path(&self, frame: usize) -> PathBuf {
        match &self.pictures {
            Pictures::Still(path) => path.clone(),
            Pictures::Frames { folder, .. } => {
                folder.join(format!("frame_{frame}")).join(format!("{}.jpg", self.id))
            }
        }
    }

    /// The file that is read for frame `frame`: its own, or that of the next earlier frame that is there,
    /// as short videos have fewer frames; its own where there is none.
    pub fn frame_file(&self, frame: usize) -> PathBuf {
        let mut paths = (0..=frame).rev().map(|frame| self.frame_path(frame));
        paths.find(|path| path.is_file()).unwrap_or_else(|| self.frame_path(frame))
    }

    /// How many frames there are to choose from; 1 for a still picture.
    pub fn frames(&self) -> usize {
        match self.pictures {
            Pictures::Still(_) => 1,
            Pictures::Frames { count, .. } => count.max(1),
        }
    }

    /// The frame that stands for the clip in evaluation: number `count / 2`, or 0 of a still.
    pub fn middle_frame(&self) -> usize {
        self.frames() / 2
    }
}

/// A checked, non-empty list of clips.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The clips, in the order of the file.
    pub clips: Vec<Clip>,
}

/// How many clips of a manifest have their files.
#[derive(Clone, Debug, PartialEq)]
pub struct FileCoverage {
    /// Clips with both a sound and a picture file.
    pub found: usize,
    /// Clips in the list.
    pub total: usize,
    /// Positions of the clips that lack a file.
    pub missing: Vec<usize>,
}

impl fmt::Display for FileCoverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} clips found", self.found, self.total)
    }
}

impl Manifest {
    /// Reads `{"data": [{"video_id", "wav", "video_path", "labels"}]}` at `path`, a list of such entries
    /// alone, or one entry a line; in UTF-8 or UTF-16, with or without a byte order mark.
    ///
    /// `image` (one picture) may stand in the place of `video_path`; `frames` says how many
    /// `frame_K` exist (10 if absent); `labels` may be absent, one string with commas, or a list;
    /// keys without a meaning are kept in [`Clip::factors`]. Relative paths are relative to the
    /// manifest.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is no such list, with the entry and the key at fault; if an id
    /// comes twice; if there is no clip in it.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let text = std::fs::read(path).map_err(|error| DataError::io(path, error))?;
        let root = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, root).map_err(|reason| DataError::manifest(path, reason))
    }

    /// As [`read`](Self::read) of a file that holds `text`; relative paths are relative to `root`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), in one line without the list's name.
    pub fn parse(text: &[u8], root: &Path) -> Result<Self, String> {
        let entries = parse_entries(&crate::manifest::text::text(text)?)?;
        if entries.is_empty() {
            return Err("`data` is empty: there is no clip to use".to_owned());
        }
        let mut ids = HashSet::new();
        let mut clips = Vec::with_capacity(entries.len());
        for (position, entry) in entries.iter().enumerate() {
            let clip =
                parse_clip(entry, root).map_err(|reason| in_entry(position, entry, reason))?;
            if !ids.insert(clip.id.clone()) {
                let reason = "`video_id` comes a second time; every clip needs its own".to_owned();
                return Err(in_entry(position, entry, reason));
            }
            clips.push(clip);
        }
        Ok(Self { clips })
    }

    /// Writes the list to `path`, with paths relative to it where they lie below its folder.
    ///
    /// The file appears complete or not at all.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or a path is not valid Unicode.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        let root = path.parent().unwrap_or(Path::new(""));
        let entries: Result<Vec<Value>, String> =
            self.clips.iter().map(|clip| clip_value(clip, root)).collect();
        let entries = entries.map_err(|reason| DataError::manifest(path, reason))?;
        let text = format!("{:#}\n", json!({ "data": entries }));
        atomic_write(path, text.as_bytes()).map_err(|error| DataError::io(path, error))
    }

    /// A digest of the list, 12 hexadecimal digits: of ids, labels and file names in their order.
    ///
    /// Folders do not enter, so that moving a data set does not change it.
    pub fn digest(&self) -> String {
        let name =
            |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut fields = Vec::new();
        for clip in &self.clips {
            fields.extend([clip.id.clone(), clip.labels.join(","), name(&clip.sound)]);
            fields.push(match &clip.pictures {
                Pictures::Still(path) => name(path),
                Pictures::Frames { count, .. } => format!("{count} frames"),
            });
        }
        list_digest(fields.iter().map(String::as_str))
    }

    /// Looks which clips have a sound file and a picture file for their middle frame.
    pub fn found(&self) -> FileCoverage {
        let complete =
            |clip: &Clip| clip.sound.is_file() && clip.frame_file(clip.middle_frame()).is_file();
        let clips = self.clips.iter().enumerate();
        let missing: Vec<usize> =
            clips.filter(|(_, clip)| !complete(clip)).map(|(position, _)| position).collect();
        let total = self.clips.len();
        FileCoverage { found: total - missing.len(), total, missing }
    }
}

/// The entries of a list.
fn parse_entries(text: &str) -> Result<Vec<Value>, String> {
    let values: Result<Vec<Value>, _> =
        serde_json::Deserializer::from_str(text).into_iter().collect();
    let mut values = values.map_err(|error| no_json(text, &error))?;
    let alone = values.len() == 1;
    match values.first_mut() {
        None => Err("is empty: there is no clip to use".to_owned()),
        Some(Value::Array(entries)) if alone => Ok(std::mem::take(entries)),
        Some(Value::Object(object)) if alone && !object.contains_key("video_id") => {
            match object.remove("data") {
                Some(Value::Array(entries)) => Ok(entries),
                Some(_) => Err("`data` must be a list of clips".to_owned()),
                None => Err("missing key `data`, the list of clips".to_owned()),
            }
        }
        // One entry a line.
        Some(Value::Object(object)) if object.contains_key("video_id") => Ok(values),
        _ => Err("missing key `data`, the list of clips".to_owned()),
    }
}

/// What is wrong with `text`; numbers that Python writes and JSON lacks are named.
fn no_json(text: &str, error: &serde_json::Error) -> String {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let from = error.column().saturating_sub("-Infinity".len());
    let around = line.get(from..).unwrap_or_default();
    let around = around.get(..2 * "-Infinity".len()).unwrap_or(around);
    match ["NaN", "Infinity"].into_iter().find(|name| around.contains(name)) {
        Some(name) => {
            let (line, column) = (error.line(), error.column());
            format!("line {line} column {column}: `{name}` is no value of JSON: write null")
        }
        None => format!("no JSON: {error}"),
    }
}
