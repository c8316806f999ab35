//! Work on a file whose panic becomes an error that names the file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use equiav_data::panic_message;

use crate::IngestError;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_names_its_file() {
        let error = guarded("x.mp4", || -> Result<(), _> { panic!("broke\nhere") }).unwrap_err();
        assert_eq!(error.to_string(), "`x.mp4`: this program's own fault: broke here");
    }
}
