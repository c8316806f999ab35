//! Shards: numbered WebDataset tar files whose members of one key are one sample.
//!
//! Beside `NAME.tar` stand `NAME.jsonl`, where its members lie, and `NAME.stats.json`, what its
//! maker says about it. [`ShardWriter`] makes all three; [`Shards`] reads them, and tar files by
//! anyone, whose headers it scans. No order of samples here: that is the sampler's.

mod contents;
mod extension;
mod headers;
mod index;
mod key;
mod pack;
mod pattern;
mod reader;
mod scan;
mod source;
mod verify;
mod writer;

pub use contents::{MemberKind, Place, ShardContents};
pub use index::finished;
pub use pack::{Packed, pack};
pub use pattern::expand;
pub use reader::Shards;
pub use scan::Scan;
pub use source::ShardSource;
pub use verify::{Verified, verify};
pub use writer::{Member, ShardWriter, shard_name};
