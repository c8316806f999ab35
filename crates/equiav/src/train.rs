//! Commands that train, evaluate and hand over models.

pub(crate) mod bench;
pub(crate) mod export;
pub(crate) mod finetune;
pub(crate) mod import;
pub(crate) mod pretrain;
pub(crate) mod probe;
pub(crate) mod retrieve;
