//! The front end: how clips become inputs, which a checkpoint must carry to be used again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use equiav_augment::{ImageSize, Profile, Spectrogram, SpectrogramSize};
use ndarray::{Array2, s};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::filterbank::{LOG_FLOOR, Scale};
use crate::stage::{self, Stage};
use crate::{DataError, Filterbank, Resampler, Waveform};

/// ImageNet's mean of red, green and blue, as shares of white.
pub const IMAGE_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's standard deviation of red, green and blue, as shares of white.
pub const IMAGE_STD: [f32; 3] = [0.229, 0.224, 0.225];
/// How many sample rates' tables are kept: data sets have one or two, a hostile one has many.
const KEPT_RATES: usize = 16;

/// How clips become inputs.
///
/// A sound that is longer than `frames` is cut: its start is used, always the same.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FrontEnd {
    /// What sounds are resampled to, in Hz; `"own"` in a recipe, `None` here, leaves each its own
    /// rate.
    #[serde(
        default = "default_rate",
        serialize_with = "write_rate",
        deserialize_with = "read_rate"
    )]
    pub sample_rate: Option<u32>,
    /// Frames of the spectrogram, one every 10 ms.
    pub frames: usize,
    /// Mel bands of the spectrogram.
    pub mels: usize,
    /// Mean of the filterbank over the data set, in nats.
    pub mean: f32,
    /// Standard deviation of the filterbank over the data set, in nats.
    pub std: f32,
    /// Height and width of the picture, in pixels.
    pub image: usize,
    /// Whether to do as the published code does.
    #[serde(default)]
    pub profile: Profile,
    /// How much of a sound is decoded, in seconds from its start; absent, all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<f64>,
}

fn default_rate() -> Option<u32> {
    Some(16_000)
}

/// A sample rate in a recipe.
#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "a sample rate in Hz, or \"own\" for each file's own")]
enum Rate {
    Hertz(u32),
    Own(OwnRate),
}

#[derive(Deserialize, Serialize)]
enum OwnRate {
    #[serde(rename = "own")]
    Own,
}

fn write_rate<S: Serializer>(rate: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    rate.map_or(Rate::Own(OwnRate::Own), Rate::Hertz).serialize(serializer)
}

fn read_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Rate::deserialize(deserializer).map(|rate| match rate {
        Rate::Hertz(rate) => Some(rate),
        Rate::Own(OwnRate::Own) => None,
    })
}

impl FrontEnd {
    /// Checks what types cannot: that every size is there and the statistics can be used.
    ///
    /// # Errors
    ///
    /// [`DataError::FrontEnd`], with the key and what was expected.
    pub fn check(&self) -> Result<(), DataError> {
        let wrong = |reason: String| Err(DataError::FrontEnd(reason));
        for (key, value) in [("frames", self.frames), ("mels", self.mels), ("image", self.image)] {
            if !(1..=1 << 16).contains(&value) {
                return wrong(format!("`{key}` = {value}, expected a number from 1 to 65536"));
            }
        }
        if let Some(rate) = self.sample_rate.filter(|rate| !(1_000..=768_000).contains(rate)) {
            return wrong(format!("`sample_rate` = {rate}, expected 1000 to 768000 Hz"));
        }
        if !self.mean.is_finite() || !self.std.is_finite() || self.std <= 0.0 {
            let (mean, std) = (self.mean, self.std);
            return wrong(format!(
                "`mean` = {mean}, `std` = {std}, expected finite ones, std above 0"
            ));
        }
        match self.window {
            Some(window) if !(0.025..=86_400.0).contains(&window) => {
                wrong(format!("`window` = {window}, expected 0.025 to 86400 s"))
            }
            _ => Ok(()),
        }
    }

    /// The size of a spectrogram.
    pub fn spectrogram_size(&self) -> SpectrogramSize {
        SpectrogramSize { frames: self.frames, mels: self.mels }
    }

    /// The size of a picture.
    pub fn image_size(&self) -> ImageSize {
        ImageSize { height: self.image, width: self.image }
    }

    /// The standardised value of the area behind the end of a sound.
    ///
    /// Corrected: that of silence, `(ln(epsilon) - mean) / std`. Published: `(0 - mean) / std`,
    /// about +1.
    pub fn padding(&self) -> f32 {
        // PUBLISHED: padding-before-standardising, zeros behind the filterbank are standardised
        // with it.
        let raw = if self.profile == Profile::Published { 0.0 } else { LOG_FLOOR };
        (raw - self.mean) / self.std
    }

    /// Standardises `log_mel` ([frames, mels]) and cuts or pads it to `frames`.
    ///
    /// # Panics
    ///
    /// If it has another number of mel bands.
    #[track_caller]
    pub fn standardise(&self, log_mel: &Array2<f32>) -> PaddedSpectrogram {
        assert_eq!(log_mel.ncols(), self.mels, "FrontEnd::standardise: wrong number of mel bands");
        let valid = log_mel.nrows().min(self.frames);
        let mut values = Array2::from_elem((self.frames, self.mels), self.padding());
        values.slice_mut(s![..valid, ..]).zip_mut_with(
            &log_mel.slice(s![..valid, ..]),
            |to, from| {
                *to = (from - self.mean) / self.std;
            },
        );
        PaddedSpectrogram { spectrogram: Spectrogram::new(values), valid }
    }
}

/// A spectrogram of the model's size.
#[derive(Clone, Debug, PartialEq)]
pub struct PaddedSpectrogram {
    /// The standardised values.
    pub spectrogram: Spectrogram,
    /// How many of its frames, from the start, hold sound; the others are padding.
    pub valid: usize,
}

/// A front end with its tables, made once for every rate it meets; shared by threads.
#[derive(Debug)]
pub struct Analyzer {
    front_end: FrontEnd,
    banks: Mutex<BTreeMap<u32, Arc<Filterbank>>>,
    resamplers: Mutex<BTreeMap<u32, Arc<Resampler>>>,
}

impl Analyzer {
    /// The analyzer of a checked front end.
    ///
    /// # Errors
    ///
    /// As [`FrontEnd::check`].
    pub fn new(front_end: FrontEnd) -> Result<Self, DataError> {
        front_end.check()?;
        Ok(Self { front_end, banks: Mutex::default(), resamplers: Mutex::default() })
    }

    /// What it was made from.
    pub fn front_end(&self) -> &FrontEnd {
        &self.front_end
    }

    /// The spectrogram of `waveform`, standardised, cut or padded.
    ///
    /// # Errors
    ///
    /// If the sound is shorter than one frame of 25 ms; the message says so.
    pub fn spectrogram(&self, waveform: &Waveform) -> Result<PaddedSpectrogram, String> {
        self.with_samples(waveform, |bank, samples, valid| {
            let front_end = &self.front_end;
            let scale = Scale { mean: front_end.mean, std: front_end.std };
            let mut values = vec![front_end.padding(); front_end.frames * front_end.mels];
            bank.write(samples, scale, &mut values[..valid * front_end.mels]);
            let values = Array2::from_shape_vec((front_end.frames, front_end.mels), values);
            let values = values.expect("a value per frame and band");
            PaddedSpectrogram { spectrogram: Spectrogram::new(values), valid }
        })
    }

    /// The filterbank of `waveform`: [frames, mels], at most `frames` of them, not standardised.
    ///
    /// # Errors
    ///
    /// As [`spectrogram`](Self::spectrogram).
    pub fn log_mel(&self, waveform: &Waveform) -> Result<Array2<f32>, String> {
        self.with_samples(waveform, |bank, samples, frames| bank.compute_first(samples, frames))
    }

    /// Gives the filterbank of `waveform`, the samples at its rate and how many frames are wanted
    /// of them, at least one, to `work`.
    fn with_samples<T>(
        &self,
        waveform: &Waveform,
        work: impl FnOnce(&Filterbank, &[f32], usize) -> T,
    ) -> Result<T, String> {
        let rate = self.front_end.sample_rate.unwrap_or(waveform.rate);
        let bank = kept(&self.banks, rate, || Filterbank::new(rate, self.front_end.mels));
        let resampled = (rate != waveform.rate).then(|| {
            let resampler =
                kept(&self.resamplers, waveform.rate, || Resampler::new(waveform.rate, rate));
            stage::at(Stage::Resample, || resampler.apply(&waveform.samples))
        });
        let samples = resampled.as_ref().map_or(&waveform.samples[..], |samples| &samples[..]);
        let frames = bank.frames(samples.len()).min(self.front_end.frames);
        if frames == 0 {
            let (samples, milliseconds) = (waveform.samples.len(), 1e3 * waveform.seconds());
            return Err(format!(
                "too short: {samples} samples, {milliseconds:.1} ms, where one frame takes 25 ms"
            ));
        }
        Ok(stage::at(Stage::Filterbank, || work(&bank, samples, frames)))
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
    use proptest::prelude::*;

    use super::*;

    fn front_end(profile: Profile) -> FrontEnd {
        FrontEnd {
            sample_rate: Some(16_000),
            frames: 10,
            mels: 16,
            mean: -4.346,
            std: 4.332,
            image: 32,
            profile,
            window: None,
        }
    }

    proptest! {
        #[test]
        fn padding_follows_the_profile(rows in 1usize..20) {
            let log_mel = Array2::from_shape_fn((rows, 16), |(row, column)| (row + column) as f32);
            for (profile, padding) in [
                (Profile::Published, 4.346 / 4.332),
                (Profile::Corrected, (f32::EPSILON.ln() + 4.346) / 4.332),
            ] {
                let padded = front_end(profile).standardise(&log_mel);
                let (values, valid) = (padded.spectrogram.values(), rows.min(10));
                prop_assert_eq!(padded.valid, valid);
                prop_assert_eq!(values.dim(), (10, 16));
                for ((row, column), value) in values.indexed_iter() {
                    let raw = (row + column) as f32;
                    let expected = if row < valid { (raw + 4.346) / 4.332 } else { padding };
                    prop_assert!((value - expected).abs() < 1e-6, "{} at {}", value, row);
                }
            }
        }
    }

    #[test]
    fn padded_silence_is_silence() {
        let analyzer = Analyzer::new(front_end(Profile::Corrected)).unwrap();
        let silence = Waveform { samples: vec![0.0; 800], rate: 16_000 };
        let padded = analyzer.spectrogram(&silence).unwrap();
        assert_eq!(padded.valid, 3);
        let first = padded.spectrogram.values()[(0, 0)];
        assert!(padded.spectrogram.values().iter().all(|value| *value == first));
    }

    #[test]
    fn a_sound_shorter_than_a_frame_is_refused() {
        let analyzer = Analyzer::new(front_end(Profile::Corrected)).unwrap();
        let short = Waveform { samples: vec![0.0; 368], rate: 16_000 };
        let error = analyzer.spectrogram(&short).unwrap_err();
        assert_eq!(error, "too short: 368 samples, 23.0 ms, where one frame takes 25 ms");
    }

    #[test]
    fn recipes_are_read_written_and_checked() {
        let base = "frames = 10\nmels = 16\nmean = -4.346\nstd = 4.332\nimage = 32\n";
        let read = |extra: &str| toml::from_str::<FrontEnd>(&format!("{base}{extra}"));
        assert_eq!(read("").unwrap(), front_end(Profile::Corrected));
        assert_eq!(read("sample_rate = \"own\"").unwrap().sample_rate, None);
        assert_eq!(read("sample_rate = 8000").unwrap().sample_rate, Some(8_000));
        let wrong = read("sample_rate = \"mine\"").unwrap_err().to_string();
        assert!(wrong.contains("a sample rate in Hz, or \"own\""), "{wrong}");
        assert!(read("frame = 3").unwrap_err().to_string().contains("unknown field `frame`"));
        for profile in [Profile::Published, Profile::Corrected] {
            let own = FrontEnd { sample_rate: None, window: Some(2.5), ..front_end(profile) };
            let written = toml::to_string(&own).unwrap();
            assert_eq!(toml::from_str::<FrontEnd>(&written).unwrap(), own, "{written}");
        }
        for (wrong, key) in [
            (FrontEnd { frames: 0, ..front_end(Profile::Corrected) }, "`frames` = 0"),
            (FrontEnd { std: 0.0, ..front_end(Profile::Corrected) }, "`std` = 0"),
            (FrontEnd { mean: f32::NAN, ..front_end(Profile::Corrected) }, "`mean` = NaN"),
            (
                FrontEnd { sample_rate: Some(8), ..front_end(Profile::Corrected) },
                "`sample_rate` = 8",
            ),
            (FrontEnd { window: Some(0.0), ..front_end(Profile::Corrected) }, "`window` = 0"),
        ] {
            let message = wrong.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }
}
