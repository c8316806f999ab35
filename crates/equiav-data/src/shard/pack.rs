//! From a manifest of files to shards: the original bytes under new names.

use std::fs;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::{ClipError, DataError, MediaError};
use crate::manifest::{Clip, Manifest, Pictures};
use crate::media::sound::sound_suffix;
use crate::shard::index::finished;
use crate::shard::writer::{Member, ShardWriter, shard_name};

/// What [`pack`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// The shards of the list.
    pub shards: usize,
    /// How many of them were finished before.
    pub found: usize,
    /// Clips in all shards.
    pub clips: usize,
    /// Why each of the other clips is in none.
    pub skipped: Vec<String>,
}

/// Writes the clips of `manifest` to shards of `samples` clips in `folder`; finished shards are kept.
///
/// Sound and pictures go in byte by byte, labels and factors as JSON. A clip's key is its id, with
/// `%2E` for a dot and the like. Clips without a readable sound or picture are skipped and listed.
/// `progress` is told (shards done, shards in all).
///
/// # Errors
///
/// If the folder cannot be written to, or holds shards of another list; if the machine cannot read a clip.
pub fn pack(
    manifest: &Manifest,
    folder: &Path,
    samples: NonZeroUsize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Packed, DataError> {
    let list = json!({ "list": manifest.digest(), "samples": samples });
    let mut packed = Packed { shards: 0, found: 0, clips: 0, skipped: Vec::new() };
    let total = manifest.clips.len().div_ceil(samples.get());
    for (number, clips) in manifest.clips.chunks(samples.get()).enumerate() {
        let name = shard_name(number);
        let statistics = if finished(folder, &name)? {
            packed.found += 1;
            statistics_of(folder, &name, &list)?
        } else {
            write_shard(folder, &name, (number * samples.get()..).zip(clips), &list)?
        };
        packed.shards += 1;
        packed.clips += statistics["clips"].as_u64().unwrap_or_default() as usize;
        let skipped = statistics["left_out"].as_array().into_iter().flatten();
        packed.skipped.extend(skipped.filter_map(Value::as_str).map(str::to_owned));
        progress(number + 1, total);
    }
    Ok(packed)
}

/// Writes one shard; returns its statistics.
fn write_shard<'c>(
    folder: &Path,
    name: &str,
    clips: impl Iterator<Item = (usize, &'c Clip)>,
    list: &Value,
) -> Result<Value, DataError> {
    let mut writer = ShardWriter::create(folder, name)?;
    let mut skipped = Vec::new();
    for (position, clip) in clips {
        match members(clip) {
            Ok(members) => {
                let members: Vec<Member<'_>> =
                    members.iter().map(|(suffix, bytes)| Member { suffix, bytes }).collect();
                writer.write(&key(&clip.id), &members)?;
            }
            Err(media) => {
                let error = ClipError { clip: position, id: clip.id.clone(), media };
                // A finished shard is never packed again, so that the clip would be lost for good.
                if error.media.machine {
                    return Err(DataError::Machine(error));
                }
                skipped.push(error.to_string());
            }
        }
    }
    let mut statistics = list.clone();
    statistics["clips"] = json!(writer.len());
    statistics["left_out"] = json!(skipped);
    writer.finish(&statistics)?;
    Ok(statistics)
}

/// The statistics of a finished shard, which must be of the same `list`.
fn statistics_of(folder: &Path, name: &str, list: &Value) -> Result<Value, DataError> {
    let path = folder.join(format!("{name}.stats.json"));
    let text = fs::read(&path).map_err(|error| DataError::io(&path, error))?;
    let statistics: Value = serde_json::from_slice(&text)
        .map_err(|error| DataError::shard(&path, format!("no JSON: {error}; delete the shard")))?;
    let same = ["list", "samples"].into_iter().all(|key| statistics.get(key) == list.get(key));
    if same {
        return Ok(statistics);
    }
    let reason = "the shard was packed from another list, or in another size; name another folder";
    Err(DataError::shard(&path, reason))
}

/// The members of `clip`: suffix and bytes.
fn members(clip: &Clip) -> Result<Vec<(String, Vec<u8>)>, MediaError> {
    let sound = read(&clip.sound)?;
    let suffix = sound_suffix(&sound).map_err(|reason| MediaError::broken(&clip.sound, reason))?;
    let mut members = vec![(suffix.to_owned(), sound)];
    let picture = |path: &Path| {
        let bytes = read(path)?;
        let suffix = picture_suffix(&bytes);
        let suffix = suffix.ok_or_else(|| MediaError::broken(path, "is no jpg, png or webp"))?;
        Ok((suffix, bytes))
    };
    match &clip.pictures {
        Pictures::Still(path) => {
            let (suffix, bytes) = picture(path)?;
            members.push((suffix.to_owned(), bytes));
        }
        Pictures::Frames { count, .. } => {
            for frame in 0..*count {
                match picture(&clip.frame_path(frame)) {
                    Ok((suffix, bytes)) => members.push((format!("{frame}.{suffix}"), bytes)),
                    // Short videos have fewer frames.
                    Err(error) if error.missing && frame > 0 => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
    let mut about: Map<String, Value> =
        clip.factors.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    about.insert("video_id".to_owned(), json!(clip.id));
    about.insert("labels".to_owned(), json!(clip.labels));
    members.push(("json".to_owned(), Value::Object(about).to_string().into_bytes()));
    Ok(members)
}

fn read(path: &Path) -> Result<Vec<u8>, MediaError> {
    let regular = fs::metadata(path).map(|metadata| metadata.is_file());
    match regular.map_err(|error| MediaError::io(path, &error))? {
        true => fs::read(path).map_err(|error| MediaError::io(path, &error)),
        false => Err(MediaError::io(path, &ErrorKind::IsADirectory.into())),
    }
}

/// The suffix of a picture, by its first bytes.
fn picture_suffix(bytes: &[u8]) -> Option<&'static str> {
    match image::guess_format(bytes).ok()? {
        image::ImageFormat::Jpeg => Some("jpg"),
        image::ImageFormat::Png => Some("png"),
        image::ImageFormat::WebP => Some("webp"),
        _ => None,
    }
}

/// The key of the clip `id`: the id itself where it can be; different ids have different keys.
fn key(id: &str) -> String {
    let encoded = |character: char| match character {
        '.' | '/' | '%' => format!("%{:02X}", u32::from(character)),
        other if other.is_control() => format!("%{:02X}", u32::from(other)),
        other => other.to_string(),
    };
    id.chars().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::key::check_key;

    #[test]
    fn any_id_becomes_a_key() {
        assert_eq!(key("--0AjXbQP_I_000030"), "--0AjXbQP_I_000030");
        assert_eq!(key("../a.mp4 10%"), "%2E%2E%2Fa%2Emp4 10%25");
        for id in ["..", "/", "a\nb", "ü\u{85}", "%"] {
            assert_eq!(check_key(&key(id)), Ok(()), "{id:?}");
        }
    }
}
