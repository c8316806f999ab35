//! From a list of clips to batches: shards, decoding, filterbank, frames, sampler and loader; no model.
//!
//! A clip's journey, one file a step:
//!
//! 1. [`Sampler`]: seed and epoch to an order of positions
//! 2. [`Clips`]: a position to files of a [`Manifest`], or to members of [`shard::Shards`]
//! 3. [`read_sound`], [`read_picture`]: these to a `Waveform` and an `Image`
//! 4. `equiav_frontend::Analyzer`: the waveform to a spectrogram
//! 5. [`Dataset::example`]: both to plain and augmented views with their parameter vectors
//! 6. [`Loader`]: examples to [`Batch`]es, by threads, in the order of a single one
//!
//! In evaluation [`Dataset::plain`] and [`Evaluation`] take the places of the last two; where clips
//! have labels, [`Labeled`], [`LabeledLoader`] and [`LabeledEvaluation`] do. The
//! material of a clip that fails is a [`ClipError`]; training puts another real clip in its place,
//! evaluation leaves it out.

mod batch;
mod cache;
mod cache_folder;
mod clips;
mod dataset;
mod digest;
mod entry;
mod error;
mod evaluation;
mod example;
pub mod ffmpeg;
mod filling;
mod jpeg;
mod labeled;
mod labels;
mod loader;
mod manifest;
mod order;
mod ordered;
mod orientation;
pub mod parallel;
mod picture;
pub mod preview;
mod reading;
mod replacement;
mod sampler;
pub mod shard;
pub mod sheet;
mod sound;
mod split;
pub mod stage;
mod statistics;
mod table;
mod text;
mod throughput;
mod unreadable;
mod weights;
mod whole;

pub use batch::{Batch, Material, Part, PlainBatch, Replaced};
pub use cache_folder::cache_folder;
pub use clips::Clips;
pub use dataset::{Dataset, DatasetConfig};
pub use digest::content_key;
pub use error::{ClipError, DataError, MediaError, is_fault_of_machine, one_line, panic_message};
pub use evaluation::Evaluation;
pub use example::{Example, ExamplePart, PlainExample};
pub use jpeg::JpegDecoder;
pub use labeled::{
    FramedBatch, Frames, Labeled, LabeledAugment, LabeledBatch, LabeledConfig, LabeledEvaluation,
    LabeledExample, LabeledLoader, Mix, Targets, Visit,
};
pub use labels::{Label, Labels};
pub use loader::{Loader, LoaderOptions};
pub use manifest::{Clip, DEFAULT_FRAMES, Found, Manifest, Pictures};
pub use order::{Order, Portion};
pub use orientation::Orientation;
pub use picture::{decode_picture, decode_picture_as, read_picture, read_picture_as};
pub use preview::{Preview, preview};
pub use sampler::{Pass, Sampler};
pub use sound::{LONGEST_SECONDS, decode_sound, decode_sound_start, read_sound, read_sound_start};
pub use split::Split;
pub use statistics::{Durations, Estimate, SILENT_PEAK, Statistics, statistics};
pub use throughput::{LoaderRate, StageTimes, Timing, loader_rate, stage_times};
pub use unreadable::Unreadable;
pub use weights::Weights;
pub use whole::write_whole;
