//! The methods of training, one folder each.

pub mod cca;
mod classes;
pub mod classification;
pub mod equiav;
pub mod mae;
mod named;
mod pretrain;
pub mod stica;
mod towers;
pub mod uavm;
pub mod vae_cca;
pub mod xdc;

pub use named::{MethodRecipe, MethodSection};
pub use pretrain::{PretrainRecipe, PretrainSummary, pretrain, pretrain_with};
pub use towers::Towers;
