//! Shards opened for reading: samples by position, members by positioned reads.
//!
//! Members are read with `pread`, not through a memory map: a map dies by a signal when the file
//! shrinks or its disk fails, where a read returns an error that names the member; and it is unsafe.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rayon::prelude::*;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::error::{DataError, MediaError};
use crate::profiler::{self, Stage};
use crate::shard::contents::{Place, ShardContents};
use crate::shard::index::{index_path, length_differs, read_index};
use crate::shard::pattern::expand;
use crate::shard::scan::Scan;
use crate::shard::source::ShardSource;

/// The longest member that is read into memory, in bytes.
const LONGEST_MEMBER: u64 = 1 << 29;
/// The most files that stay open; a reader of a thousand shards must not run out of descriptors.
const OPEN_FILES: u64 = 64;
/// How often a file is tried to be opened when too many are, and how long one waits in between.
const TRIES: u32 = 100;
const MOMENT: Duration = Duration::from_millis(5);
/// The share of the files that this process may open which stay open.
const SHARE: u64 = 4;

/// The samples of opened shards, numbered through; a clone shares everything.
#[derive(Clone, Debug)]
pub struct Shards(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    shards: Vec<Shard>,
    /// The number of each shard's first sample, and of all samples at the end.
    starts: Vec<usize>,
    /// The shards of each source, and its weight.
    sources: Vec<(Range<usize>, f64)>,
    files: Vec<OpenFile>,
}

/// A place for one open file, and the number of its shard.
type OpenFile = Mutex<Option<(usize, Arc<File>)>>;

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    contents: ShardContents,
}

impl Shards {
    /// Opens the shards of `sources`, in their order: reads the index of each, or scans its headers
    /// where there is none.
    ///
    /// # Errors
    ///
    /// If a pattern is none, a shard is missing, named twice, damaged or contradicts its index, no
    /// sample has both a sound and a picture, or a weight is not above 0.
    pub fn open(sources: &[ShardSource]) -> Result<Self, DataError> {
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut ranges = Vec::with_capacity(sources.len());
        for source in sources {
            let ShardSource { shards, weight } = source;
            if !(weight.is_finite() && *weight > 0.0) {
                let reason = format!("weight {weight} is not above 0");
                return Err(DataError::shard(Path::new(shards), reason));
            }
            let start = paths.len();
            paths.extend(expand(shards)?);
            ranges.push((start..paths.len(), *weight));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = paths.iter().find(|path| !seen.insert(path.as_path())) {
            return Err(DataError::shard(twice, "is named twice; each clip belongs in once"));
        }
        let opened: Vec<_> = paths.into_par_iter().map(open_shard).collect();
        // The first in their order, whichever thread was faster.
        let shards = opened.into_iter().collect::<Result<Vec<Shard>, _>>()?;
        Self::of(shards, ranges)
    }

    fn of(shards: Vec<Shard>, sources: Vec<(Range<usize>, f64)>) -> Result<Self, DataError> {
        let mut starts = vec![0];
        for shard in &shards {
            starts.push(starts[starts.len() - 1] + shard.contents.len());
        }
        let complete =
            |shard: &Shard| (0..shard.contents.len()).any(|sample| shard.contents.complete(sample));
        match shards.first() {
            None => return Err(DataError::Empty),
            Some(first) if !shards.iter().any(complete) => {
                let reason = "no sample has both a sound (flac, wav, mp3, ogg) and a picture \
                              (jpg, png, webp; 0.jpg for frame 0) under one key";
                return Err(DataError::shard(&first.path, reason));
            }
            Some(_) => {}
        }
        let files = (0..open_files()).map(|_| Mutex::new(None)).collect();
        Ok(Self(Arc::new(Opened { shards, starts, sources, files })))
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.0.starts[self.0.shards.len()]
    }

    /// Whether there is no sample; never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The files, in their order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.shards.iter().map(|shard| shard.path.as_path())
    }

    /// How many samples each shard of each source has, with the source's weight.
    pub fn portions(&self) -> Vec<crate::Portion> {
        let portion = |(shards, weight): &(Range<usize>, f64)| crate::Portion {
            shards: self.0.shards[shards.clone()]
                .iter()
                .map(|shard| shard.contents.len())
                .collect(),
            weight: *weight,
        };
        self.0.sources.iter().map(portion).collect()
    }

    /// The shard that `sample` lies in, its contents, and the sample's number there.
    ///
    /// # Panics
    ///
    /// If there is no such sample.
    pub fn find(&self, sample: usize) -> (&Path, &ShardContents, usize) {
        let (shard, own) = self.locate(sample);
        let Shard { path, contents } = &self.0.shards[shard];
        (path, contents, own)
    }

    /// The content of the member with `suffix` at `place` of `sample`.
    pub(crate) fn read(
        &self,
        sample: usize,
        suffix: &str,
        place: Place,
    ) -> Result<Vec<u8>, MediaError> {
        let (shard, _) = self.locate(sample);
        let name = || self.member_name(sample, suffix);
        let file = self.file(shard).map_err(|error| MediaError::io(&name(), &error))?;
        read_member(&file, place, name)
    }

    /// What errors call a member: `SHARD.tar: KEY.SUFFIX`.
    pub(crate) fn member_name(&self, sample: usize, suffix: &str) -> PathBuf {
        let (path, contents, own) = self.find(sample);
        member_name(path, contents.key(own), suffix)
    }

    fn locate(&self, sample: usize) -> (usize, usize) {
        let starts = &self.0.starts;
        let shard = starts.partition_point(|start| *start <= sample) - 1;
        assert!(shard < self.0.shards.len(), "Shards: there is no sample {sample}");
        (shard, sample - starts[shard])
    }

    /// The file of `shard`, opened or still open.
    fn file(&self, shard: usize) -> io::Result<Arc<File>> {
        let files = &self.0.files;
        let mut slot = lock(&files[shard % files.len()]);
        match &*slot {
            Some((number, file)) if *number == shard => Ok(Arc::clone(file)),
            _ => {
                *slot = None;
                let path = &self.0.shards[shard].path;
                let file = Arc::new(open(path, files)?);
                *slot = Some((shard, Arc::clone(&file)));
                Ok(file)
            }
        }
    }
}

/// Opens the shard at `path`. Others of this program need files too: where there are none left, those go
/// that nobody reads now, and one waits a moment for those that somebody does.
fn open(path: &Path, files: &[OpenFile]) -> io::Result<File> {
    let mut tries = 0;
    loop {
        let opened = File::open(path);
        let errno = opened.as_ref().err().and_then(Errno::from_io_error);
        if tries == TRIES || !matches!(errno, Some(Errno::MFILE | Errno::NFILE)) {
            return opened;
        }
        files.iter().filter_map(|slot| slot.try_lock().ok()).for_each(|mut slot| *slot = None);
        if tries > 0 {
            thread::sleep(MOMENT);
        }
        tries += 1;
    }
}

/// How many files may stay open, by the limit of this process.
fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (limit / SHARE).clamp(1, OPEN_FILES)
}

fn lock(slot: &OpenFile) -> MutexGuard<'_, Option<(usize, Arc<File>)>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The content at `place` of the shard `file`; `name` is what errors call the member.
pub(crate) fn read_member(
    file: &File,
    place: Place,
    name: impl Fn() -> PathBuf,
) -> Result<Vec<u8>, MediaError> {
    match place.length {
        0 => return Err(MediaError::broken(&name(), "empty member")),
        1..=LONGEST_MEMBER => {}
        _ => return Err(MediaError::broken(&name(), "is larger than 512 MiB")),
    }
    let mut bytes = vec![0; place.length as usize];
    let _span = profiler::span(Stage::Read);
    let read = file.read_exact_at(&mut bytes, place.offset);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => MediaError::broken(&name(), "the shard was cut off"),
        _ => MediaError::io(&name(), &error),
    })?;
    Ok(bytes)
}

/// `SHARD.tar: KEY.SUFFIX`.
pub(crate) fn member_name(shard: &Path, key: &str, suffix: &str) -> PathBuf {
    let mut name = shard.as_os_str().to_owned();
    name.push(format!(": {key}.{suffix}"));
    name.into()
}

/// What the shard at `path` holds, by its index or by its headers.
fn open_shard(path: PathBuf) -> Result<Shard, DataError> {
    let metadata = std::fs::metadata(&path).map_err(|error| DataError::io(&path, error))?;
    if !metadata.is_file() {
        return Err(DataError::shard(&path, "is no file"));
    }
    let index = index_path(&path);
    let contents = if index.exists() {
        let (bytes, contents) = read_index(&index)?;
        if bytes != metadata.len() {
            return Err(length_differs(&path, bytes, metadata.len()));
        }
        contents
    } else {
        Scan::file(&path)?.contents
    };
    Ok(Shard { path, contents })
}
