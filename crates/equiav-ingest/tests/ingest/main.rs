//! Whole ingests and scans of files that FFmpeg makes here.

mod attacks;
mod broken;
mod cases;
mod clock;
mod damage;
mod formats;
mod machine;
mod media;
mod recording;
mod resume;
#[path = "../../../equiav-torch/tests/support/skipped.rs"]
mod skipped;
