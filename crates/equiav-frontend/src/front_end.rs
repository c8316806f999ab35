//! The settings of the front end, which a checkpoint must carry to be used again; nothing is computed here.

use equiav_augment::{ImageSize, Profile, SpectrogramSize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{FrontEndError, LOG_FLOOR};

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
    /// [`FrontEndError::Setting`], with the key and what was expected.
    pub fn check(&self) -> Result<(), FrontEndError> {
        let wrong = |reason: String| Err(FrontEndError::Setting(reason));
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

    /// The standardized value of the area behind the end of a sound.
    ///
    /// Corrected: that of silence, `(ln(epsilon) - mean) / std`. Published: `(0 - mean) / std`,
    /// about +1.
    pub fn padding(&self) -> f32 {
        // PUBLISHED: padding-before-standardizing, zeros behind the filterbank are standardized
        // with it.
        let raw = if self.profile == Profile::Published { 0.0 } else { LOG_FLOOR };
        (raw - self.mean) / self.std
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small front end.
    pub(crate) fn front_end(profile: Profile) -> FrontEnd {
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
