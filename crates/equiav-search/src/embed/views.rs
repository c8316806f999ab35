//! From a file to the inputs of the networks, window by window; what the front end does to a sound or
//! picture in training, it does to each.

use std::path::Path;
use std::sync::OnceLock;

use equiav_augment::{Image, ImageSize, Modality, VisualAugment, transpose};
use equiav_corpora::cache_folder;
use equiav_data::ffmpeg::Ffmpeg;
use equiav_data::{MediaError, Orientation, read_picture_as, read_sound_start};
use equiav_frontend::{
    Analyzer, Filterbank, IMAGE_MEAN, IMAGE_STD, PaddedSpectrogram, Resampler, Waveform,
};
use equiav_ingest::{Fault, VideoReader};
use ndarray::Array3;

use super::files::{Medium, MediumFile};
use super::windows::{Cutting, FRAME, Span};
use equiav_train::recipe::Settings;

/// The longest sound that is held in memory, in seconds.
const LONGEST: f64 = 3_600.0;
/// The longest short side of a frame of a video, in pixels, unless the model sees more.
const SHORT_SIDE: usize = 360;

/// One window of a file as the network of its modality takes it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) modality: Modality,
    pub(super) span: Option<Span>,
    /// `[channels, height, width]`
    pub(super) input: Array3<f32>,
    /// How many columns of a spectrogram hold sound, from the start, the others being padding.
    pub(super) valid: Option<usize>,
}

/// From when to when, in milliseconds, what is heard and seen of a file is damaged.
#[derive(Debug, Default)]
pub(super) struct Damaged {
    sound: Vec<[u64; 2]>,
    picture: Vec<[u64; 2]>,
}

impl Damaged {
    /// Whether something of what `modality` has at `span` is.
    pub(super) fn concerns(&self, modality: Modality, span: Option<Span>) -> bool {
        let spans = if modality == Modality::AUDIO { &self.sound } else { &self.picture };
        let Some(Span { start, end }) = span else { return false };
        // A window shows the frame in its middle.
        let middle = (start + end) / 2;
        let [from, to] =
            if modality == Modality::AUDIO { [start, end] } else { [middle, middle + 1] };
        spans.iter().any(|[start, end]| *start < to && *end > from)
    }
}

/// Why a file gives no views.
#[derive(Debug)]
pub(super) enum Unread {
    /// What is wrong with it.
    File(String),
    /// What is wrong with the machine; the next file would fare no better.
    Machine(String),
}

impl Unread {
    fn of_media(error: MediaError) -> Self {
        if error.machine { Self::Machine(error.to_string()) } else { Self::File(error.reason) }
    }
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Self::File(reason)
    }
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Machine(reason) => Self::Machine(reason),
            Fault::Finding(finding) => Self::File(finding.to_string()),
        }
    }
}

/// Gets the views of a file, one after another.
type Take<'a> = dyn FnMut(View) -> Result<(), String> + 'a;

/// What files are read by.
#[derive(Debug)]
pub(super) struct Reader {
    analyzer: Analyzer,
    visual: VisualAugment,
    image: ImageSize,
    cutting: Cutting,
    /// Looked for when the first file needs it.
    ffmpeg: OnceLock<Result<Ffmpeg, String>>,
}

impl Reader {
    /// The reader of `recipe`.
    pub(super) fn new(recipe: &Settings, cutting: Cutting) -> anyhow::Result<Self> {
        Ok(Self {
            analyzer: Analyzer::new(recipe.front_end.clone())?,
            visual: recipe.augment.visual.clone(),
            image: recipe.front_end.image_size(),
            cutting,
            ffmpeg: OnceLock::new(),
        })
    }

    /// Gives every window of `file` to `take`; first what is heard, then what is seen. What turns out to be
    /// damaged of it is known at its end.
    ///
    /// # Errors
    ///
    /// If it cannot be read as a whole, for the file's own fault or the machine's.
    pub(super) fn read(&self, file: &MediumFile, take: &mut Take<'_>) -> Result<Damaged, Unread> {
        let path = &file.path;
        match file.medium {
            Some(Medium::Sound) => self.sound(&sound(path)?, take)?,
            Some(Medium::Picture) => {
                let orientation = Orientation::of(self.visual.profile);
                let image = read_picture_as(path, orientation).map_err(Unread::of_media)?;
                take(self.picture(&image, None))?;
            }
            // An unknown ending says nothing about the content.
            Some(Medium::Recording) | None if path.exists() => return self.recording(path, take),
            Some(Medium::Recording) | None => return Err("no such file".to_owned().into()),
        }
        Ok(Damaged::default())
    }

    fn recording(&self, path: &Path, take: &mut Take<'_>) -> Result<Damaged, Unread> {
        let recording = VideoReader::open(self.ffmpeg()?, path)?;
        let mut damaged = Damaged::default();
        if let Some(seconds) = recording.sound_seconds() {
            within_length(seconds)?;
            let (sound, spans) = recording.sound()?;
            damaged.sound = spans;
            self.sound(&sound, take)?;
        }
        let Some(seconds) = recording.picture_seconds() else { return Ok(damaged) };
        let spans: Vec<Span> = self.cutting.spans((seconds * 1e3).round() as u64).collect();
        let windows: Vec<[u64; 2]> = spans.iter().map(|span| [span.start, span.end]).collect();
        let mut spans = spans.iter();
        let frames = recording.frames(&windows, short_side(self.image.width), &mut |frame| {
            take(self.picture(&frame, spans.next().copied()))
        });
        damaged.picture = frames?;
        Ok(damaged)
    }

    fn ffmpeg(&self) -> Result<&Ffmpeg, Unread> {
        let found = || find_ffmpeg().map_err(|why| why.to_string());
        let found = self.ffmpeg.get_or_init(found).as_ref();
        found.map_err(|why| Unread::File(why.clone()))
    }

    /// Gives every window of a sound to `take`.
    fn sound(&self, sound: &Waveform, take: &mut Take<'_>) -> Result<(), String> {
        let front_end = self.analyzer.front_end();
        let rate = front_end.sample_rate.unwrap_or(sound.rate);
        let milliseconds = (sound.seconds() * 1e3).round() as u64;
        let (window, bank) = (self.cutting.window, Filterbank::new(rate, front_end.mels));
        let resampled = (rate != sound.rate).then(|| Waveform {
            samples: Resampler::new(sound.rate, rate).apply(&sound.samples),
            rate,
        });
        let own = resampled.as_ref().unwrap_or(sound);
        let frames = bank.frames(own.samples.len());
        if frames <= window {
            // Exactly what training and retrieval see, errors included.
            let (input, valid) = self.spectrogram(sound)?;
            let span = Some(Span { start: 0, end: milliseconds });
            return take(View { modality: Modality::AUDIO, span, input, valid });
        }
        let shift = (u64::from(rate) * FRAME / 1_000) as usize;
        let length = bank.samples(window);
        for first in self.cutting.starts(frames) {
            let samples = own.samples[first * shift..first * shift + length].to_vec();
            let (input, valid) = self.spectrogram(&Waveform { samples, rate })?;
            let span = Some(self.cutting.span(first, milliseconds));
            take(View { modality: Modality::AUDIO, span, input, valid })?;
        }
        Ok(())
    }

    /// `[1, mels, frames]`, and how many of the frames hold sound.
    fn spectrogram(&self, sound: &Waveform) -> Result<(Array3<f32>, Option<usize>), String> {
        let PaddedSpectrogram { spectrogram, valid } =
            self.analyzer.audio(&sound.samples, sound.rate).map_err(|error| error.to_string())?;
        let (frames, mels) = (spectrogram.frames(), spectrogram.mels());
        let mut values = vec![0.0; frames * mels];
        transpose(spectrogram.as_slice(), mels, &mut values);
        let values = Array3::from_shape_vec((1, mels, frames), values);
        Ok((values.expect("one value per mel bin and frame"), Some(valid)))
    }

    fn picture(&self, image: &Image, span: Option<Span>) -> View {
        let plain = self.visual.plain(image, self.image);
        let input = plain.standardized(IMAGE_MEAN, IMAGE_STD);
        View { modality: Modality::VISUAL, span, input, valid: None }
    }
}

/// The whole sound of the file at `path`.
fn sound(path: &Path) -> Result<Waveform, Unread> {
    let sound = read_sound_start(path, LONGEST + 1.0).map_err(Unread::of_media)?;
    within_length(sound.seconds())?;
    Ok(sound)
}

/// An FFmpeg of this machine.
///
/// # Errors
///
/// If there is none, with the ways to get one.
pub fn find_ffmpeg() -> anyhow::Result<Ffmpeg> {
    // Without a home folder there is one on the path still.
    Ok(Ffmpeg::find(cache_folder().ok().as_deref())?)
}

/// The longest short side of a frame for a model that sees `image` pixels each way.
pub(super) fn short_side(image: usize) -> u32 {
    SHORT_SIDE.max(image) as u32
}

pub(super) fn within_length(seconds: f64) -> Result<(), String> {
    if seconds > LONGEST {
        return Err(format!("is longer than {LONGEST} s: cut it into pieces"));
    }
    Ok(())
}
