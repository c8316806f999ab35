//! Which clips are taken, and in which order; no file of theirs is opened.

pub(crate) mod order;
pub(crate) mod sampler;
pub(crate) mod split;
pub(crate) mod weights;
