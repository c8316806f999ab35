//! Decoded material kept in memory, so that epochs after the first decode nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use equiav_augment::Image;

use equiav_frontend::PaddedSpectrogram;

/// Material of clips, up to a number of bytes; what came first stays.
///
/// Epochs visit every clip once in a new order, so keeping the first is as good as any choice,
/// whereas dropping the oldest would drop exactly what comes next.
#[derive(Debug)]
pub(crate) struct Cache {
    budget: usize,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    sounds: HashMap<usize, Arc<PaddedSpectrogram>>,
    pictures: HashMap<(usize, usize), Arc<Image>>,
}

impl Cache {
    /// A cache of at most `budget` bytes; 0 keeps nothing.
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget, kept: RwLock::default() }
    }

    /// The spectrogram of `clip`, from memory or from `make`.
    pub(crate) fn sound<E>(
        &self,
        clip: usize,
        make: impl FnOnce() -> Result<PaddedSpectrogram, E>,
    ) -> Result<Arc<PaddedSpectrogram>, E> {
        let found = self.read(|kept| kept.sounds.get(&clip).cloned());
        if let Some(sound) = found {
            return Ok(sound);
        }
        let sound = Arc::new(make()?);
        let bytes = size_of::<f32>() * sound.spectrogram.values().len();
        self.keep(bytes, |kept| kept.sounds.insert(clip, Arc::clone(&sound)).is_none());
        Ok(sound)
    }

    /// Frame `frame` of `clip`, from memory or from `make`.
    pub(crate) fn picture<E>(
        &self,
        clip: usize,
        frame: usize,
        make: impl FnOnce() -> Result<Image, E>,
    ) -> Result<Arc<Image>, E> {
        let found = self.read(|kept| kept.pictures.get(&(clip, frame)).cloned());
        if let Some(picture) = found {
            return Ok(picture);
        }
        let picture = Arc::new(make()?);
        let bytes = picture.pixels().len();
        self.keep(bytes, |kept| {
            kept.pictures.insert((clip, frame), Arc::clone(&picture)).is_none()
        });
        Ok(picture)
    }

    /// How many bytes are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.read(|kept| kept.bytes)
    }

    fn read<T>(&self, look: impl FnOnce(&Kept) -> T) -> T {
        look(&self.kept.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps material of `bytes` if they fit; `insert` says whether it was new.
    fn keep(&self, bytes: usize, insert: impl FnOnce(&mut Kept) -> bool) {
        if bytes > self.budget {
            return;
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if bytes <= self.budget - kept.bytes && insert(&mut kept) {
            kept.bytes += bytes;
        }
    }
}
