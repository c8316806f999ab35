//! Commands that use a trained model on files.

pub(crate) mod embed;
pub(crate) mod index;
pub(crate) mod localize;
mod overlay;
pub(crate) mod search;
