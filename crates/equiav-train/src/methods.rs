//! The methods of training, one folder each.

pub mod classification;
pub mod equiav;
mod pretrain;

pub use pretrain::{PretrainSummary, pretrain, pretrain_with};
