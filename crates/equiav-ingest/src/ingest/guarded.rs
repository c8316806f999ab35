//! Work on a file whose panic becomes an error that names the file, as does a folder that is gone.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use equiav_data::panic_message;

use crate::{IngestError, SourceFile};

/// The result of `work` on `file`; a panic becomes an error that names it.
pub(crate) fn guarded<T>(
    file: &str,
    work: impl FnOnce() -> Result<T, IngestError>,
) -> Result<T, IngestError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let (file, message) = (file.to_owned(), panic_message(&*panic));
        Err(IngestError::Panicked { file, message })
    })
}

/// An error if `source` is gone with the folder that it lay in, or with all of `folder`: the mount point of
/// a disk that is gone is an empty folder. A file that is gone by itself is a finding.
pub(crate) fn ensure_there(folder: &Path, source: &SourceFile) -> Result<(), IngestError> {
    if fs::symlink_metadata(&source.path).is_ok() {
        return Ok(());
    }
    let empty = |folder: &Path| fs::read_dir(folder).map(|mut entries| entries.next().is_none());
    let own = source.path.parent().unwrap_or(folder);
    for folder in [folder, own] {
        match empty(folder) {
            Ok(false) => {}
            Ok(true) => {
                let reason = "it is empty now: mount its disk again";
                return Err(IngestError::folder(folder, reason));
            }
            Err(error) => return Err(IngestError::io(folder, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_names_its_file() {
        let error = guarded("x.mp4", || -> Result<(), _> { panic!("broke\nhere") }).unwrap_err();
        assert_eq!(error.to_string(), "`x.mp4`: this program's own fault: broke here");
    }
}
