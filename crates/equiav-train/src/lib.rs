//! Trains encoders of sound and picture: one engine, many methods.
//!
//! A run is a [`Recipe`], clips, and a [`Method`]. The method says what a batch becomes
//! ([`Method::embed`]) and what that costs ([`Method::terms`]); the engine behind [`train`] does the rest:
//! micro-batches, gathering over ranks, precision, clipping, AdamW, EMA, checkpoints, exact resuming, evaluation, logs.
//! [`pretrain`] is that with [`EquiAV`](methods::equiav), [`finetune`] with a
//! [classifier](methods::classification); `examples/own-method` brings a method of its own.
//!
//! Rooms, each of which knows those before it alone: [`recipe`], [`callback`] and [`metrics`], [`distributed`],
//! [`run_dir`], [`clips`], [`engine`], [`model`], [`eval`], [`methods`], [`bench`](mod@bench).

pub mod bench;
pub mod callback;
pub mod clips;
pub mod distributed;
pub mod engine;
pub mod eval;
pub mod methods;
pub mod metrics;
pub mod model;
pub mod recipe;
pub mod run_dir;

pub use callback::{Callback, Event, Figures, NoOp, StepReport, Warnings};
pub use clips::dataset;
pub use distributed::{DeviceChoice, World, device};
pub use engine::{
    Gather, Gathered, Method, Named, Needs, RunOptions, StepContext, StopSignal, Term, TrainedRun,
    train,
};
pub use eval::{EquivarianceMetrics, EquivarianceProbe, Probe, ProbeMetrics, equivariance, probe};
pub use methods::classification::{FinetuneSummary, finetune};
pub use methods::{PretrainRecipe, PretrainSummary, pretrain, pretrain_with};
pub use metrics::{ListMetrics, Metric, Metrics};
pub use model::{Fingerprint, LoadedModel};
pub use recipe::{FinetuneRecipe, Override, Recipe};
