//! One entry of a manifest, from JSON and to JSON; its errors name the key.

use std::path::{Component, Path};

use serde_json::{Map, Value, json};

use crate::manifest::{Clip, DEFAULT_FRAMES, Pictures};

/// The most frames that an entry may claim.
const MOST_FRAMES: u64 = 1_000_000;
/// The keys with a meaning; all others are kept as factors.
const KNOWN_KEYS: [&str; 6] = ["video_id", "wav", "video_path", "labels", "image", "frames"];

/// `reason` with the entry's number and, where it has one, its id.
pub(crate) fn in_entry(position: usize, entry: &Value, reason: String) -> String {
    match entry.get("video_id").and_then(Value::as_str) {
        Some(id) => format!("entry {position} (`{id}`): {reason}"),
        None => format!("entry {position}: {reason}"),
    }
}

/// The clip of one entry; relative paths are relative to `root`.
pub(crate) fn parse_clip(entry: &Value, root: &Path) -> Result<Clip, String> {
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
    if matches!(clip.pictures, Pictures::Frames { .. }) {
        check_frame_name(&clip.id)?;
    }
    Ok(clip)
}

/// Refuses an id below which `frame_K/ID.jpg` would lie elsewhere than in the folder of its frames.
fn check_frame_name(id: &str) -> Result<(), String> {
    for part in Path::new(id).components() {
        match part {
            Component::Normal(_) | Component::CurDir => {}
            Component::ParentDir => {
                return Err("`video_id` must not lead out of its folder with `..`".to_owned());
            }
            Component::RootDir | Component::Prefix(_) => {
                return Err(
                    "`video_id` names the frames below `video_path`, so it must be relative, not \
                            an absolute path"
                        .to_owned(),
                );
            }
        }
    }
    Ok(())
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

pub(crate) fn parse_labels(value: Option<&Value>) -> Result<Vec<String>, String> {
    let wrong = |value: &Value| format!("`labels` must be text or a list, not {}", kind(value));
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => {
            let labels = text.split(',').map(str::trim).filter(|label| !label.is_empty());
            Ok(labels.map(str::to_owned).collect())
        }
        Some(Value::Array(labels)) => {
            let label =
                |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(value));
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

/// The entry of `clip`, with paths relative to `root` where they lie below it.
pub(crate) fn clip_value(clip: &Clip, root: &Path) -> Result<Value, String> {
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
