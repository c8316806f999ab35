//! Whole ingests and scans of files that FFmpeg makes here.

mod attacks;
mod broken;
mod clock;
mod formats;
mod media;
mod recording;
mod resume;
