//! Arguments that several commands share.

pub(crate) mod device;
pub(crate) mod distributed_args;
pub(crate) mod file_args;
