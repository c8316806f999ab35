//! The clips of a data set, whether they lie in files of their own or in shards.

use std::path::{Path, PathBuf};

use equiav_augment::Image;

use crate::error::{DataError, MediaError};
use crate::io::digest::content_key;
use crate::io::digest::{bytes_key, list_digest};
use crate::manifest::{Clip, Manifest, Pictures};
use crate::media::orientation::Orientation;
use crate::media::picture::{decode_picture_as, read_picture_as};
use crate::media::sound::{decode_sound, decode_sound_start, read_sound, read_sound_start};
use crate::sampling::order::Portion;
use crate::shard::{ShardSource, Shards};
use equiav_frontend::{InputKind, Waveform};

/// Where clips lie; a position counts through them.
#[derive(Clone, Debug)]
pub enum Clips {
    /// Files that a manifest lists.
    Manifest(Manifest),
    /// Members of tar files.
    Shards(Shards),
}

impl From<Manifest> for Clips {
    fn from(manifest: Manifest) -> Self {
        Self::Manifest(manifest)
    }
}

impl From<Shards> for Clips {
    fn from(shards: Shards) -> Self {
        Self::Shards(shards)
    }
}

/// Every method that takes a clip's position panics if there is no such clip.
impl Clips {
    /// Opens what `name` stands for: a pattern of tar files or a folder of them (see
    /// [`expand`](crate::shard::expand)), else a manifest.
    ///
    /// # Errors
    ///
    /// As [`Shards::open`] and [`Manifest::read`].
    pub fn open(name: &str) -> Result<Self, DataError> {
        let path = Path::new(name);
        let tar = path.extension().is_some_and(|extension| extension == "tar");
        if tar || path.is_dir() {
            return Ok(Shards::open(&[ShardSource::from(name)])?.into());
        }
        Ok(Manifest::read(path)?.into())
    }

    /// How many clips there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Manifest(manifest) => manifest.clips.len(),
            Self::Shards(shards) => shards.len(),
        }
    }

    /// Whether there is no clip.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of `clip`: its id in the manifest, or its key.
    pub fn id(&self, clip: usize) -> &str {
        match self {
            Self::Manifest(manifest) => &manifest.clips[clip].id,
            Self::Shards(shards) => {
                let (_, contents, own) = shards.find(clip);
                contents.key(own)
            }
        }
    }

    /// The machine names of the labels of `clip`.
    pub fn labels(&self, clip: usize) -> Vec<&str> {
        match self {
            Self::Manifest(manifest) => {
                manifest.clips[clip].labels.iter().map(String::as_str).collect()
            }
            Self::Shards(shards) => {
                let (_, contents, own) = shards.find(clip);
                contents.labels(own).collect()
            }
        }
    }

    /// How many frames of `clip` there are to choose from; at least 1.
    pub fn frames(&self, clip: usize) -> usize {
        match self {
            Self::Manifest(manifest) => manifest.clips[clip].frames(),
            Self::Shards(shards) => {
                let (_, contents, own) = shards.find(clip);
                contents.pictures(own).max(1)
            }
        }
    }

    /// The frame that stands for `clip` in evaluation: number `frames / 2`.
    pub fn middle_frame(&self, clip: usize) -> usize {
        self.frames(clip) / 2
    }

    /// A digest of the list, 12 hexadecimal digits; of a manifest [`Manifest::digest`], of shards
    /// one of keys, labels and numbers of frames in their order.
    pub fn digest(&self) -> String {
        match self {
            Self::Manifest(manifest) => manifest.digest(),
            Self::Shards(_) => {
                let fields = (0..self.len()).flat_map(|clip| {
                    let frames = format!("{} frames", self.frames(clip));
                    [self.id(clip).to_owned(), self.labels(clip).join(","), frames]
                });
                let fields: Vec<String> = fields.collect();
                list_digest(fields.iter().map(String::as_str))
            }
        }
    }

    /// What an order of the clips must know: a manifest is one portion of one shard.
    pub fn portions(&self) -> Vec<Portion> {
        match self {
            Self::Manifest(manifest) => {
                vec![Portion { shards: vec![manifest.clips.len()], weight: 1.0 }]
            }
            Self::Shards(shards) => shards.portions(),
        }
    }

    /// What errors call the sound of `clip`.
    pub(crate) fn sound_name(&self, clip: usize) -> PathBuf {
        match self {
            Self::Manifest(manifest) => manifest.clips[clip].sound.clone(),
            Self::Shards(shards) => {
                let (_, contents, own) = shards.find(clip);
                let suffix = contents.sound(own).map_or("flac", |(suffix, _)| suffix);
                shards.member_name(clip, suffix)
            }
        }
    }

    /// The sound of `clip`, all of it or its first `window` seconds.
    ///
    /// # Errors
    ///
    /// If it is missing or cannot be decoded.
    pub fn sound(&self, clip: usize, window: Option<f64>) -> Result<Waveform, MediaError> {
        match (self, window) {
            (Self::Manifest(manifest), None) => read_sound(&manifest.clips[clip].sound),
            (Self::Manifest(manifest), Some(seconds)) => {
                read_sound_start(&manifest.clips[clip].sound, seconds)
            }
            (Self::Shards(shards), window) => {
                let (bytes, name) = (shard_sound(shards, clip)?, self.sound_name(clip));
                match window {
                    None => decode_sound(bytes, &name),
                    Some(seconds) => decode_sound_start(bytes, &name, seconds),
                }
            }
        }
    }

    /// Frame `frame` of `clip`, turned or not; of files the next earlier one that exists.
    ///
    /// # Errors
    ///
    /// If it is missing or cannot be decoded.
    pub fn picture(
        &self,
        clip: usize,
        frame: usize,
        orientation: Orientation,
    ) -> Result<Image, MediaError> {
        match self {
            Self::Manifest(manifest) => read_frame(&manifest.clips[clip], frame, orientation),
            Self::Shards(shards) => {
                let (name, bytes) = shard_picture(shards, clip, frame)?;
                decode_picture_as(&bytes, &name, orientation)
            }
        }
    }

    /// A key of the bytes of the sound or the middle frame of `clip`.
    pub(crate) fn content_key(&self, clip: usize, kind: InputKind) -> Result<u64, MediaError> {
        let frame = self.middle_frame(clip);
        match (self, kind) {
            (Self::Manifest(manifest), kind) => {
                let clip = &manifest.clips[clip];
                let key =
                    |path: &Path| content_key(path).map_err(|error| MediaError::io(path, &error));
                match kind {
                    InputKind::Spectrogram => key(&clip.sound),
                    InputKind::Image => first_frame(clip, frame, key),
                }
            }
            (Self::Shards(shards), InputKind::Spectrogram) => {
                Ok(bytes_key(&shard_sound(shards, clip)?))
            }
            (Self::Shards(shards), InputKind::Image) => {
                Ok(bytes_key(&shard_picture(shards, clip, frame)?.1))
            }
        }
    }

    /// The error of a thread that panicked at `clip`.
    pub(crate) fn panicked(&self, clip: usize, message: String) -> DataError {
        let file = match self {
            Self::Manifest(manifest) => manifest.clips[clip].sound.clone(),
            Self::Shards(shards) => shards.find(clip).0.to_owned(),
        };
        DataError::Panicked { id: self.id(clip).to_owned(), file, message }
    }

    /// The deepest folders that hold all files of one kind; when one is gone, so is every clip.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        match self {
            Self::Manifest(manifest) => {
                let clips = &manifest.clips;
                let sounds = clips.iter().map(|clip| parent(&clip.sound));
                let pictures = clips.iter().map(|clip| match &clip.pictures {
                    Pictures::Frames { folder, .. } => folder.as_path(),
                    Pictures::Still(path) => parent(path),
                });
                vec![common_folder(sounds), common_folder(pictures)]
            }
            Self::Shards(shards) => vec![common_folder(shards.paths().map(parent))],
        }
    }
}

/// The bytes of the sound of sample `clip`.
fn shard_sound(shards: &Shards, clip: usize) -> Result<Vec<u8>, MediaError> {
    let (_, contents, own) = shards.find(clip);
    let (suffix, place) = contents.sound(own).ok_or_else(|| {
        let reason = "the sample has no sound (flac, wav, mp3, ogg, or one for FFmpeg such as opus, m4a or aiff)";
        MediaError::broken(&shards.member_name(clip, "*"), reason)
    })?;
    shards.read(clip, suffix, place)
}

/// The bytes of picture `frame` of sample `clip`, and what errors call it.
fn shard_picture(
    shards: &Shards,
    clip: usize,
    frame: usize,
) -> Result<(PathBuf, Vec<u8>), MediaError> {
    let (_, contents, own) = shards.find(clip);
    let (suffix, place) = contents.picture(own, frame).ok_or_else(|| {
        let reason = format!("the sample has no picture {frame} (jpg, png or webp)");
        MediaError::broken(&shards.member_name(clip, "*"), reason)
    })?;
    Ok((shards.member_name(clip, suffix), shards.read(clip, suffix, place)?))
}

/// Frame `frame`, or the next earlier one that exists: short videos have fewer frames, as in
/// CAV-MAE's lists.
fn read_frame(clip: &Clip, frame: usize, orientation: Orientation) -> Result<Image, MediaError> {
    first_frame(clip, frame, |path| read_picture_as(path, orientation))
}

/// What `read` makes of frame `frame`, or of the next earlier one that is not missing.
fn first_frame<T>(
    clip: &Clip,
    frame: usize,
    read: impl Fn(&Path) -> Result<T, MediaError>,
) -> Result<T, MediaError> {
    let wanted = clip.frame_path(frame);
    let mut found = read(&wanted);
    for earlier in (0..frame).rev() {
        if !matches!(&found, Err(error) if error.missing) {
            return found;
        }
        found = read(&clip.frame_path(earlier));
    }
    found.map_err(|error| if error.missing { MediaError { path: wanted, ..error } } else { error })
}

/// The folder that a file lies in.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The deepest folder that all `folders` lie in.
fn common_folder<'a>(mut folders: impl Iterator<Item = &'a Path>) -> PathBuf {
    let first = folders.next().unwrap_or(Path::new("")).to_owned();
    let common = |common: PathBuf, folder: &Path| {
        let pairs = common.components().zip(folder.components());
        pairs.take_while(|(left, right)| left == right).map(|(left, _)| left).collect()
    };
    folders.fold(first, common)
}
