//! Shards: numbered WebDataset tar files whose members of one key are one sample.
//!
//! Beside `NAME.tar` stand `NAME.jsonl`, where its members lie, and `NAME.stats.json`, what its
//! maker says about it. [`ShardWriter`] makes all three. No decoding here, and no order of samples.

mod index;
mod key;
mod writer;

pub use writer::{Member, ShardWriter, finished, shard_name};
