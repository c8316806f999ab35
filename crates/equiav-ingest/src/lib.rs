//! From a folder of videos to shards of clips, by FFmpeg in child processes; trains nothing.
//!
//! A file's journey, one file a step:
//!
//! 1. [`find_sources`]: a folder to videos and picture-sound pairs, sorted
//! 2. `probe`: a file to its streams and their presentation times
//! 3. `windows`: presentation times to windows, and to the moments of their frames
//! 4. `sound`, `pictures`: the material of a window, both on one clock
//! 5. `examine`: all of that, with what is wrong about it as [`Finding`]s under a [`Policy`]
//! 6. [`ingest()`]: clips into numbered shards, resumable; or [`scan()`]: findings only
//!
//! Beside that journey, a [`Recording`] gives the sound and chosen frames of one file to whoever cuts no
//! clips, and a [`Film`] is a video that is written.
//!
//! No decoder of video runs in this process: [`equiav_data::ffmpeg`] starts FFmpeg under limits on time and
//! memory, so a bad file costs a child and is named with what FFmpeg said of it. What is no fault of the
//! file's ends everything: a [`Fault`] tells the two apart.

mod clip;
mod cutting;
mod damage;
mod effort;
mod error;
mod examine;
mod film;
mod guarded;
mod ingest;
mod key;
mod notes;
mod page;
mod pictures;
mod plan;
mod policy;
mod probe;
mod progress;
mod recording;
mod report;
mod scan;
mod settings;
#[cfg(test)]
#[path = "../../equiav-torch/tests/support/skipped.rs"]
mod skipped;
mod sound;
mod sources;
mod spool;
mod tracks;
mod windows;

pub use error::{Fault, IngestError};
pub use film::Film;
pub use ingest::{Ingested, ingest};
pub use page::page;
pub use policy::{Action, Finding, Policy, Reason};
pub use recording::Recording;
pub use report::{FileReport, Media, Summary};
pub use scan::{Scanned, scan};
pub use settings::{AudioFormat, Settings};
pub use sources::{Kind, Source, find_sources};
