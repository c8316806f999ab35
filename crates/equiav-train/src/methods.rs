//! The methods of training, one folder each.

pub mod classification;
pub mod equiav;
