//! Corpora that a user need not own: a procedural one made on the spot and the real stamps.
//!
//! Both end as ordinary files (wav or ogg, jpg or png, JSON manifests) that `equiav-data` reads
//! like any other corpus; nothing here augments a clip or knows a model.

mod cache;
mod contact_sheet;
mod finished;
mod stamps;
mod synthetic;
mod wav;

pub use cache::cache_folder;
pub use contact_sheet::contact_sheet;
pub use stamps::{LanguageCount, Stamps, StampsPaths};
pub use synthetic::{CorpusPaths, Oracle, Rectangle, Synthetic};
