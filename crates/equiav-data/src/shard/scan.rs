//! What a tar file holds that nobody indexed: members of one key gathered into samples.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::DataError;
use crate::shard::contents::{Builder, MemberKind, Place, ShardContents};
use crate::shard::headers::{Entry, Headers, Read, Stop};
use crate::shard::key::split;
use crate::shard::writer::json_labels;

/// The longest JSON member that is looked into for labels, in bytes.
const LONGEST_JSON: u64 = 1 << 20;

/// What a scan finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// The samples, in the order of their first members.
    pub contents: ShardContents,
    /// The first member that does not stand beside the others of its key: read all the same, but
    /// not by programs that read shards in one go.
    pub out_of_order: Option<String>,
    /// Members that end like a sound, a picture or JSON and belong to no sample that has both sound and
    /// picture: a key ends at the first dot of a name, and what stands between the dots is no number of
    /// a frame.
    pub passed_over: Vec<String>,
    /// The first byte behind the end of the last archive that is of no other archive, if there is one:
    /// nothing from there on is read.
    pub unread: Option<u64>,
}

impl Scan {
    /// Reads the headers of the tar file in `bytes`; `name` is for errors.
    ///
    /// # Errors
    ///
    /// If it is no tar file, or truncated; if a member is a link or a device, has an absolute path,
    /// one with `..` or control characters, comes twice, or is larger than 4 GiB; if there are more
    /// than 524288 of them, or none. The error names the member.
    pub fn bytes(name: &Path, bytes: &[u8]) -> Result<Self, DataError> {
        let read = |buffer: &mut [u8], offset: u64| {
            let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
            let part = rest.and_then(|rest| rest.get(..buffer.len()));
            buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        };
        scan(&read, bytes.len() as u64).map_err(|stop| stop.of(name))
    }

    /// Reads the headers of the tar file at `path`.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes), and if the file cannot be read.
    pub fn file(path: &Path) -> Result<Self, DataError> {
        let io = |error| DataError::io(path, error);
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let read = |buffer: &mut [u8], offset| file.read_exact_at(buffer, offset);
        scan(&read, length).map_err(|stop| stop.of(path))
    }
}

/// One member of a sample.
struct Found {
    /// The number of its key, by first appearance.
    sample: usize,
    suffix: String,
    place: Place,
}

/// Members as they come, and the keys met so far.
#[derive(Default)]
struct Gathering {
    keys: Vec<String>,
    numbers: HashMap<String, usize>,
    found: Vec<Found>,
    out_of_order: Option<String>,
    /// Keys and paths of members whose names hold dots that no sample's have.
    dotted: Vec<(String, String)>,
}

fn scan(read: Read<'_>, bytes: u64) -> Result<Scan, Stop> {
    let mut headers = Headers::new(read, bytes)?;
    let mut gathering = Gathering::default();
    while let Some(entry) = headers.next()? {
        gathering.take(&entry);
    }
    gathering.finish(read, bytes, headers.unread())
}

impl Gathering {
    /// Notes a member that is of use.
    fn take(&mut self, entry: &Entry) {
        let Some((key, suffix)) = split(&entry.path) else { return };
        if MemberKind::of(suffix).is_none() {
            let ending = suffix.rsplit('.').next().unwrap_or_default();
            if MemberKind::of(ending).is_some() {
                self.dotted.push((key.to_owned(), entry.path.clone()));
            }
            return;
        }
        let known = self.numbers.get(key).copied();
        let sample = known.unwrap_or_else(|| {
            self.keys.push(key.to_owned());
            self.numbers.insert(key.to_owned(), self.keys.len() - 1);
            self.keys.len() - 1
        });
        let last = self.found.last().map(|last| last.sample);
        if known.is_some() && last != known {
            self.out_of_order.get_or_insert_with(|| entry.path.clone());
        }
        self.found.push(Found { sample, suffix: suffix.to_owned(), place: entry.place });
    }

    /// Puts the members of each key side by side.
    fn finish(mut self, read: Read<'_>, bytes: u64, unread: Option<u64>) -> Result<Scan, Stop> {
        if self.keys.is_empty() {
            return Err(match self.dotted.first() {
                Some((key, path)) => format!(
                    "holds no sample: the key of member `{path}` is `{key}`, up to the first dot, and the \
                     rest is no ending of a sound, a picture or JSON; replace the dots of keys"
                ),
                None => "holds no sample: no member is a sound, a picture or JSON".to_owned(),
            }
            .into());
        }
        self.found.sort_by_key(|member| member.sample);
        let mut builder = Builder::new(bytes);
        for members in self.found.chunk_by(|one, next| one.sample == next.sample) {
            let key = &self.keys[members[0].sample];
            let mut labels = Vec::new();
            for Found { suffix, place, .. } in members {
                let wrong = |reason| format!("member `{key}.{suffix}` {reason}");
                builder.member(suffix, *place).map_err(wrong)?;
                if suffix == "json" && place.length <= LONGEST_JSON {
                    let mut text = vec![0; place.length as usize];
                    read(&mut text, place.offset)?;
                    // What others write there need not be ours; `verify` tells of it.
                    labels = json_labels(&text).unwrap_or_default();
                }
            }
            builder.sample(key, labels.iter().map(String::as_str))?;
        }
        let contents = builder.finish();
        let Self { numbers, out_of_order, dotted, .. } = self;
        let complete = |key: &str| numbers.get(key).is_some_and(|own| contents.complete(*own));
        let lost = dotted.into_iter().filter(|(key, _)| !complete(key));
        let passed_over = lost.map(|(_, path)| path).collect();
        Ok(Scan { contents, out_of_order, passed_over, unread })
    }
}
