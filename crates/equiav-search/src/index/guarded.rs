//! Work on a file that may be damaged anywhere: whatever comes of that is one error that names it.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::anyhow;
use equiav_data::{one_line, panic_message};
use redb::{DatabaseError, StorageError};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread becomes an error, so that whoever prints panics need not.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// The result of `work` on the index at `path`; its errors name the file, a panic is damage.
pub(super) fn guarded<T>(
    path: &Path,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    let shown = path.display();
    let damaged = |reason: &str| {
        let reason = one_line(reason);
        anyhow!("index {shown} is damaged or no index: {reason}; make it anew with `equiav index`")
    };
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if is_outer(&error) => Err(error.context(format!("index {shown}"))),
        Ok(Err(error)) => Err(damaged(&format!("{error:#}"))),
        Err(panic) => Err(damaged(&panic_message(&*panic))),
    }
}

/// What redb says, in words of the index.
pub(super) fn plainly(error: DatabaseError) -> anyhow::Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Locked.into(),
        other => other.into(),
    }
}

/// Another process has the file open.
#[derive(Debug)]
struct Locked;

impl std::fmt::Display for Locked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("another process has it open: wait for it")
    }
}

impl std::error::Error for Locked {}

/// Whether an error is of the disk or of a lock, and not of what the file holds.
fn is_outer(error: &anyhow::Error) -> bool {
    let of_disk = |error: &io::Error| {
        !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
    };
    error.chain().any(|cause| {
        let storage = match cause.downcast_ref() {
            Some(DatabaseError::Storage(storage)) => Some(storage),
            _ => cause.downcast_ref::<StorageError>(),
        };
        match storage {
            Some(StorageError::Io(error)) => of_disk(error),
            _ => cause.downcast_ref::<io::Error>().is_some_and(of_disk) || cause.is::<Locked>(),
        }
    })
}
