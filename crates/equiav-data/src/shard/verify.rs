//! Reading shards to the last byte: headers, index, every sound, picture and JSON.

use std::fs::File;
use std::path::Path;

use rayon::prelude::*;

use crate::error::{DataError, MediaError};
use crate::media::picture::decode_picture;
use crate::media::sound::decode_sound;
use crate::shard::contents::{MemberKind, Place, ShardContents, takes_ffmpeg};
use crate::shard::index::{index_path, read_index};
use crate::shard::reader::{member_name, read_member};
use crate::shard::scan::Scan;
use crate::shard::writer::json_labels;

/// How many members that are passed over are named.
const LISTED: usize = 10;

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// Samples of the shard that was looked at.
    pub samples: usize,
    /// Members that were decoded.
    pub members: usize,
    /// What is wrong, a line each; empty of a sound shard.
    pub faults: Vec<String>,
}

/// Reads the shard at `path` and decodes all of it, on every processor.
///
/// Faults are: a damaged or hostile tar file, an index that says something else than the headers,
/// members that do not stand beside the others of their key or are passed over for the dots in their
/// names, bytes behind the end, samples without sound or picture, and members that cannot be decoded.
pub fn verify(path: &Path) -> Verified {
    let mut verified = Verified::default();
    let scan = match Scan::file(path) {
        Ok(scan) => scan,
        Err(error) => {
            verified.faults.push(error.to_string());
            return verified;
        }
    };
    let shown = path.display();
    if let Some(member) = &scan.out_of_order {
        verified.faults.push(format!(
            "{shown}: member `{member}` is out of order: it does not stand beside the others of its \
             key, and readers that stream will split the sample; sort the files before packing"
        ));
    }
    verified.faults.extend(passed_over(path, &scan));
    let contents = scan.contents;
    verified.faults.extend(check_index(path, &contents).err().map(|error| error.to_string()));
    verified.samples = contents.len();
    verified.members = (0..contents.len()).map(|sample| contents.members(sample).count()).sum();
    match File::open(path) {
        Ok(file) => {
            let check = |sample| check_sample(path, &file, &contents, sample);
            let bad: Vec<String> =
                (0..contents.len()).into_par_iter().flat_map_iter(check).collect();
            verified.faults.extend(bad);
        }
        Err(error) => verified.faults.push(DataError::io(path, error).to_string()),
    }
    verified
}

/// What of the file no sample is made of, though it looks as if it should be.
fn passed_over(path: &Path, scan: &Scan) -> Vec<String> {
    let shown = path.display();
    let mut faults: Vec<String> = scan
        .passed_over
        .iter()
        .take(LISTED)
        .map(|member| {
            format!(
                "{shown}: member `{member}` is passed over: its key ends at the first dot of its name, \
                 and the rest is no ending of a sound, a picture or JSON; replace the dots of keys"
            )
        })
        .collect();
    let more = scan.passed_over.len().saturating_sub(LISTED);
    if more > 0 {
        faults.push(format!("{shown}: {more} more members are passed over for their dots"));
    }
    faults.extend(scan.unread.map(|byte| {
        format!(
            "{shown}: from byte {byte} on, behind the end of the archive, there is something that is no \
             archive and is not read: cut it off, or pack anew what is missing"
        )
    }));
    faults
}

/// Holds the index, if there is one, to what the headers say.
fn check_index(path: &Path, contents: &ShardContents) -> Result<(), DataError> {
    let index = index_path(path);
    if !index.exists() {
        return Ok(());
    }
    let (bytes, indexed) = read_index(&index)?;
    let found = std::fs::metadata(path).map_err(|error| DataError::io(path, error))?.len();
    let same = bytes == found
        && indexed.len() == contents.len()
        && (0..contents.len()).all(|sample| {
            indexed.key(sample) == contents.key(sample)
                && indexed.labels(sample).eq(contents.labels(sample))
                && indexed.members(sample).eq(contents.members(sample))
        });
    match same {
        true => Ok(()),
        false => {
            let reason = "contradicts the headers of its tar file: move it away to do without";
            Err(DataError::shard(&index, reason))
        }
    }
}

/// What is wrong with one sample.
fn check_sample(path: &Path, file: &File, contents: &ShardContents, sample: usize) -> Vec<String> {
    let key = contents.key(sample);
    let mut faults = Vec::new();
    if contents.sound(sample).is_none() {
        faults.push(format!("{}: sample `{key}` has no sound", path.display()));
    }
    if contents.pictures(sample) == 0 {
        faults.push(format!("{}: sample `{key}` has no picture", path.display()));
    }
    let heard = contents.sound(sample).map(|(suffix, _)| suffix);
    for (suffix, kind, place) in contents.members(sample) {
        // A video beside the sound of its own that is used.
        if kind == MemberKind::Sound && takes_ffmpeg(suffix) && heard != Some(suffix) {
            continue;
        }
        let name = member_name(path, key, suffix);
        let checked = check_member(file, &name, kind, place);
        faults.extend(checked.err().map(|error| error.to_string()));
    }
    faults
}

fn check_member(
    file: &File,
    name: &Path,
    kind: MemberKind,
    place: Place,
) -> Result<(), MediaError> {
    let bytes = read_member(file, place, || name.to_owned())?;
    match kind {
        MemberKind::Sound => decode_sound(bytes, name).map(drop),
        MemberKind::Picture(_) => decode_picture(&bytes, name).map(drop),
        MemberKind::Json => {
            json_labels(&bytes).map(drop).map_err(|reason| MediaError::broken(name, reason))
        }
    }
}
