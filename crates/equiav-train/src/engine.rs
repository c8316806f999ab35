//! The engine: one step, and the run around it, over named tensors. It knows no loss and no modality.

mod compute;
mod ema;
mod gather;
mod grad_cache;
mod method;
pub mod profiler;
mod schedule;
mod signals;
mod step;
mod terms;
mod train;
mod train_state;

pub(crate) use compute::{advice, within};
pub use compute::{narrowed, seeded};
pub use ema::Ema;
pub use gather::Gathered;
pub use method::{Epoch, Gather, Method, Named, Needs, ParamGroup, StepContext, Term};
pub use schedule::WarmupCosine;
pub(crate) use schedule::within as schedule_within;
pub use signals::StopSignal;
pub use step::{Position, step};
pub use terms::Terms;
pub use train::{RunOptions, SPREAD, TrainedRun, spread, train};
pub use train_state::TrainState;
