//! A front end at work: samples to spectrograms, pixels to the model's picture.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use equiav_augment::{Image, Spectrogram, VisualAugment, VisualVector};
use ndarray::Array2;

use crate::filterbank::Scale;
use crate::{Filterbank, FrontEnd, FrontEndError, Resampler};

/// How many sample rates' tables are kept: data sets have one or two, a hostile one has many.
const KEPT_RATES: usize = 16;

/// A spectrogram of the model's size.
#[derive(Clone, Debug, PartialEq)]
pub struct PaddedSpectrogram {
    /// The standardized values.
    pub spectrogram: Spectrogram,
    /// How many of its frames, from the start, hold sound; the others are padding.
    pub valid: usize,
}

/// Samples at the rate that a front end works at.
#[derive(Clone, Debug)]
pub struct Samples<'a> {
    values: Cow<'a, [f32]>,
    rate: u32,
    /// How many there were, and at which rate, for errors.
    source: (usize, u32),
}

/// A front end with its tables, made once for every rate it meets; shared by threads.
#[derive(Debug)]
pub struct Analyzer {
    front_end: FrontEnd,
    banks: Mutex<BTreeMap<u32, Arc<Filterbank>>>,
    resamplers: Mutex<BTreeMap<u32, Arc<Resampler>>>,
}

impl Analyzer {
    /// The analyzer of a front end.
    ///
    /// # Errors
    ///
    /// As [`FrontEnd::check`].
    pub fn new(front_end: FrontEnd) -> Result<Self, FrontEndError> {
        front_end.check()?;
        Ok(Self { front_end, banks: Mutex::default(), resamplers: Mutex::default() })
    }

    /// What it was made from.
    pub fn front_end(&self) -> &FrontEnd {
        &self.front_end
    }

    /// The spectrogram of one channel of `samples` at `rate` Hz: resampled, standardized, cut or padded.
    ///
    /// # Errors
    ///
    /// [`FrontEndError::TooShort`] if they last less than one frame of 25 ms.
    ///
    /// # Panics
    ///
    /// If `rate` is below 200 Hz, see [`Filterbank::new`].
    pub fn audio(&self, samples: &[f32], rate: u32) -> Result<PaddedSpectrogram, FrontEndError> {
        self.spectrogram(&self.resample(samples, rate))
    }

    /// The model's picture of `source`, of any size: resized by its shorter side, cut to its center.
    pub fn image(&self, source: &Image) -> Image {
        // The plain view is the same under all settings of the augmentation.
        let plain = VisualAugment::corrected(VisualVector::P18);
        plain.plain(source, self.front_end.image_size())
    }

    /// The first half of [`audio`](Self::audio): `samples` at the front end's rate.
    ///
    /// # Panics
    ///
    /// If `rate` is 0.
    pub fn resample<'a>(&self, samples: &'a [f32], rate: u32) -> Samples<'a> {
        let to = self.front_end.sample_rate.unwrap_or(rate);
        let source = (samples.len(), rate);
        if to == rate {
            return Samples { values: Cow::Borrowed(samples), rate, source };
        }
        let resampler = kept(&self.resamplers, rate, || Resampler::new(rate, to));
        Samples { values: Cow::Owned(resampler.apply(samples)), rate: to, source }
    }

    /// The second half of [`audio`](Self::audio).
    ///
    /// # Errors
    ///
    /// As [`audio`](Self::audio).
    pub fn spectrogram(&self, samples: &Samples<'_>) -> Result<PaddedSpectrogram, FrontEndError> {
        let (bank, valid) = self.bank(samples)?;
        let front_end = &self.front_end;
        let scale = Scale { mean: front_end.mean, std: front_end.std };
        let mut values = vec![front_end.padding(); front_end.frames * front_end.mels];
        bank.write(&samples.values, scale, &mut values[..valid * front_end.mels]);
        let values = Array2::from_shape_vec((front_end.frames, front_end.mels), values);
        let spectrogram = Spectrogram::new(values.expect("a value per frame and band"));
        Ok(PaddedSpectrogram { spectrogram, valid })
    }

    /// The filterbank of `samples` at `rate` Hz, not standardized, cut but not padded.
    ///
    /// # Shapes
    ///
    /// - returns: `[frames, mels]`, at most the front end's `frames` of them
    ///
    /// # Errors
    ///
    /// As [`audio`](Self::audio).
    pub fn log_mel(&self, samples: &[f32], rate: u32) -> Result<Array2<f32>, FrontEndError> {
        let samples = self.resample(samples, rate);
        let (bank, frames) = self.bank(&samples)?;
        Ok(bank.compute_first(&samples.values, frames))
    }

    /// The filterbank for `samples` and how many frames are wanted of them, at least one.
    fn bank(&self, samples: &Samples<'_>) -> Result<(Arc<Filterbank>, usize), FrontEndError> {
        let make = || Filterbank::new(samples.rate, self.front_end.mels);
        let bank = kept(&self.banks, samples.rate, make);
        match bank.frames(samples.values.len()).min(self.front_end.frames) {
            0 => {
                let (samples, rate) = samples.source;
                Err(FrontEndError::TooShort { samples, rate })
            }
            frames => Ok((bank, frames)),
        }
    }
}

/// The value under `key`, made if need be; when too many are kept, all are dropped.
fn kept<T>(map: &Mutex<BTreeMap<u32, Arc<T>>>, key: u32, make: impl FnOnce() -> T) -> Arc<T> {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(value) = map.get(&key) {
        return Arc::clone(value);
    }
    if map.len() >= KEPT_RATES {
        map.clear();
    }
    let value = Arc::new(make());
    map.insert(key, Arc::clone(&value));
    value
}

#[cfg(test)]
mod tests {
    use equiav_augment::Profile;
    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;
    use crate::front_end::tests::front_end;

    proptest! {
        #[test]
        fn padding_follows_the_profile(length in 400usize..3_000) {
            let samples: Vec<f32> = (0..length).map(|n| ((n * n) as f32 * 0.01).sin()).collect();
            for (profile, padding) in [
                (Profile::Published, 4.346 / 4.332),
                (Profile::Corrected, (f32::EPSILON.ln() + 4.346) / 4.332),
            ] {
                let analyzer = Analyzer::new(front_end(profile)).unwrap();
                let log_mel = analyzer.log_mel(&samples, 16_000).unwrap();
                let padded = analyzer.audio(&samples, 16_000).unwrap();
                let values = padded.spectrogram.values();
                prop_assert_eq!(padded.valid, (1 + (length - 400) / 160).min(10));
                prop_assert_eq!(log_mel.nrows(), padded.valid);
                prop_assert_eq!(values.dim(), (10, 16));
                for ((row, column), value) in values.indexed_iter() {
                    let scaled = |row| (log_mel[(row, column)] + 4.346) / 4.332;
                    let expected = if row < padded.valid { scaled(row) } else { padding };
                    prop_assert!((value - expected).abs() < 1e-6, "{} at {}", value, row);
                }
            }
        }
    }

    #[test]
    fn padded_silence_is_silence() {
        let analyzer = Analyzer::new(front_end(Profile::Corrected)).unwrap();
        let padded = analyzer.audio(&[0.0; 800], 16_000).unwrap();
        assert_eq!(padded.valid, 3);
        let first = padded.spectrogram.values()[(0, 0)];
        assert!(padded.spectrogram.values().iter().all(|value| *value == first));
    }

    #[test]
    fn a_sound_shorter_than_a_frame_is_refused_as_it_came() {
        let analyzer = Analyzer::new(front_end(Profile::Corrected)).unwrap();
        let error = analyzer.audio(&[0.0; 368], 16_000).unwrap_err().to_string();
        assert_eq!(error, "too short: 368 samples, 23.0 ms, where one frame takes 25 ms");
        let error = analyzer.audio(&[0.0; 184], 8_000).unwrap_err().to_string();
        assert_eq!(error, "too short: 184 samples, 23.0 ms, where one frame takes 25 ms");
    }

    #[test]
    fn a_picture_is_the_plain_view_of_every_augmentation() {
        let pixels = |(y, x, c)| ((y * 7 + x * 3) % 251 + c) as u8;
        let source = Image::new(Array3::from_shape_fn((40, 61, 3), pixels));
        let analyzer = Analyzer::new(front_end(Profile::Published)).unwrap();
        let size = analyzer.front_end().image_size();
        for augment in [VisualAugment::corrected(VisualVector::P18), VisualAugment::published()] {
            assert_eq!(analyzer.image(&source), augment.plain(&source, size));
        }
    }
}
