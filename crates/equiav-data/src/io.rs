//! Files, folders and threads, without a clip in sight.

pub(crate) mod atomic;
pub(crate) mod cache_folder;
pub(crate) mod digest;
pub mod parallel;
pub(crate) mod prefetch;
