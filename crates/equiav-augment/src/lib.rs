//! Augmentations of sound and picture with the parameter vectors that feed the predictor.
//!
//! An equivariant model is told what happened to its input. So every augmentation here is first
//! *drawn*, without seeing a view, and the one draw is then both *applied* to a view and *encoded*
//! as numbers, the parameter vector. No file is read, no tensor library is needed, and randomness
//! comes in as an argument.
//!
//! ```
//! use equiav_augment::jitter::Jitter;
//! use equiav_augment::{
//!     AudioAugment, AudioVector, Modality, Purpose, Spectrogram, View, stream,
//! };
//! use ndarray::Array2;
//!
//! // A standardized log-mel spectrogram, [frames, mels].
//! let plain = Spectrogram::new(Array2::from_shape_fn((256, 64), |(t, m)| ((t * m) as f32).sin()));
//! let size = plain.size();
//!
//! // The specification's settings; a recipe may change any of them.
//! let mut augment = AudioAugment::corrected(AudioVector::P24);
//! augment.family_mut::<Jitter>().chance = "0.5".parse::<f64>()?.try_into()?;
//!
//! // Seed, epoch and clip decide the draw: no thread, no order, no restart changes it.
//! let mut rng = stream(7, 0, 42, Purpose::Augmentation(Modality::AUDIO));
//! let views = augment.views(plain, &mut rng);
//! assert_eq!(views.augmented.size(), size);
//! assert_eq!(views.vector.len(), augment.slots().len());
//!
//! // Vectors of sixteen more draws, for the centroid, without touching a value.
//! let centroid = augment.sample(size, 16, &mut rng);
//! assert_eq!(centroid.dim(), (16, 24));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Adding an augmentation
//!
//! Write a struct of settings with [`Setting`], [`Family`] and serde's traits, and a type of drawn
//! values with [`Draw`], whose `Default` changes nothing; `audio/volume.rs` is a short one to copy.
//! A draw of sound that moves frames also has [`Draw::carry`]. [`laws`] checks both against what
//! every family satisfies. Then the family joins a chain.
//!
//! *In this crate*: put it into a file of `audio/` or `visual/`, add one line to the list
//! `augmented` in `audio.rs` or `visual.rs`, and the length at which the vector now ends to the
//! lengths there. Recipes, slots, the tables in `docs/`, the tests of the laws and the width of the model's input
//! follow from that list.
//!
//! *In another crate*: nothing here changes. A [`FamilyRegistry`] holds the family under its key,
//! and [`Chain::resolve`] turns the recipe's table of that key into the family at the end of the
//! chain. The vector may then be longer by its slots, and is as long as the recipe's `vector` says;
//! a shorter one leaves the family out. `examples/own-augmentation` is a whole crate of that kind.
//!
//! ```
//! # use equiav_augment::{AudioAugment, FamilyRegistry, Link, Setting, audio::volume::Volume};
//! # // A family of this crate stands for one of another.
//! # type Whisper = Volume;
//! let registry = FamilyRegistry::default().with(Link::new("whisper", Whisper::spec()));
//! let mut augment: AudioAugment = toml::from_str("vector = 28\nwhisper = { chance = 0.25 }")?;
//! // Without a registry the table is refused.
//! assert!(augment.check().is_err());
//! augment.resolve(&registry)?;
//! assert_eq!(augment.len(), 28);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod array;
pub mod audio;
mod audiovisual;
pub mod chain;
mod family;
pub mod laws;
mod modality;
pub mod random;
mod setting;
mod slot;
pub mod visual;

pub use array::image::{Image, ImageSize};
pub use array::spectrogram::{Spectrogram, SpectrogramSize};
pub use array::transpose::transpose;
pub use audio::{AudioAugment, AudioDraw, AudioVector};
pub use audiovisual::{blur, crop, jitter};
pub use chain::{Chain, ChainDraw, ChainError, FamilyRegistry, Link};
pub use family::{Context, Draw, Family, View, Views};
pub use modality::{Modality, ModalityError};
pub use random::{Purpose, stream};
pub use setting::profile::Profile;
pub use setting::{Chance, Interval, Positive, Setting, SettingError, Share};
pub use slot::words::phrases;
pub use slot::{ParameterVector, Slot};
pub use visual::{VisualAugment, VisualDraw, VisualVector};
