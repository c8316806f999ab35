//! Keys of a recipe as people write them: former names, changes from outside, and what an unknown one may have meant.

pub(super) mod aliases;
pub(super) mod overrides;
pub(crate) mod suggest;
