//! The list of clips: CAV-MAE's JSON, checked entry by entry; it opens no sound and no picture.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::DataError;
use crate::digest::list_digest;

/// How many frames a clip has where its entry does not say.
pub const DEFAULT_FRAMES: usize = 10;
/// The most frames that an entry may claim.
const MOST_FRAMES: u64 = 1_000_000;
/// The keys with a meaning; all others are kept as factors.
const KNOWN_KEYS: [&str; 6] = ["video_id", "wav", "video_path", "labels", "image", "frames"];

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
pub struct Found {
    /// Clips with both a sound and a picture file.
    pub found: usize,
    /// Clips in the list.
    pub total: usize,
    /// Positions of the clips that lack a file.
    pub missing: Vec<usize>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} clips found", self.found, self.total)
    }
}

impl Manifest {
    /// Reads `{"data": [{"video_id", "wav", "video_path", "labels"}]}` at `path`.
    ///
    /// `image` (one picture) may stand in the place of `video_path`; `frames` says how many `frame_K`
    /// exist (10 if absent); `labels` may be absent, one string with commas, or a list; keys without a
    /// meaning are kept in [`Clip::factors`]. Relative paths are relative to the manifest.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is no such list, with the entry and the key at fault; if an id comes
    /// twice; if there is no clip in it.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let text = std::fs::read(path).map_err(|error| DataError::io(path, error))?;
        let root = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, root).map_err(|reason| DataError::manifest(path, reason))
    }

    fn parse(text: &[u8], root: &Path) -> Result<Self, String> {
        let value: Value =
            serde_json::from_slice(text).map_err(|error| format!("no JSON: {error}"))?;
        let entries = value.get("data").ok_or("missing key `data`, the list of clips")?;
        let entries = entries.as_array().ok_or("`data` must be a list of clips")?;
        if entries.is_empty() {
            return Err("`data` is empty: there is no clip to use".to_owned());
        }
        let mut ids = HashSet::new();
        let mut clips = Vec::with_capacity(entries.len());
        for (position, entry) in entries.iter().enumerate() {
            let clip = parse_clip(entry, root).map_err(|reason| in_entry(position, entry, reason))?;
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
        write_whole(path, text.as_bytes()).map_err(|error| DataError::io(path, error))
    }

    /// A digest of the list, 12 hexadecimal digits: of ids, labels and file names in their order.
    ///
    /// Folders do not enter, so that moving a data set does not change it.
    pub fn digest(&self) -> String {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
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
    pub fn found(&self) -> Found {
        let complete = |clip: &Clip| {
            let frames = (0..=clip.middle_frame()).rev();
            clip.sound.is_file()
                && frames.map(|frame| clip.frame_path(frame)).any(|path| path.is_file())
        };
        let clips = self.clips.iter().enumerate();
        let missing: Vec<usize> =
            clips.filter(|(_, clip)| !complete(clip)).map(|(position, _)| position).collect();
        let total = self.clips.len();
        Found { found: total - missing.len(), total, missing }
    }
}

/// `reason` with the entry's number and, where it has one, its id.
fn in_entry(position: usize, entry: &Value, reason: String) -> String {
    match entry.get("video_id").and_then(Value::as_str) {
        Some(id) => format!("entry {position} (`{id}`): {reason}"),
        None => format!("entry {position}: {reason}"),
    }
}

fn parse_clip(entry: &Value, root: &Path) -> Result<Clip, String> {
    let entry = entry.as_object().ok_or("must be an object with `video_id` and `wav`")?;
    let extra = entry.iter().filter(|(key, _)| !KNOWN_KEYS.contains(&key.as_str()));
    let clip = Clip {
        id: text(entry, "video_id")?.ok_or("missing key `video_id`")?.to_owned(),
        sound: root.join(text(entry, "wav")?.ok_or("missing key `wav`")?),
        pictures: parse_pictures(entry, root)?,
        labels: parse_labels(entry.get("labels"))?,
        factors: extra.map(|(key, value)| (key.clone(), value.clone())).collect(),
    };
    // An id becomes part of a file name below the folder of the frames.
    let frames = matches!(clip.pictures, Pictures::Frames { .. });
    if frames && Path::new(&clip.id).components().any(|part| part.as_os_str() == "..") {
        return Err("`video_id` must not lead out of its folder with `..`".to_owned());
    }
    Ok(clip)
}

/// The text under `key`, which may be absent but not empty.
fn text<'a>(entry: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, String> {
    match entry.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => {
            Err(format!("`{key}` must not hold a zero character"))
        }
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(Value::String(_)) => Err(format!("`{key}` must not be empty")),
        Some(other) => Err(format!("`{key}` must be text, not {}", kind(other))),
    }
}

fn parse_pictures(entry: &Map<String, Value>, root: &Path) -> Result<Pictures, String> {
    let count = match entry.get("frames") {
        None | Some(Value::Null) => DEFAULT_FRAMES,
        Some(value) => match value.as_u64() {
            Some(count @ 1..=MOST_FRAMES) => count as usize,
            _ => return Err(format!("`frames` must be a number from 1 to {MOST_FRAMES}")),
        },
    };
    match (text(entry, "image")?, text(entry, "video_path")?) {
        (Some(image), _) => Ok(Pictures::Still(root.join(image))),
        (None, Some(folder)) => Ok(Pictures::Frames { folder: root.join(folder), count }),
        (None, None) => Err("missing key `video_path` (or `image` for a still picture)".to_owned()),
    }
}

fn parse_labels(value: Option<&Value>) -> Result<Vec<String>, String> {
    let wrong = |value: &Value| format!("`labels` must be text or a list, not {}", kind(value));
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => {
            let labels = text.split(',').map(str::trim).filter(|label| !label.is_empty());
            Ok(labels.map(str::to_owned).collect())
        }
        Some(Value::Array(labels)) => {
            let label = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(value));
            labels.iter().map(label).collect()
        }
        Some(other) => Err(wrong(other)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn clip_value(clip: &Clip, root: &Path) -> Result<Value, String> {
    let path = |path: &Path| {
        let path = path.strip_prefix(root).unwrap_or(path);
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| format!("clip `{}`: {} is not Unicode", clip.id, path.display()))
    };
    let mut entry: Map<String, Value> =
        clip.factors.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    entry.insert("video_id".to_owned(), json!(clip.id));
    entry.insert("wav".to_owned(), json!(path(&clip.sound)?));
    match &clip.pictures {
        Pictures::Still(image) => {
            entry.insert("image".to_owned(), json!(path(image)?));
        }
        Pictures::Frames { folder, count } => {
            let folder = path(folder)?;
            let folder = if folder.is_empty() { ".".to_owned() } else { folder };
            entry.insert("video_path".to_owned(), json!(folder));
            entry.insert("frames".to_owned(), json!(count));
        }
    }
    if !clip.labels.is_empty() {
        let comma = clip.labels.iter().any(|label| label.contains(','));
        let labels = if comma { json!(clip.labels) } else { json!(clip.labels.join(",")) };
        entry.insert("labels".to_owned(), labels);
    }
    Ok(Value::Object(entry))
}

/// Writes beside `path` and renames, so that no reader meets half a file.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = std::fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
