//! The methods of training, one folder each.

pub mod classification;
pub mod equiav;
pub mod mae;
mod pretrain;

pub use pretrain::{PretrainRecipe, PretrainSummary, pretrain, pretrain_with};
