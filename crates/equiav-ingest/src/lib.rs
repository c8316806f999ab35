//! From a folder of videos to shards of clips, by FFmpeg in child processes; trains nothing.
//!
//! A file's journey, one file a step:
//!
//! 1. [`find_sources`]: a folder to videos and picture-sound pairs, sorted
//! 2. `decode/probe`: a file to its streams and their presentation times
//! 3. `decode/windows`: presentation times to windows, and to the moments of their frames
//! 4. `decode/sound`, `decode/frames`: the material of a window, both on one clock
//! 5. `analyze`: all of that, with what is wrong about it as [`Finding`]s under a [`Policy`]
//! 6. [`ingest()`]: clips into numbered shards, resumable; or [`scan()`]: findings only
//!
//! Beside that journey, a [`VideoReader`] gives the sound and chosen frames of one file to whoever cuts no
//! clips, and a [`VideoWriter`] is a video that is written.
//!
//! No decoder of video runs in this process: [`equiav_data::ffmpeg`] starts FFmpeg under limits on time and
//! memory, so a bad file costs a child and is named with what FFmpeg said of it. What is no fault of the
//! file's ends everything: a [`Fault`] tells the two apart.

mod analyze;
mod decode;
mod error;
mod ingest;
mod policy;
mod report;
mod scan;
mod settings;
#[cfg(test)]
#[path = "../../equiav-torch/tests/support/skipped.rs"]
mod skipped;
mod sources;
mod video_reader;
mod video_writer;

pub use error::{Fault, IngestError};
pub use ingest::{Ingested, ingest};
pub use policy::{Action, Finding, Policy, Reason};
pub use report::page::page;
pub use report::{FileReport, Media, Summary};
pub use scan::{Scanned, scan};
pub use settings::{AudioFormat, IngestSettings};
pub use sources::{SourceFile, SourceKind, find_sources};
pub use video_reader::VideoReader;
pub use video_writer::VideoWriter;
