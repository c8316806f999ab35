//! Clips with everything that turns them into examples.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use equiav_augment::random::below;
use equiav_augment::{Image, Modality, Profile, Purpose, stream};
use rand::Rng;

use crate::error::{ClipError, DataError, MediaError};
use crate::features::batch::{Part, PartShape, Shapes, batch_rows, blank};
use crate::features::cache::Cache;
use crate::features::config::DatasetConfig;
use crate::features::example::{self, Example, ExamplePart, PlainExample, Row};
use crate::features::unreadable::Tally;
use crate::features::unreadable::Unreadable;
use crate::manifest::clips::Clips;
use crate::media::orientation::Orientation;
use crate::profiler::{self, Stage};
use equiav_frontend::{
    Analyzer, FrontEnd, InputAugment, InputKind, PaddedSpectrogram, Waveform, audio_input,
    image_input,
};

/// Clips as examples; the same clip and epoch give the same example, whoever asks and whatever is
/// cached.
#[derive(Debug)]
pub struct Dataset {
    config: DatasetConfig,
    analyzer: Analyzer,
    cache: Cache,
    tally: Mutex<Tally>,
    roots: Vec<PathBuf>,
}

impl Dataset {
    /// The data set of `config`; no file is opened.
    ///
    /// # Errors
    ///
    /// If the front end makes no sense, or the list of clips is empty.
    pub fn new(config: DatasetConfig) -> Result<Self, DataError> {
        if config.clips.is_empty() {
            return Err(DataError::Empty);
        }
        Ok(Self {
            analyzer: Analyzer::new(config.front_end.clone())?,
            cache: Cache::new(config.cache_bytes),
            tally: Mutex::default(),
            roots: config.clips.roots(),
            config,
        })
    }

    /// The clips.
    pub fn clips(&self) -> &Clips {
        &self.config.clips
    }

    /// How they become inputs.
    pub fn front_end(&self) -> &FrontEnd {
        &self.config.front_end
    }

    /// What is made of a clip under the name of each modality, and how that is augmented.
    pub fn views(&self) -> &BTreeMap<Modality, InputAugment> {
        &self.config.views
    }

    /// What is made of a clip under the name of `modality`.
    ///
    /// # Panics
    ///
    /// If there is no such modality.
    #[track_caller]
    pub fn kind(&self, modality: Modality) -> InputKind {
        let view = self.config.views.get(&modality);
        view.unwrap_or_else(|| panic!("the data set has no {modality} views")).kind()
    }

    /// Which way up its pictures are read: as `visual` or, without it, the first modality of pictures has it.
    pub fn orientation(&self) -> Orientation {
        let views = &self.config.views;
        let visual = views.get(&Modality::VISUAL).into_iter().chain(views.values());
        let profile = visual.filter_map(|view| match view {
            InputAugment::Image(augment) => Some(augment.profile),
            InputAugment::Spectrogram(_) => None,
        });
        Orientation::of(profile.into_iter().next().unwrap_or_default())
    }

    /// Parameter vectors sampled for a clip's centroid, per modality.
    pub fn centroid(&self) -> usize {
        self.config.centroid
    }

    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.config.seed
    }

    /// How many clips there are.
    pub fn len(&self) -> usize {
        self.config.clips.len()
    }

    /// Whether there is no clip; never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of decoded material are kept in memory.
    pub fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// What loaders of this data set could not read since it was made.
    pub fn unreadable(&self) -> Unreadable {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).summary()
    }

    pub(crate) fn tally(&self) -> &Mutex<Tally> {
        &self.tally
    }

    /// The training example of `clip` in `epoch`: both views, their vectors and the centroid's.
    ///
    /// # Errors
    ///
    /// If the clip's sound or picture cannot be used.
    ///
    /// # Panics
    ///
    /// If there is no such clip.
    pub fn example(&self, epoch: u64, clip: usize) -> Result<Example, ClipError> {
        let mut parts = blank(1, &self.shapes());
        for mut rows in batch_rows(&mut parts) {
            self.fill(epoch, clip, &mut rows)?;
        }
        let one = |(modality, part): (Modality, Part)| (modality, ExamplePart::only(part));
        Ok(Example { clip, parts: parts.into_iter().map(one).collect() })
    }

    /// Writes [`example`](Self::example) to `rows`, which have the sizes of [`shapes`](Self::shapes).
    pub(crate) fn fill(
        &self,
        epoch: u64,
        clip: usize,
        rows: &mut BTreeMap<Modality, Row<'_>>,
    ) -> Result<(), ClipError> {
        let random = |purpose| stream(self.config.seed, epoch, clip as u64, purpose);
        for (modality, row) in rows {
            let purposes = [Purpose::Augmentation(*modality), Purpose::Centroid(*modality)];
            let rngs = purposes.map(random);
            match &self.config.views[modality] {
                InputAugment::Spectrogram(augment) => {
                    let sound = self.sound(clip)?;
                    example::spectrogram(&self.config, augment, sound, rngs, row);
                }
                InputAugment::Image(augment) => {
                    let rng = random(Purpose::Frame(*modality));
                    let (frame, other) = self.frames(clip, augment.profile, rng);
                    let plain = self.picture(clip, frame)?;
                    let same = other == frame;
                    let augmented =
                        if same { Arc::clone(&plain) } else { self.picture(clip, other)? };
                    example::image(&self.config, augment, [&plain, &augmented], rngs, row);
                }
            }
        }
        Ok(())
    }

    /// The sizes of an example.
    pub(crate) fn shapes(&self) -> Shapes {
        let DatasetConfig { front_end, views, centroid, .. } = &self.config;
        let shape = |(modality, augment): (&Modality, &InputAugment)| {
            let (view, vector) = (augment.kind().shape(front_end), augment.len());
            (*modality, PartShape { view, vector, centroid: *centroid })
        };
        views.iter().map(shape).collect()
    }

    /// The evaluation example of `clip`: its middle frame and its sound, not augmented.
    ///
    /// # Errors
    ///
    /// As [`example`](Self::example); nothing is put in the place of a clip that cannot be read.
    ///
    /// # Panics
    ///
    /// If there is no such clip.
    pub fn plain(&self, clip: usize) -> Result<PlainExample, ClipError> {
        self.plain_frame(clip, self.config.clips.middle_frame(clip))
    }

    /// As [`plain`](Self::plain), with frame `frame`.
    ///
    /// # Errors
    ///
    /// As [`plain`](Self::plain).
    ///
    /// # Panics
    ///
    /// If there is no such clip.
    pub fn plain_frame(&self, clip: usize, frame: usize) -> Result<PlainExample, ClipError> {
        let mut example = PlainExample { clip, parts: BTreeMap::new(), valid: BTreeMap::new() };
        for (modality, augment) in &self.config.views {
            let input = match augment.kind() {
                InputKind::Spectrogram => {
                    let sound = self.sound(clip)?;
                    example.valid.insert(*modality, sound.valid);
                    audio_input(&sound.spectrogram)
                }
                InputKind::Image => image_input(&self.analyzer.image(&*self.picture(clip, frame)?)),
            };
            example.parts.insert(*modality, input);
        }
        Ok(example)
    }

    /// The frames of the plain and of the augmented view.
    fn frames(&self, clip: usize, profile: Profile, mut rng: impl Rng) -> (usize, usize) {
        let count = self.config.clips.frames(clip);
        let plain = below(count, &mut rng);
        // PUBLISHED: two-frames, published code draws the frame of the augmented view again; here
        // both show the same frame.
        match profile {
            Profile::Published => (plain, below(count, &mut rng)),
            Profile::Corrected => (plain, plain),
        }
    }

    fn sound(&self, clip: usize) -> Result<Arc<PaddedSpectrogram>, ClipError> {
        let clips = &self.config.clips;
        let make = || {
            let Waveform { samples, rate } = clips.sound(clip, self.config.front_end.window)?;
            // Nothing is booked where nothing is to be done.
            let same = self.config.front_end.sample_rate.is_none_or(|own| own == rate);
            let resampling = (!same).then(|| profiler::span(Stage::Resample));
            let samples = self.analyzer.resample(&samples, rate);
            drop(resampling);
            let _span = profiler::span(Stage::Filterbank);
            let spectrogram = self.analyzer.spectrogram(&samples);
            spectrogram.map_err(|why| MediaError::broken(&clips.sound_name(clip), why.to_string()))
        };
        self.cache.sound(clip, make).map_err(|error| self.clip_error(clip, error))
    }

    fn picture(&self, clip: usize, frame: usize) -> Result<Arc<Image>, ClipError> {
        let make = || self.config.clips.picture(clip, frame, self.orientation());
        self.cache.picture(clip, frame, make).map_err(|error| self.clip_error(clip, error))
    }

    /// A key of the bytes of the sound, or of the middle frame, of `clip`; equal material has equal
    /// keys, see [`content_key`](crate::content_key).
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    ///
    /// # Panics
    ///
    /// If there is no such clip or modality.
    pub fn content_key(&self, clip: usize, modality: Modality) -> Result<u64, ClipError> {
        let key = self.config.clips.content_key(clip, self.kind(modality));
        key.map_err(|error| self.clip_error(clip, error))
    }

    fn clip_error(&self, clip: usize, media: MediaError) -> ClipError {
        ClipError { clip, id: self.config.clips.id(clip).to_owned(), media }
    }

    /// The error of a thread that panicked at `clip`.
    pub(crate) fn panicked(&self, clip: usize, message: String) -> DataError {
        self.config.clips.panicked(clip, message)
    }

    /// The error of a whole folder that is gone, or of a machine that cannot read, if that is why `error`
    /// happened.
    pub fn folder_gone(&self, error: &ClipError) -> Option<DataError> {
        // A disk that drops out refuses files with other errors than a missing one too.
        let path = &error.media.path;
        let gone = self.roots.iter().find(|root| path.starts_with(root) && gone(root));
        let gone = gone
            .map(|folder| DataError::FolderGone { folder: folder.clone(), id: error.id.clone() });
        gone.or_else(|| error.media.machine.then(|| DataError::Machine(error.clone())))
    }
}

/// Whether a folder is not there, or is empty as the mount point of a missing disk is.
fn gone(folder: &std::path::Path) -> bool {
    let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}
