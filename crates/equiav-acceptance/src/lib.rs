//! What tells that a method works: it is trained by the real engine on made worlds whose answers are known, and what comes
//! out stands beside a bar.
//!
//! `cargo xtask acceptance [METHOD]` runs all of it and writes the table of docs/methods.md; what is exact or takes seconds is an
//! ordinary test as well.

mod cca;
mod criterion;
pub mod measures;
mod robust;
mod stica;
pub mod table;
mod training;
mod uavm;
mod vae_cca;
pub mod world;
mod xdc;

pub use criterion::{Bar, Criterion};

/// The tests of one method.
pub struct Acceptance {
    /// What `method.name` is in a recipe, or what a readout is called.
    pub method: &'static str,
    /// What becomes of the method for these seeds.
    pub run: fn(&[u64]) -> anyhow::Result<Vec<Criterion>>,
}

/// Every method that has tests, in the order of the table.
#[rustfmt::skip]
pub const ALL: [Acceptance; 6] = [
    Acceptance { method: "cca", run: cca::figures },
    Acceptance { method: "robust-cca", run: robust::figures },
    Acceptance { method: "stica", run: stica::figures },
    Acceptance { method: "uavm", run: uavm::figures },
    Acceptance { method: "vae-cca", run: vae_cca::figures },
    Acceptance { method: "xdc", run: xdc::figures },
];
