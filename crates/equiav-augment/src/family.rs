//! The vocabulary of the crate: a view, a family of transformations of it, one drawn transformation.

use std::fmt::Debug;

use rand::Rng;

use crate::{Profile, Setting, Slot};

/// What augmentations act on.
pub trait View: Clone + 'static {
    /// How large a view is.
    type Size: Copy + Debug + PartialEq;

    /// The size of this view.
    fn size(&self) -> Self::Size;
}

/// All that a family knows when it draws and a draw knows when it acts, besides its own numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Context<S> {
    /// Whether the published behavior is wanted or the corrected one.
    pub profile: Profile,
    /// The size of the frame of reference: crops, masks and shifts are drawn and encoded in it.
    pub source: S,
    /// The size of the augmented view.
    pub output: S,
}

/// A family of transformations of `X`.
pub trait Family<X: View>: Setting {
    /// One transformation of the family.
    type Draw: Draw<X>;

    /// How many numbers of the parameter vector a draw fills.
    const SLOTS: usize;

    /// What those numbers are, in order.
    fn slots(&self, context: &Context<X::Size>) -> Vec<Slot>;

    /// Draws a transformation without seeing a view; equal streams give equal draws.
    fn draw(&self, context: &Context<X::Size>, rng: &mut impl Rng) -> Self::Draw;
}

/// One transformation of `X`, with nothing left to chance. `Default` is the identity.
pub trait Draw<X: View>: Clone + Debug + Default + PartialEq {
    /// Transforms `view`, keeping its size, unless the draw is what brings it to the output's size.
    fn apply(&self, context: &Context<X::Size>, view: X) -> X;

    /// Transforms a borrowed view; worth writing where the result has a buffer of its own anyway.
    fn apply_to(&self, context: &Context<X::Size>, view: &X) -> X {
        self.apply(context, view.clone())
    }

    /// Moves marks as [`apply`](Self::apply) moves what they stand on: ones where a view holds
    /// material, zeros where it holds padding alone.
    ///
    /// The marks of a spectrogram are one mel bin of it, `[frames, 1]`, and `context` has their
    /// size. The default, to leave them, is right for draws that change values in their place; one
    /// that moves or mixes frames must move the marks too.
    fn carry(&self, _context: &Context<X::Size>, marks: X) -> X {
        marks
    }

    /// Appends the numbers by which the model knows this draw.
    fn encode(&self, context: &Context<X::Size>, vector: &mut Vec<f32>);
}

/// Both views of one modality of a clip, and what tells them apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Views<X> {
    /// The view as it is.
    pub plain: X,
    /// The view after the augmentation.
    pub augmented: X,
    /// The numbers that describe the augmentation to the model.
    pub vector: crate::ParameterVector,
}
