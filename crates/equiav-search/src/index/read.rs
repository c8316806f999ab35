//! An index read as a whole, held to its checksums and numbers; changes nothing but what a killed process
//! left.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{bail, ensure};
use redb::{
    DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
};

use super::guarded::{guarded, plainly};
use super::record::{Content, open_file, open_rows, open_text};
use super::{
    ABOUT, CONTENTS, FILES, FORMAT, Header, IndexContents, RECORD, builder, ensure_file, writable,
};

impl IndexContents {
    /// Reads the index at `path`, all of it.
    ///
    /// # Errors
    ///
    /// If it is not there, is no index, is damaged, or another process is changing it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        ensure_file(path)?;
        guarded(path, || {
            let database = match builder().open_read_only(path) {
                // The process that changed it was killed: its last transaction is made the current one.
                Err(DatabaseError::RepairAborted) => {
                    drop(writable(path)?);
                    builder().open_read_only(path)
                }
                other => other,
            };
            read_all(&database.map_err(plainly)?.begin_read()?)
        })
    }
}

/// Everything, held to its checksums and numbers.
pub(super) fn read_all(transaction: &ReadTransaction) -> anyhow::Result<IndexContents> {
    let about = transaction.open_table(ABOUT)?;
    let Some(text) = about.get(RECORD)? else { bail!("it does not say what it holds") };
    let header: Header = serde_json::from_str(open_text(text.value())?)?;
    let format = &header.format;
    ensure!(format == FORMAT, "it is of the format `{format}`, expected `{FORMAT}`");
    let (contents, files) = (transaction.open_table(CONTENTS)?, transaction.open_table(FILES)?);
    let counts = [contents.len()?, files.len()?];
    ensure!(counts == [header.contents, header.files], "it lacks records");
    let mut all =
        IndexContents { about: header.about, rows: BTreeMap::new(), files: BTreeMap::new() };
    for record in contents.iter()? {
        let (key, value) = record?;
        let content = Content::of_key(key.value())?;
        let rows = open_rows(key.value(), value.value(), all.about.model.width)?;
        all.rows.insert(content, rows);
    }
    for record in files.iter()? {
        let (path, value) = record?;
        let content = open_file(path.value(), value.value())?;
        ensure!(all.rows.contains_key(&content), "a file's rows are missing");
        all.files.insert(path.value().to_owned(), content);
    }
    let found = [all.rows.len() as u64, all.files.len() as u64];
    ensure!(found == counts, "it holds records twice");
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::{About, create};
    use super::*;
    use crate::embed::{Cutting, Medium};
    use crate::index::record::seal_rows;
    use equiav_train::Fingerprint;

    #[test]
    fn records_that_its_count_does_not_know_are_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("index");
        let model = Fingerprint { digest: "0".repeat(16), name: "none".to_owned(), width: 4 };
        let about = About { model, cutting: Cutting { window: 10, stride: 10 } };
        create(&path, &about).expect("an index");
        assert_eq!(IndexContents::read(&path).expect("an empty index").about, about);
        let database = writable(&path).expect("a database");
        let transaction = database.begin_write().expect("a transaction");
        let key = Content { medium: Medium::Sound, digest: [0; 32] }.key();
        let mut contents = transaction.open_table(CONTENTS).expect("a table");
        contents.insert(&key[..], &seal_rows(&key, &[])[..]).expect("a record");
        drop(contents);
        transaction.commit().expect("a commit");
        database.close().expect("a database");
        let error = IndexContents::read(&path).expect_err("one too many").to_string();
        assert!(error.contains("is damaged or no index: it lacks records"), "{error}");
    }
}
