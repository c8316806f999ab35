//! One file by FFmpeg: its streams and times, its sound and frames window by window, and where it is damaged.

pub(crate) mod damage;
pub(crate) mod frames;
pub(crate) mod probe;
pub(crate) mod sound;
pub(crate) mod tracks;
pub(crate) mod windows;
