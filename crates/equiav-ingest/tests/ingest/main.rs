//! Whole ingests and scans of files that FFmpeg makes here.

mod broken;
mod clock;
mod formats;
mod media;
mod recording;
mod resume;
