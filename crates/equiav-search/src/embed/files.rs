//! Which files are meant: by name, by folder, by manifest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use equiav_data::Manifest;
use equiav_ingest::{SourceKind, find_sources};
use serde::{Deserialize, Serialize};

/// Sounds that are decoded in this process; others, and videos, by FFmpeg in another one.
const OWN_SOUNDS: [&str; 4] = ["wav", "flac", "mp3", "ogg"];

/// What a file is, going by its ending, and so who decodes it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// A wav, flac, mp3 or ogg vorbis.
    Sound,
    /// A jpg, png or webp.
    Picture,
    /// A video, or a sound of another format: whatever FFmpeg finds in it.
    Recording,
}

impl Medium {
    /// What the file at `path` is; `None` for none of these.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match SourceKind::of(path) {
            SourceKind::Picture => Some(Self::Picture),
            SourceKind::Sound if OWN_SOUNDS.contains(&ending.as_str()) => Some(Self::Sound),
            SourceKind::Sound | SourceKind::Video => Some(Self::Recording),
            _ => None,
        }
    }
}

/// A file to embed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediumFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is; `None` where its ending is of no medium.
    pub medium: Option<Medium>,
}

impl MediumFile {
    /// The file at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { medium: Medium::of(&path), path }
    }
}

/// Files in the order in which they were named, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaFiles {
    /// The files.
    pub files: Vec<MediumFile>,
    /// How many files of folders have an ending of no medium and are passed over.
    pub passed_over: usize,
}

impl MediaFiles {
    /// The files among `paths`, and all below the folders among them, sorted; then those of the
    /// manifests `lists`: the sound and the middle frame of every clip.
    ///
    /// # Errors
    ///
    /// If a folder or a manifest cannot be read, or there is no file.
    pub fn find(paths: &[PathBuf], lists: &[PathBuf]) -> anyhow::Result<Self> {
        let (mut found, mut passed_over) = (Vec::new(), 0);
        for path in paths {
            if path.is_dir() {
                passed_over += add_folder(path, &mut found)?;
            } else {
                found.push(path.clone());
            }
        }
        for list in lists {
            add_manifest(&Manifest::read(list)?, &mut found);
        }
        ensure!(!found.is_empty(), "there is no sound, picture or video");
        let mut known = BTreeSet::new();
        found.retain(|path| known.insert(path.clone()));
        Ok(Self { files: found.into_iter().map(MediumFile::new).collect(), passed_over })
    }
}

/// Adds the media below `folder`; gives how many other files there are.
fn add_folder(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<usize> {
    let mut passed_over = 0;
    let mut below = Vec::new();
    for source in find_sources(folder)? {
        match source.kind {
            SourceKind::Video | SourceKind::Picture | SourceKind::Sound => below.push(source.path),
            SourceKind::Pair { sound, .. } => below.extend([source.path, sound]),
            SourceKind::Irregular(_) if Medium::of(&source.path).is_some() => {
                below.push(source.path)
            }
            SourceKind::Irregular(_) | SourceKind::Other => passed_over += 1,
        }
    }
    below.sort();
    found.extend(below);
    Ok(passed_over)
}

/// Adds the sound and the picture that stand for each clip in evaluation.
fn add_manifest(manifest: &Manifest, found: &mut Vec<PathBuf>) {
    for clip in &manifest.clips {
        found.push(clip.sound.clone());
        found.push(picture(clip));
    }
}

/// The picture that stands for `clip` in evaluation.
pub(crate) fn picture(clip: &equiav_data::Clip) -> PathBuf {
    clip.frame_file(clip.middle_frame())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_known_by_their_endings() {
        let medium = |name: &str| Medium::of(Path::new(name));
        assert_eq!(medium("a/b.WAV"), Some(Medium::Sound));
        assert_eq!(medium("a.m4a"), Some(Medium::Recording));
        assert_eq!(medium("a.mkv"), Some(Medium::Recording));
        assert_eq!(medium("a.jpeg"), Some(Medium::Picture));
        assert_eq!((medium("a.txt"), medium("wav")), (None, None));
    }

    #[test]
    fn folders_are_sorted_and_nothing_is_named_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.wav", "b.jpg", "a/z.mp4", "c.txt", "a.png"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, name).expect("a file");
        }
        let single = folder.path().join("a.png");
        let paths = [single.clone(), folder.path().to_owned(), folder.path().join("x.txt")];
        let found = MediaFiles::find(&paths, &[]).expect("files");
        let names: Vec<_> = found
            .files
            .iter()
            .map(|file| file.path.strip_prefix(folder.path()).expect("below").to_owned())
            .collect();
        let expected = ["a.png", "a/z.mp4", "b.jpg", "b.wav", "x.txt"];
        assert_eq!(names, expected.map(PathBuf::from));
        assert_eq!(found.passed_over, 1);
        assert_eq!(found.files[4].medium, None);
        // Of a clip whose middle frame is not there, the next earlier one, as the loader reads it.
        let list = folder.path().join("list.json");
        let clip = r#"{"video_id": "c", "wav": "b.wav", "video_path": "frames", "frames": 9}"#;
        std::fs::write(&list, format!("[{clip}]")).expect("a list");
        let frame = folder.path().join("frames/frame_2/c.jpg");
        std::fs::create_dir_all(frame.parent().expect("a folder")).expect("a folder");
        std::fs::write(&frame, "a picture").expect("a file");
        let found = MediaFiles::find(&[], &[list]).expect("files").files;
        assert_eq!(found[1].path, frame);
        let empty = tempfile::tempdir().expect("a folder");
        assert!(MediaFiles::find(&[empty.path().to_owned()], &[]).is_err());
    }
}
