//! Bytes of sounds and pictures to samples and pixels; no list of clips is known here.

pub mod ffmpeg;
pub(crate) mod jpeg;
pub(crate) mod orientation;
pub(crate) mod picture;
pub(crate) mod sound;
mod timed_reader;
pub(crate) mod wav;
