//! A chain of families: settings that are drawn, applied and encoded one after another.
//!
//! A chain is a *ladder*: a parameter vector of length `P` holds the slots of the first families up
//! to `P`, and a family beyond that is not drawn, does not act and is not encoded.

mod draw;
mod length;
mod link;
mod registry;
mod table;

pub use draw::ChainDraw;
pub use length::VectorLength;
pub use link::{AnyDraw, ChainFamily, Link};
pub use registry::FamilyRegistry;
pub use table::ChainError;

use ndarray::Array2;
use rand::Rng;

use crate::{Context, Modality, Profile, SettingError, Slot, View};
use link::short_name;
use table::RawTables;

/// A view with families of its own: those of this crate, which a recipe may set without more ado.
///
/// Implemented for [`Spectrogram`](crate::Spectrogram) and [`Image`](crate::Image).
pub trait Ladder: View {
    /// Whose view it is.
    const MODALITY: Modality;
    /// Where the vector may end, shortest first; the last length is that of all families.
    const LENGTHS: &'static [VectorLength<Self>];
    /// The length that the specification names.
    const SPEC: VectorLength<Self>;

    /// The families that act on the plain and the augmented view alike, in order; they have no
    /// slots.
    fn common() -> Vec<Link<Self>>;

    /// The families that act on the augmented view only, in the order in which they act, which is
    /// also the order of their slots.
    fn augmented() -> Vec<Link<Self>>;
}

/// What happens to a view: families under their keys; also the section of a modality in a recipe.
///
/// Read from a recipe, it keeps tables whose families it does not know until
/// [`resolve`](Self::resolve) finds them among the families of other crates, or
/// [`check`](Self::check) refuses them; with such tables it draws nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain<X: View> {
    /// Whether the published behavior is wanted or the corrected one.
    pub profile: Profile,
    length: usize,
    common: Vec<Link<X>>,
    augmented: Vec<Link<X>>,
    raw: RawTables,
}

impl<X: Ladder> Chain<X> {
    /// The specification's settings with this profile and this length of vector.
    pub fn new(profile: Profile, vector: VectorLength<X>) -> Self {
        Self {
            profile,
            length: vector.length(),
            common: X::common(),
            augmented: X::augmented(),
            raw: RawTables::default(),
        }
    }

    /// The corrected profile with the specification's settings.
    pub fn corrected(vector: VectorLength<X>) -> Self {
        Self::new(Profile::Corrected, vector)
    }

    /// The published profile with the published length of vector.
    pub fn published() -> Self {
        Self::new(Profile::Published, X::SPEC)
    }

    /// The chain with one more family at its end. A vector of all families grows by its slots; a
    /// shorter one stays as it is, and the new family is not drawn.
    ///
    /// # Panics
    ///
    /// If the chain has a key of that name.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, link: Link<X>) -> Self {
        let key = link.key();
        let taken = self.keys().any(|known| known == key) || self.raw.has(key);
        assert!(!taken, "with: the chain has a key `{key}`");
        if self.length == self.n_slots() {
            self.length += link.n_slots();
        }
        self.augmented.push(link);
        self
    }

    /// Where the vector may end, shortest first: the lengths of the built-in families, then behind
    /// each other family.
    fn lengths(&self) -> Vec<usize> {
        let built_in = X::LENGTHS.iter().map(|choice| choice.length());
        let longest = built_in.clone().max().unwrap_or_default();
        let mut lengths: Vec<usize> = built_in.collect();
        let mut end = 0;
        for link in &self.augmented {
            end += link.n_slots();
            if end > longest && lengths.last() != Some(&end) {
                lengths.push(end);
            }
        }
        lengths
    }

    /// An error unless the vector ends where it may.
    fn check_length(&self) -> Result<(), SettingError> {
        let lengths = self.lengths();
        match lengths.contains(&self.length) {
            true => Ok(()),
            false => Err(length::refusal::<X>(self.length, &lengths)),
        }
    }
}

impl<X: View> Chain<X> {
    /// How many numbers its parameter vectors have.
    #[allow(clippy::len_without_is_empty, reason = "a vector is never empty")]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Its families: the common ones, then those that have slots, each in order.
    pub fn links(&self) -> impl Iterator<Item = &Link<X>> {
        self.common.iter().chain(&self.augmented)
    }

    /// The settings of the family `F`, the first of that type.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn family<F: ChainFamily<X>>(&self) -> &F {
        let found = self.links().find_map(Link::get);
        found.unwrap_or_else(|| panic!("family: the chain has no {}", short_name::<F>()))
    }

    /// The settings of the family `F`, the first of that type, to be changed.
    ///
    /// # Panics
    ///
    /// As [`family`](Self::family).
    #[track_caller]
    pub fn family_mut<F: ChainFamily<X>>(&mut self) -> &mut F {
        let found = self.links_mut().find_map(Link::get_mut);
        found.unwrap_or_else(|| panic!("family_mut: the chain has no {}", short_name::<F>()))
    }

    fn links_mut(&mut self) -> impl Iterator<Item = &mut Link<X>> {
        self.common.iter_mut().chain(&mut self.augmented)
    }

    /// The family under `key`.
    fn link_mut(&mut self, key: &str) -> Option<&mut Link<X>> {
        self.links_mut().find(|link| link.key() == key)
    }

    /// The keys of its table in a recipe.
    fn keys(&self) -> impl Iterator<Item = &'static str> {
        table::OWN_KEYS.into_iter().chain(self.links().map(Link::key))
    }

    /// How long a vector of all families is.
    fn n_slots(&self) -> usize {
        self.augmented.iter().map(Link::n_slots).sum()
    }

    /// The families that the vector describes: the first ones, up to its end.
    fn within(&self) -> &[Link<X>] {
        let mut end = 0;
        let inside = self.augmented.iter().take_while(|link| {
            end += link.n_slots();
            end <= self.length
        });
        &self.augmented[..inside.count()]
    }

    /// The families of the vector, by their key in a recipe, with their slots.
    #[track_caller]
    pub(crate) fn families_in(&self, context: &Context<X::Size>) -> Vec<(&'static str, Vec<Slot>)> {
        self.assert_resolved();
        self.within().iter().map(|link| (link.key(), link.slots(context))).collect()
    }

    /// Draws all families of the vector, in order.
    #[track_caller]
    pub(crate) fn draw_in(&self, context: Context<X::Size>, rng: &mut dyn Rng) -> ChainDraw<X> {
        self.assert_resolved();
        ChainDraw::random(self, context, rng)
    }

    /// The draw that changes nothing.
    #[track_caller]
    pub(crate) fn identity_in(&self, context: Context<X::Size>) -> ChainDraw<X> {
        self.assert_resolved();
        ChainDraw::identity(self, context)
    }

    /// Draws `count` times and keeps the vectors only.
    #[track_caller]
    pub(crate) fn sample_in(
        &self,
        context: Context<X::Size>,
        count: usize,
        rng: &mut dyn Rng,
    ) -> Array2<f32> {
        let mut vectors = Vec::with_capacity(count * self.len());
        for _ in 0..count {
            self.draw_in(context, rng).encode_into(&mut vectors);
        }
        Array2::from_shape_vec((count, self.len()), vectors).expect("every draw fills its slots")
    }
}
