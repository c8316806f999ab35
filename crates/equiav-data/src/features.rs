//! From a clip's material to examples and batches as arrays; which clips and when is not decided here.

pub(crate) mod batch;
pub(crate) mod cache;
pub(crate) mod config;
pub(crate) mod dataset;
pub(crate) mod example;
pub(crate) mod unreadable;
