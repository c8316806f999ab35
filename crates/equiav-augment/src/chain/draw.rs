//! One draw of a chain: what all its families do to one view.

use rand::Rng;

use super::link::short_name;
use super::{AnyDraw, Chain, Link};
use crate::{Context, Family, ParameterVector, View};

/// One draw of a [`Chain`], with nothing left to chance.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainDraw<X: View> {
    context: Context<X::Size>,
    length: usize,
    common: Vec<AnyDraw<X>>,
    augmented: Vec<AnyDraw<X>>,
    /// How many of `augmented`, from the first, the vector describes.
    encoded: usize,
}

impl<X: View> ChainDraw<X> {
    /// The draw of `chain` that changes nothing.
    pub(super) fn identity(chain: &Chain<X>, context: Context<X::Size>) -> Self {
        Self {
            context,
            length: chain.len(),
            common: chain.common.iter().map(Link::identity).collect(),
            augmented: chain.augmented.iter().map(Link::identity).collect(),
            encoded: chain.within().len(),
        }
    }

    /// A draw of `chain`: of the common families, then of those of the vector, in their order.
    pub(super) fn random(chain: &Chain<X>, context: Context<X::Size>, rng: &mut dyn Rng) -> Self {
        let mut drawn = Self::identity(chain, context);
        for (draw, link) in drawn.common.iter_mut().zip(&chain.common) {
            *draw = link.draw(&context, rng);
        }
        for (draw, link) in drawn.augmented.iter_mut().zip(chain.within()) {
            *draw = link.draw(&context, rng);
        }
        drawn
    }

    /// For what it was drawn.
    pub fn context(&self) -> &Context<X::Size> {
        &self.context
    }

    /// What was drawn of the family `F`, the first of that type.
    ///
    /// # Panics
    ///
    /// If the chain has no such family.
    #[track_caller]
    pub fn of<F: Family<X, Draw: 'static>>(&self) -> &F::Draw {
        let found = self.common.iter().chain(&self.augmented).find_map(AnyDraw::get);
        found.unwrap_or_else(|| panic!("of: the chain has no {}", short_name::<F>()))
    }

    /// What was drawn of the family `F`, the first of that type, to be changed.
    ///
    /// # Panics
    ///
    /// As [`of`](Self::of).
    #[track_caller]
    pub fn of_mut<F: Family<X, Draw: 'static>>(&mut self) -> &mut F::Draw {
        let found = self.common.iter_mut().chain(&mut self.augmented).find_map(AnyDraw::get_mut);
        found.unwrap_or_else(|| panic!("of_mut: the chain has no {}", short_name::<F>()))
    }

    /// What befalls both views alike.
    pub fn apply_common(&self, view: X) -> X {
        self.common.iter().fold(view, |view, draw| draw.apply(&self.context, view))
    }

    /// The augmented view, from the plain one (or, where they differ, from its source).
    pub fn apply(&self, view: &X) -> X {
        let Some((first, others)) = self.augmented.split_first() else { return view.clone() };
        let view = first.apply_to(&self.context, view);
        others.iter().fold(view, |view, draw| draw.apply(&self.context, view))
    }

    /// Where the material marked in `marks` is in the plain and in the augmented view.
    ///
    /// See [`Draw::carry`](crate::Draw::carry); `context` is that of the marks.
    pub(crate) fn carry(&self, context: &Context<X::Size>, marks: X) -> [X; 2] {
        let carry = |marks: X, draw: &AnyDraw<X>| draw.carry(context, marks);
        let plain = self.common.iter().fold(marks, carry);
        let augmented = self.augmented.iter().fold(plain.clone(), carry);
        [plain, augmented]
    }

    /// The numbers by which the model knows this draw.
    pub fn encode(&self) -> ParameterVector {
        let mut vector = Vec::with_capacity(self.length);
        self.encode_into(&mut vector);
        ParameterVector::new(vector)
    }

    /// Appends the numbers by which the model knows this draw.
    pub fn encode_into(&self, vector: &mut Vec<f32>) {
        for draw in &self.augmented[..self.encoded] {
            draw.encode(&self.context, vector);
        }
    }
}
