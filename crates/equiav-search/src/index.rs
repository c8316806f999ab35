//! A vector index on disk: embeddings of files by the content of the files, in one transactional file.
//!
//! ```text
//! about      what the vectors are of, and how many records there are
//! contents   kind and SHA-256 of a file's bytes -> its rows, with a checksum
//! files      canonical path -> kind and SHA-256, with a checksum
//! ```
//!
//! Rows hang on contents, not on paths, so copies of a file are embedded and found once. The file is
//! redb's: a transaction is in it as a whole or not at all, whatever happens to the process. Its pages
//! have checksums, which are looked at when the index is opened to be changed; reading trusts nothing
//! but the checksums of the records and their number.

mod build;
mod guarded;
mod read;
mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use equiav_data::atomic_file;
use redb::{Builder, Database, ReadableDatabase, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::embed::{Cutting, Row};
use equiav_train::Fingerprint;

pub use build::{Indexed, index_files};
pub use guarded::is_guarded;
pub use record::Content;

use guarded::{guarded, plainly};
use read::read_all;
use record::{seal_file, seal_rows, seal_text};

/// What the file calls itself, raised when an older program could not read it.
const FORMAT: &str = "equiav index 1";
/// Memory for pages of the file, in bytes: every page is read once.
const CACHE: usize = 64 << 20;

const ABOUT: TableDefinition<'_, &str, &str> = TableDefinition::new("about");
const CONTENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("contents");
const FILES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("files");
const RECORD: &str = "about";

/// What the vectors of an index are of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The model.
    pub model: Fingerprint,
    /// How long files are cut.
    pub cutting: Cutting,
}

/// The one record of the table `about`; what else it holds, as of older programs, is passed over.
#[derive(Debug, Deserialize, Serialize)]
struct Header {
    format: String,
    about: About,
    contents: u64,
    files: u64,
}

/// All that an index holds.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexContents {
    /// What the vectors are of.
    pub about: About,
    /// The rows of every content.
    pub rows: BTreeMap<Content, Vec<Row>>,
    /// The files of every content, by the [`path_text`](crate::path_text) of their canonical paths.
    pub files: BTreeMap<String, Content>,
}

/// An index that is open to be changed; nobody else can open it meanwhile.
pub(crate) struct Index {
    database: Database,
    about: About,
    path: PathBuf,
    /// The content of every file.
    files: BTreeMap<String, Content>,
    /// How many files each content has.
    uses: BTreeMap<Content, usize>,
}

/// What one transaction adds.
#[derive(Debug, Default)]
pub(crate) struct Addition {
    /// New contents with their rows.
    pub(crate) rows: Vec<(Content, Vec<Row>)>,
    /// Files, whose contents are new or known.
    pub(crate) files: Vec<(String, Content)>,
}

impl Index {
    /// Opens the index at `path`, made if it is not there, for vectors of `about`.
    ///
    /// # Errors
    ///
    /// If it holds vectors of another model or of windows of another stride, is no index, is damaged,
    /// or is open elsewhere.
    pub(crate) fn open(path: &Path, about: &About) -> anyhow::Result<Self> {
        if !path.exists() {
            create(path, about)?;
        }
        ensure_file(path)?;
        let (database, contents) = guarded(path, || {
            let database = writable(path)?;
            let contents = read_all(&database.begin_read()?)?;
            Ok((database, contents))
        })?;
        let found = &contents.about;
        ensure_same_model(&found.model, &about.model, path)?;
        ensure!(
            found.cutting == about.cutting,
            "{} holds windows that begin every {} s, not every {} s: use --stride {0}, or another \
             --out",
            path.display(),
            found.cutting.stride as f64 / 100.0,
            about.cutting.stride as f64 / 100.0
        );
        let mut uses: BTreeMap<Content, usize> =
            contents.rows.keys().map(|content| (*content, 0)).collect();
        for content in contents.files.values() {
            *uses.entry(*content).or_default() += 1;
        }
        let (about, files) = (contents.about, contents.files);
        Ok(Self { database, about, path: path.to_owned(), files, uses })
    }

    /// The content of the file at `path`, as it was when it was added.
    pub(crate) fn file(&self, path: &str) -> Option<Content> {
        self.files.get(path).copied()
    }

    /// Whether the rows of `content` are there.
    pub(crate) fn has(&self, content: Content) -> bool {
        self.uses.contains_key(&content)
    }

    /// Adds all of `addition` in one transaction; contents that no file has any more go.
    ///
    /// # Errors
    ///
    /// If the disk fails; nothing of it is in the index then.
    pub(crate) fn add(&mut self, addition: &Addition) -> anyhow::Result<()> {
        let (mut files, mut uses) = (self.files.clone(), self.uses.clone());
        for (content, _) in &addition.rows {
            uses.entry(*content).or_default();
        }
        for (path, content) in &addition.files {
            *uses.entry(*content).or_default() += 1;
            if let Some(before) = files.insert(path.clone(), *content) {
                *uses.entry(before).or_default() -= 1;
            }
        }
        let gone: Vec<Content> =
            uses.iter().filter(|(_, count)| **count == 0).map(|(content, _)| *content).collect();
        uses.retain(|_, count| *count > 0);
        let path = self.path.clone();
        guarded(&path, || {
            let transaction = self.database.begin_write()?;
            put(&transaction, addition, &gone)?;
            advance(&transaction, &self.about, [uses.len() as u64, files.len() as u64])?;
            transaction.commit()?;
            Ok(())
        })?;
        (self.files, self.uses) = (files, uses);
        Ok(())
    }

    /// Closes it. A database that was closed has both copies of its roots at the same content, so that
    /// damage to the place that tells which one holds loses nothing.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        let Self { database, path, .. } = self;
        guarded(&path, || Ok(database.close()?))
    }
}

/// Refuses to compare embeddings of different models.
///
/// # Errors
///
/// If they are; names both.
pub(crate) fn ensure_same_model(
    found: &Fingerprint,
    asked: &Fingerprint,
    path: &Path,
) -> anyhow::Result<()> {
    ensure!(
        found.is(asked),
        "{} holds embeddings of model {found}, not of {asked}: give that model, or another index",
        path.display()
    );
    Ok(())
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

/// The database at `path`, checked page by page; what a killed process left is put right.
fn writable(path: &Path) -> anyhow::Result<Database> {
    builder().set_check_integrity_on_open(true).open(path).map_err(plainly)
}

fn ensure_file(path: &Path) -> anyhow::Result<()> {
    let found = path.metadata().with_context(|| format!("index {}", path.display()))?;
    ensure!(found.is_file(), "index {}: is no file", path.display());
    Ok(())
}

/// Makes an empty index, which is there as a whole or not at all.
fn create(path: &Path, about: &About) -> anyhow::Result<()> {
    let make = |partial: &Path| {
        let database = builder().create(partial)?;
        let transaction = database.begin_write()?;
        put(&transaction, &Addition::default(), &[])?;
        advance(&transaction, about, [0, 0])?;
        transaction.commit()?;
        database.close()?;
        anyhow::Ok(())
    };
    atomic_file(path, make).with_context(|| format!("making the index {}", path.display()))
}

/// Writes the records of `addition`, and takes the `gone` ones out.
fn put(
    transaction: &WriteTransaction,
    addition: &Addition,
    gone: &[Content],
) -> anyhow::Result<()> {
    let mut contents = transaction.open_table(CONTENTS)?;
    for (content, rows) in &addition.rows {
        let key = content.key();
        contents.insert(&key[..], &seal_rows(&key, rows)[..])?;
    }
    for content in gone {
        contents.remove(&content.key()[..])?;
    }
    let mut files = transaction.open_table(FILES)?;
    for (path, content) in &addition.files {
        files.insert(path.as_str(), &seal_file(path, *content)[..])?;
    }
    Ok(())
}

/// Writes what the tables hold from now on.
fn advance(
    transaction: &WriteTransaction,
    about: &About,
    [contents, files]: [u64; 2],
) -> anyhow::Result<()> {
    let mut table = transaction.open_table(ABOUT)?;
    let header = Header { format: FORMAT.to_owned(), about: about.clone(), contents, files };
    table.insert(RECORD, seal_text(&serde_json::to_string(&header)?).as_str())?;
    Ok(())
}
