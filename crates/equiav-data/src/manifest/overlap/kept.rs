//! Overlaps in the cache folder: two lists are compared file by file once, until a file changes.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use std::{fs, io};

use super::Overlap;
use crate::io::atomic::atomic_write;
use crate::io::cache_folder::cache_folder;
use crate::io::digest::list_digest;
use crate::manifest::clips::Clips;

/// Where they are kept, in the cache folder.
const FOLDER: &str = "overlap";
/// Fewer bytes are compared as fast as their overlap is found there.
const WORTH_KEEPING: u64 = 16 << 20;

impl Overlap {
    /// As [`of`](Self::of), read from the cache folder where these files have been compared before, and kept there
    /// where they are many and it can be written. None where they have not and are more than `most` bytes in all:
    /// nothing is read then.
    pub fn kept(list: &Clips, other: &Clips, most: u64) -> Option<Self> {
        Self::kept_in(cache_folder().as_deref(), list, other, WORTH_KEEPING..=most)
    }

    /// As [`kept`](Self::kept), in a folder and of so many bytes.
    fn kept_in(
        folder: Option<&Path>,
        list: &Clips,
        other: &Clips,
        bytes: RangeInclusive<u64>,
    ) -> Option<Self> {
        let (own, theirs) = (Files::of(list), Files::of(other));
        let name = format!("{}-{}.json", own.digest, theirs.digest);
        let path = folder.map(|folder| folder.join(FOLDER).join(name));
        let known = path.as_ref().and_then(|path| fs::read(path).ok());
        if let Some(known) = known.and_then(|text| serde_json::from_slice(&text).ok()) {
            return Some(known);
        }
        let all = own.bytes.saturating_add(theirs.bytes);
        if all > *bytes.end() {
            return None;
        }
        let found = Self::of(list, other);
        if let Some(path) = path.filter(|_| all >= *bytes.start()) {
            // Who cannot write there compares again.
            let _ = keep(&path, &found);
        }
        Some(found)
    }
}

fn keep(path: &Path, overlap: &Overlap) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    atomic_write(path, &serde_json::to_vec(overlap)?)
}

/// The files that a comparison of a list reads.
struct Files {
    /// Of the ids and of names, lengths and times of the files: another where one has changed.
    digest: String,
    /// How long they are in all.
    bytes: u64,
}

impl Files {
    fn of(clips: &Clips) -> Self {
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut fields = vec![clips.digest()];
        match clips {
            Clips::Manifest(manifest) => {
                for clip in &manifest.clips {
                    paths.extend([clip.sound.clone(), clip.frame_file(clip.middle_frame())]);
                }
            }
            Clips::Shards(shards) => paths.extend(shards.paths().map(Path::to_owned)),
        }
        let mut bytes = 0;
        for path in paths {
            // What is not there is compared as such.
            let data = fs::metadata(&path).ok();
            let length = data.as_ref().map_or(0, fs::Metadata::len);
            let time = data.and_then(|data| data.modified().ok()?.duration_since(UNIX_EPOCH).ok());
            let path = std::path::absolute(&path).unwrap_or(path);
            fields.push(format!("{} {length} {time:?}", path.display()));
            bytes += length;
        }
        Self { digest: list_digest(fields.iter().map(String::as_str)), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clip, Manifest, Pictures};

    /// A list of clips whose sound and picture hold their own names.
    fn list(folder: &Path, ids: &[&str]) -> Clips {
        let file = |name: String| {
            let path = folder.join(&name);
            fs::write(&path, name).unwrap();
            path
        };
        let clip = |id: &&str| Clip {
            id: (*id).to_owned(),
            sound: file(format!("{id}.wav")),
            pictures: Pictures::Still(file(format!("{id}.jpg"))),
            labels: Vec::new(),
            factors: Default::default(),
        };
        Manifest { clips: ids.iter().map(clip).collect() }.into()
    }

    #[test]
    fn lists_are_compared_once_until_a_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        let (own, other) = (list(folder.path(), &["a", "b"]), list(folder.path(), &["b", "c"]));
        let kept = |most| Overlap::kept_in(Some(&cache), &own, &other, 0..=most);
        assert_eq!(kept(3), None, "40 bytes are too many");
        let found = kept(1000).unwrap();
        assert_eq!((&found.by_id, &found.by_sound, found.any()), (&vec![1], &vec![1], vec![1]));
        assert_eq!(kept(3), Some(found), "known without reading");
        fs::write(folder.path().join("c.wav"), "a.wav twice").unwrap();
        assert_eq!(kept(3), None, "the files are others");
        fs::write(folder.path().join("c.wav"), "a.wav").unwrap();
        assert_eq!(kept(1000).unwrap().by_sound, [0, 1]);
        assert_eq!(fs::read_dir(cache.join(FOLDER)).unwrap().count(), 2);
        let none = Overlap::kept_in(None, &own, &other, 0..=1000);
        assert_eq!(none.unwrap().by_sound, [0, 1], "without a cache folder too");
        let few = folder.path().join("other");
        assert!(Overlap::kept_in(Some(&few), &own, &other, 1000..=2000).is_some());
        assert!(!few.exists(), "few bytes are not worth keeping");
    }
}
