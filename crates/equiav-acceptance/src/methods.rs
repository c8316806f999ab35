//! The tests of each method.

pub(crate) mod cca;
pub(crate) mod robust;
pub(crate) mod stica;
pub(crate) mod uavm;
pub(crate) mod vae_cca;
pub(crate) mod xdc;
