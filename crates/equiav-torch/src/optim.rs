//! Optimization: AdamW with state that can be saved, the norm of gradients, and scaling of losses in half precision.

mod adamw;
mod gradients;
mod scaler;
mod state;

pub use adamw::{AdamW, AdamWConfig, GroupConfig};
pub use gradients::{clip_grad_norm, found_inf};
pub use scaler::{LossScaler, LossScalerConfig};
pub use state::StateError;
