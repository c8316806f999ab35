//! From a list of clips to batches: shards, decoding, frames, sampler and loader; no model.
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
//! In evaluation [`Dataset::plain`] and [`EvaluationLoader`] take the places of the last two; where clips
//! have labels, [`Labeled`], [`LabeledLoader`] and [`LabeledEvaluation`] do. The
//! material of a clip that fails is a [`ClipError`]; training puts another real clip in its place,
//! evaluation skips it.

mod error;
mod features;
mod io;
mod labeled;
mod loader;
mod manifest;
mod media;
pub mod profiler;
mod sampling;
pub mod shard;
pub mod sheet;

pub use error::{ClipError, DataError, MediaError, is_fault_of_machine, one_line, panic_message};
pub use features::batch::{Batch, Material, Part, PlainBatch, Replaced};
pub use features::config::{DatasetConfig, audio_visual};
pub use features::dataset::Dataset;
pub use features::example::{Example, ExamplePart, PlainExample};
pub use features::unreadable::Unreadable;
pub use io::atomic::{atomic_dir, atomic_file, atomic_write, atomic_write_locked};
pub use io::cache_folder::cache_folder;
pub use io::digest::content_key;
pub use io::parallel;
pub use labeled::{
    FramedBatch, Frames, Labeled, LabeledAugment, LabeledBatch, LabeledConfig, LabeledEvaluation,
    LabeledExample, LabeledLoader, Mix, Targets, Visit,
};
pub use loader::evaluation::EvaluationLoader;
pub use loader::statistics::{Durations, Estimate, SILENT_PEAK, Statistics, statistics};
pub use loader::throughput::{LoaderRate, StageTimes, Timing, loader_rate, stage_times};
pub use loader::{Loader, LoaderOptions};
pub use manifest::clips::Clips;
pub use manifest::labels::{Label, Labels};
pub use manifest::overlap::{Overlap, TrainOverlap};
pub use manifest::{Clip, DEFAULT_FRAMES, FileCoverage, Manifest, Pictures};
pub use media::ffmpeg;
pub use media::jpeg::JpegDecoder;
pub use media::orientation::Orientation;
pub use media::picture::{decode_picture, decode_picture_as, read_picture, read_picture_as};
pub use media::sound::{
    LONGEST_SECONDS, decode_sound, decode_sound_start, read_sound, read_sound_start,
};
pub use media::wav::wav_bytes;
pub use sampling::order::{Order, Portion};
pub use sampling::sampler::{Pass, Sampler};
pub use sampling::split::Split;
pub use sampling::weights::SampleWeights;
pub use sheet::preview::{self, Preview, preview};
