//! Work on a file that may be damaged anywhere: whatever comes of that is one error that names it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::anyhow;
use equiav_data::{one_line, panic_message};

use super::is_outer;

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
