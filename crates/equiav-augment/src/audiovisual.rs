//! What both modalities share of a family: settings, draws and slots; the values are theirs.

pub mod blur;
pub mod crop;
pub mod jitter;
