//! The clips of a run: a corpus that is made, fetched or read, its data sets, its batches on their device.

mod array_clips;
pub mod corpus;
mod datasets;
mod device_batch;
mod evaluation_lists;
mod hash_noise;
pub(crate) mod held_out;
mod quiet;
mod train_clips;

pub use array_clips::{ArrayBatch, ArrayClips, Values};
pub use datasets::{RunClips, UnlabeledSections, dataset};
pub(crate) use datasets::{labeled_loader_options, loader_options};
pub(crate) use device_batch::plain_material;
pub use device_batch::valid_frames;
pub use device_batch::{DeviceBatch, HostBatch, Input, InputView, tensor};
pub use evaluation_lists::EvaluationLists;
pub(crate) use evaluation_lists::embed_batches;
pub use hash_noise::hash_noise;
pub use held_out::HeldOut;
pub(crate) use quiet::{peak, white_noise};
pub use train_clips::TrainClips;
