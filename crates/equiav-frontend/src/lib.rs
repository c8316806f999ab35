//! From samples and pixels to what a model takes: its spectrogram and its picture.
//!
//! A loader and whoever uses a trained encoder share this crate, so both see the same bits. It reads no
//! file, runs no decoder and holds no state beyond its tables.
//!
//! [`FrontEnd`] holds the settings that go with a checkpoint; [`Analyzer`] applies them:
//!
//! ```
//! use equiav_frontend::{Analyzer, FrontEnd, audio_input, image_input};
//!
//! let settings = "frames = 128\nmels = 128\nmean = -4.346\nstd = 4.332\nimage = 224";
//! let analyzer = Analyzer::new(toml::from_str::<FrontEnd>(settings)?)?;
//!
//! let samples = vec![0.1; 44_100]; // one second, one channel
//! let sound = analyzer.audio(&samples, 44_100)?;
//! assert_eq!((sound.spectrogram.frames(), sound.valid), (128, 98));
//! assert_eq!(audio_input(&sound.spectrogram).dim(), (1, 128, 128));
//!
//! let photo = equiav_augment::Image::new(ndarray::Array3::zeros((480, 640, 3)));
//! assert_eq!(image_input(&analyzer.image(&photo)).dim(), (3, 224, 224));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod analyzer;
mod error;
mod filterbank;
mod front_end;
mod input;
mod kind;
mod resample;
mod waveform;

pub use analyzer::{Analyzer, PaddedSpectrogram, Samples};
pub use error::FrontEndError;
pub use filterbank::{Filterbank, LOG_FLOOR};
pub use front_end::FrontEnd;
pub use input::{
    IMAGE_MEAN, IMAGE_STD, audio_input, image_input, write_audio_input, write_image_input,
};
pub use kind::{InputAugment, InputKind};
pub use resample::{Resampler, resample};
pub use waveform::Waveform;
