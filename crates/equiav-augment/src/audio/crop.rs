//! Random resized crop of a spectrogram.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::rows;
use crate::array::resample::{self, Stretch};
use crate::audiovisual::crop::{Region, Shape, draw_region};
use crate::setting::{Chance, Interval};
use crate::{Context, Draw, Family, Profile, Setting, Slot, Spectrogram, SpectrogramSize, View};

/// Cuts out a part in time and pitch and stretches it to the size of the whole.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct AudioCrop {
    /// Chance that a draw crops.
    pub chance: Chance,
    /// Limits of the part's area over the whole's.
    pub area: Interval,
    /// Limits of mel bins : frames of the part, over those of the whole.
    pub aspect: Interval,
}

impl Setting for AudioCrop {
    fn spec() -> Self {
        // The aspect is relative, so that other sizes keep its meaning: of 1024 frames and 128 mel
        // bins, 0.8 to 1.5 times 1/8 is the published 1/10 to 1.5/8.
        Self {
            chance: Chance::ALWAYS,
            area: Interval::of(0.08, 1.0),
            aspect: Interval::of(0.8, 1.5),
        }
    }
}

/// A drawn [`AudioCrop`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum AudioCropDraw {
    /// Keeps the whole.
    #[default]
    Off,
    /// Keeps a part: rows are frames, columns are mel bins.
    To(Region),
}

impl Family<Spectrogram> for AudioCrop {
    type Draw = AudioCropDraw;

    const SLOTS: usize = 5;

    fn slots(&self, context: &Context<SpectrogramSize>) -> Vec<Slot> {
        let SpectrogramSize { frames, mels } = context.source;
        let (of_frames, of_mels) = divisors(context);
        let time = frames as f64 / of_frames as f64;
        let mel = mels as f64 / of_mels as f64;
        let (by_time, by_mel) = match context.profile {
            Profile::Published => ("frames over mel bins", "mel bins over frames"),
            Profile::Corrected => ("frames over all frames", "mel bins over all mel bins"),
        };
        vec![
            Slot::flag("crop on", "whether a part is stretched to the whole"),
            Slot::range("crop top", 0.0, time, by_time),
            Slot::range("crop left", 0.0, mel, by_mel),
            Slot::range("crop height", 0.0, time, by_time),
            Slot::range("crop width", 0.0, mel, by_mel),
        ]
    }

    fn draw(&self, context: &Context<SpectrogramSize>, rng: &mut impl Rng) -> AudioCropDraw {
        if !self.chance.strikes(rng) {
            return AudioCropDraw::Off;
        }
        let SpectrogramSize { frames, mels } = context.source;
        let aspect = self.aspect.scaled(mels as f64 / frames as f64);
        let region = draw_region(frames, mels, Shape { area: self.area, aspect }, rng);
        // PUBLISHED: draws-without-effect, a part that is the whole is recorded as a crop.
        if context.profile == Profile::Corrected && region.is_whole(frames, mels) {
            return AudioCropDraw::Off;
        }
        AudioCropDraw::To(region)
    }
}

/// What frames and mel bins are divided by in the vector.
fn divisors(context: &Context<SpectrogramSize>) -> (usize, usize) {
    let SpectrogramSize { frames, mels } = context.source;
    match context.profile {
        // PUBLISHED: crop-other-axis, frames are divided by mel bins and mel bins by frames.
        Profile::Published => (mels, frames),
        Profile::Corrected => (frames, mels),
    }
}

impl Draw<Spectrogram> for AudioCropDraw {
    fn apply(&self, context: &Context<SpectrogramSize>, view: Spectrogram) -> Spectrogram {
        match self {
            Self::Off => view,
            Self::To(_) => self.apply_to(context, &view),
        }
    }

    fn apply_to(&self, context: &Context<SpectrogramSize>, view: &Spectrogram) -> Spectrogram {
        match self {
            Self::Off => view.clone(),
            Self::To(region) => resized_crop(view, *region, Resampling::of(context.profile)),
        }
    }

    fn carry(&self, context: &Context<SpectrogramSize>, marks: Spectrogram) -> Spectrogram {
        match self {
            Self::Off => marks,
            Self::To(region) => {
                Self::To(Region { left: 0, width: 1, ..*region }).apply(context, marks)
            }
        }
    }

    fn encode(&self, context: &Context<SpectrogramSize>, vector: &mut Vec<f32>) {
        let SpectrogramSize { frames, mels } = context.source;
        let (on, region) = match self {
            Self::Off => (0.0, Region { top: 0, left: 0, height: frames, width: mels }),
            Self::To(region) => (1.0, *region),
        };
        let (of_frames, of_mels) = divisors(context);
        vector.extend([
            on,
            region.top as f32 / of_frames as f32,
            region.left as f32 / of_mels as f32,
            region.height as f32 / of_frames as f32,
            region.width as f32 / of_mels as f32,
        ]);
    }
}

/// How the values between values are found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resampling {
    /// Linear between the two neighbors, whatever lies between two results.
    Linear,
    /// Linear, with the filter as wide as the distance between two results.
    Antialiased,
}

impl Resampling {
    fn of(profile: Profile) -> Self {
        match profile {
            // PUBLISHED: crop-not-antialiased, stretching skips values where it shrinks.
            Profile::Published => Self::Linear,
            Profile::Corrected => Self::Antialiased,
        }
    }
}

/// Stretches `region` to the size of the whole spectrogram.
///
/// # Panics
///
/// If the region reaches beyond the spectrogram or is empty.
#[track_caller]
pub fn resized_crop(
    spectrogram: &Spectrogram,
    region: Region,
    resampling: Resampling,
) -> Spectrogram {
    let (frames, mels) = (spectrogram.frames(), spectrogram.mels());
    assert!(
        region.fits(frames, mels),
        "resized_crop: {region:?} is no part of {frames} frames of {mels} mel bins"
    );
    let antialias = resampling == Resampling::Antialiased;
    let taps = |first, length, outputs| {
        resample::torch(&Stretch::whole(first..first + length, outputs), antialias)
    };
    let along_frames = taps(region.top, region.height, frames);
    let along_mels = taps(region.left, region.width, mels);
    let part = &spectrogram.as_slice()[region.top * mels..(region.top + region.height) * mels];
    let stretched = rows::resampled_rows(part, mels, &along_mels);
    let values = rows::resampled(&stretched, region.top, mels, &along_frames);
    Spectrogram::from_frames(spectrogram.size(), values)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn the_published_vector_divides_by_the_other_axis() {
        let source = SpectrogramSize { frames: 1024, mels: 128 };
        let draw = AudioCropDraw::To(Region { top: 256, left: 32, height: 512, width: 64 });
        let vector = |profile| {
            let mut vector = Vec::new();
            draw.encode(&Context { profile, source, output: source }, &mut vector);
            vector
        };
        assert_eq!(vector(Profile::Published), [1.0, 2.0, 0.03125, 4.0, 0.0625]);
        assert_eq!(vector(Profile::Corrected), [1.0, 0.25, 0.25, 0.5, 0.5]);
    }

    #[test]
    fn a_plane_stays_a_plane_between_its_values() {
        // Linear interpolation, antialiased or not, keeps a linear function where it need not
        // look beyond the region.
        let plane = Array2::from_shape_fn((20, 12), |(t, m)| 3.0 * t as f32 - 2.0 * m as f32);
        let region = Region { top: 4, left: 3, height: 10, width: 6 };
        for resampling in [Resampling::Linear, Resampling::Antialiased] {
            let cropped = resized_crop(&Spectrogram::new(plane.clone()), region, resampling);
            for ((t, m), value) in cropped.values().indexed_iter() {
                let (time, mel) = ((t as f32 + 0.5) / 2.0 - 0.5, (m as f32 + 0.5) / 2.0 - 0.5);
                if !(0.0..=9.0).contains(&time) || !(0.0..=5.0).contains(&mel) {
                    continue;
                }
                let expected = 3.0 * (4.0 + time) - 2.0 * (3.0 + mel);
                assert!((value - expected).abs() < 1e-4, "{resampling:?} {t} {m}: {value}");
            }
        }
    }
}
