//! What lies in a folder: videos, picture-sound pairs, and what is neither; opens no file.

pub(crate) mod key;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use equiav_data::is_fault_of_machine;

use crate::IngestError;

/// Endings of videos, in lower case.
const VIDEOS: [&str; 29] = [
    "mp4", "mkv", "webm", "mov", "avi", "ogv", "mpg", "m4v", "mpeg", "ts", "mts", "m2ts", "m2t",
    "3gp", "3g2", "wmv", "asf", "flv", "f4v", "vob", "mxf", "dv", "qt", "ogm", "rm", "rmvb", "m2v",
    "mpe", "nut",
];
/// Endings of pictures.
const PICTURES: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// Endings of sounds.
const SOUNDS: [&str; 24] = [
    "wav", "flac", "mp3", "ogg", "m4a", "opus", "aac", "aif", "aiff", "aifc", "oga", "wma", "amr",
    "caf", "mka", "m4b", "ac3", "w64", "rf64", "au", "mp2", "wv", "ape", "spx",
];

/// One file of the folder; the sound of a pair belongs to its picture's.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceFile {
    /// Its path relative to the folder, as one line of text; unlike that of any other.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its path relative to the folder.
    pub(crate) relative: PathBuf,
    /// Its size, the sound of a pair included.
    pub bytes: u64,
    /// What it is, going by its ending; what FFmpeg finds in it counts.
    pub kind: SourceKind,
}

/// What a file is, going by its ending.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    /// A video.
    Video,
    /// A picture with a sound of the same stem beside it.
    Pair {
        /// Where the sound is.
        sound: PathBuf,
        /// The sound's relative path as text.
        name: String,
    },
    /// A picture without a sound.
    Picture,
    /// A sound without a picture.
    Sound,
    /// Anything else: FFmpeg is asked.
    Other,
    /// No regular file, or a file or folder that the system does not show: why.
    Irregular(String),
}

impl SourceKind {
    /// What a file of that name is, going by its ending; a pair is made of two files, so none is one.
    pub fn of(path: &Path) -> Self {
        kind(path)
    }
}

/// Lists every file below `folder`, sorted by its relative path.
///
/// Links to files are followed, links to folders are not. Of several pictures (or sounds) with one
/// stem the first in order is paired. A folder below it that cannot be listed is named as a file would
/// be, and the rest goes on.
///
/// # Errors
///
/// If `folder` cannot be listed, or for a fault of the machine: a disk that fails, too many open files.
pub fn find_sources(folder: &Path) -> Result<Vec<SourceFile>, IngestError> {
    let root = std::path::absolute(folder).map_err(|error| IngestError::io(folder, error))?;
    let mut found = Vec::new();
    list(&root, &mut found).map_err(|(path, error)| IngestError::io(&path, error))?;
    if let [(path, Some(error))] = &mut found[..]
        && *path == root
    {
        let error = std::mem::replace(error, io::ErrorKind::Other.into());
        return Err(IngestError::io(&root, error));
    }
    let source = |(path, unlisted): (PathBuf, Option<io::Error>)| {
        let relative = path.strip_prefix(&root).unwrap_or(&path).to_owned();
        let (kind, bytes) = match (unlisted, fs::metadata(&path)) {
            (Some(error), _) => (SourceKind::Irregular(format!("cannot be listed: {error}")), 0),
            (None, Ok(found)) if found.is_file() => (kind(&relative), found.len()),
            (None, Ok(_)) => (SourceKind::Irregular("is no regular file".to_owned()), 0),
            (None, Err(error)) if is_fault_of_machine(&error) => {
                return Err(IngestError::io(&path, error));
            }
            (None, Err(error)) => (SourceKind::Irregular(error.to_string()), 0),
        };
        Ok(SourceFile { name: key::shown(&relative), path, relative, bytes, kind })
    };
    let mut sources = found.into_iter().map(source).collect::<Result<Vec<_>, _>>()?;
    sources.sort_by(|a, b| a.relative.cmp(&b.relative));
    Ok(paired(sources))
}

/// A file, or a folder with why it cannot be listed.
type Found = (PathBuf, Option<io::Error>);

/// Adds every file below `folder` to `found`, and every folder that cannot be listed.
fn list(folder: &Path, found: &mut Vec<Found>) -> Result<(), (PathBuf, io::Error)> {
    let start = found.len();
    let listed = entries(folder, found);
    match listed {
        Err(Stop::Machine(path, error)) => Err((path, error)),
        Err(Stop::Here(error)) if is_fault_of_machine(&error) => Err((folder.to_owned(), error)),
        // What was seen of it before it broke off is not all of it.
        Err(Stop::Here(error)) => {
            found.truncate(start);
            found.push((folder.to_owned(), Some(error)));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Why a folder is listed no further.
enum Stop {
    Here(io::Error),
    Machine(PathBuf, io::Error),
}

fn entries(folder: &Path, found: &mut Vec<Found>) -> Result<(), Stop> {
    for entry in fs::read_dir(folder).map_err(Stop::Here)? {
        let entry = entry.map_err(Stop::Here)?;
        match entry.file_type().map_err(Stop::Here)?.is_dir() {
            true => {
                list(&entry.path(), found).map_err(|(path, error)| Stop::Machine(path, error))?
            }
            false => found.push((entry.path(), None)),
        }
    }
    Ok(())
}

/// Whether macOS has put the file there for what other systems have no place for.
pub(crate) fn is_resource_fork(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"._"))
}

fn kind(path: &Path) -> SourceKind {
    if is_resource_fork(path) {
        return SourceKind::Other;
    }
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let is = |endings: &[&str]| endings.contains(&ending.as_str());
    match () {
        () if is(&VIDEOS) => SourceKind::Video,
        () if is(&PICTURES) => SourceKind::Picture,
        () if is(&SOUNDS) => SourceKind::Sound,
        () => SourceKind::Other,
    }
}

/// Joins each first picture of a stem with the first sound of that stem.
fn paired(sources: Vec<SourceFile>) -> Vec<SourceFile> {
    let mut sounds = BTreeMap::new();
    for (position, source) in
        sources.iter().enumerate().filter(|(_, s)| s.kind == SourceKind::Sound)
    {
        sounds.entry(source.relative.with_extension("")).or_insert(position);
    }
    let mut joined = sources.clone();
    let mut taken = Vec::new();
    for source in joined.iter_mut().filter(|source| source.kind == SourceKind::Picture) {
        if let Some(position) = sounds.remove(&source.relative.with_extension("")) {
            let sound = &sources[position];
            source.bytes += sound.bytes;
            source.kind = SourceKind::Pair { sound: sound.path.clone(), name: sound.name.clone() };
            taken.push(position);
        }
    }
    taken.sort_unstable();
    let alone = |position: &usize| taken.binary_search(position).is_err();
    let joined = joined.into_iter().enumerate().filter(|(position, _)| alone(position));
    joined.map(|(_, source)| source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sorted_and_pairs_joined() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["b.MP4", "a/x.wav", "a/x.jpg", "a/x.png", "lone.ogg", "z.txt", "c.webp"];
        for name in files.into_iter().chain(["._b.MP4", "a/._x.jpg", "a/._x.wav"]) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let sources = find_sources(folder.path()).unwrap();
        let list: Vec<_> = sources.iter().map(|s| (s.name.as_str(), &s.kind)).collect();
        let sound = std::path::absolute(folder.path().join("a/x.wav")).unwrap();
        let pair = SourceKind::Pair { sound, name: "a/x.wav".to_owned() };
        assert_eq!(
            list,
            [
                ("._b.MP4", &SourceKind::Other),
                ("a/._x.jpg", &SourceKind::Other),
                ("a/._x.wav", &SourceKind::Other),
                ("a/x.jpg", &pair),
                ("a/x.png", &SourceKind::Picture),
                ("b.MP4", &SourceKind::Video),
                ("c.webp", &SourceKind::Picture),
                ("lone.ogg", &SourceKind::Sound),
                ("z.txt", &SourceKind::Other),
            ]
        );
        assert_eq!(sources[3].bytes, 14);
    }

    #[test]
    fn what_is_no_regular_file_is_named_and_loops_end() {
        let folder = tempfile::tempdir().unwrap();
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
        };
        link("nowhere", "gone.mp4");
        link(".", "loop");
        let sources = find_sources(folder.path()).unwrap();
        assert_eq!(sources.len(), 2);
        assert!(sources.iter().all(|source| matches!(source.kind, SourceKind::Irregular(_))));
        assert!(find_sources(&folder.path().join("nope")).is_err());
    }

    #[test]
    fn what_macos_leaves_is_no_medium() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["x.mp4", "._x.mp4", "._x.jpg", "._x.wav", "d/._y.mov"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let sources = find_sources(folder.path()).unwrap();
        let media = sources.iter().filter(|source| source.kind != SourceKind::Other);
        assert_eq!(media.map(|source| source.name.as_str()).collect::<Vec<_>>(), ["x.mp4"]);
    }

    #[test]
    fn a_folder_that_cannot_be_listed_is_named_and_the_rest_goes_on() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [open, shut] = ["a", "shut"].map(|name| folder.path().join(name));
        for path in [&open, &shut] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("x.mp4"), "x").unwrap();
        }
        fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
        let may_all_the_same = fs::read_dir(&shut).is_ok();
        let sources = find_sources(folder.path()).unwrap();
        fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
        if may_all_the_same {
            let test = "a_folder_that_cannot_be_listed_is_named_and_the_rest_goes_on";
            return crate::skipped::skipped(test, "this user may list every folder");
        }
        let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names, ["a/x.mp4", "shut"]);
        assert!(matches!(&sources[1].kind, SourceKind::Irregular(why) if why.contains("denied")));
    }
}
