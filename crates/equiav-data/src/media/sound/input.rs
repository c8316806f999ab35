//! Where a sound comes from, which two decoders may read one after the other.

use std::path::Path;
use std::sync::Arc;

/// Where a sound comes from.
#[derive(Clone, Debug)]
pub(super) enum Input<'a> {
    /// A file of its own.
    File(&'a Path),
    /// A member of a shard.
    Bytes(Shared),
}

/// Bytes that two readers share.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Vec<u8>>);

impl From<Vec<u8>> for Shared {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
