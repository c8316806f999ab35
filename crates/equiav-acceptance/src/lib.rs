//! What tells that a method works: it is trained by the real engine on made worlds whose answers are known, and what comes
//! out stands beside a bar.
//!
//! `cargo xtask acceptance [METHOD]` runs all of it and writes the table of docs/methods.md; what is exact or takes seconds is an
//! ordinary test as well.

mod criterion;
pub mod measures;
mod methods;
pub mod table;
mod training;
pub mod world;

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
    Acceptance { method: "cca", run: methods::cca::figures },
    Acceptance { method: "robust-cca", run: methods::robust::figures },
    Acceptance { method: "stica", run: methods::stica::figures },
    Acceptance { method: "uavm", run: methods::uavm::figures },
    Acceptance { method: "vae-cca", run: methods::vae_cca::figures },
    Acceptance { method: "xdc", run: methods::xdc::figures },
];
