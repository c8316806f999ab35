//! How the process treats memory that was freed; it allocates nothing itself.

use crate::border;

/// Has this process keep freed memory for its next allocation, where the C library is glibc.
///
/// Views, batches and tensors are large and short-lived. By default each is mapped from the system
/// anew and its pages are cleared once more, which costs a loader about a quarter of its time.
/// Whoever shares the machine pays: the process stays as large as it ever was.
pub fn keep_freed_memory() {
    border::keep_freed_memory();
}
