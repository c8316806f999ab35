//! How long a parameter vector of the built-in families may be.

use std::fmt::{self, Debug};
use std::marker::PhantomData;

use super::Ladder;
use crate::SettingError;

/// A length at which a ladder of the built-in families of `X` ends.
pub struct VectorLength<X> {
    length: usize,
    of: PhantomData<fn() -> X>,
}

impl<X> VectorLength<X> {
    /// A length; those of a modality are constants beside its chain.
    pub(crate) const fn new(length: usize) -> Self {
        Self { length, of: PhantomData }
    }

    /// How many numbers the vector has.
    pub const fn length(self) -> usize {
        self.length
    }
}

impl<X: Ladder> TryFrom<usize> for VectorLength<X> {
    type Error = SettingError;

    fn try_from(length: usize) -> Result<Self, SettingError> {
        let found = X::LENGTHS.iter().find(|choice| choice.length == length);
        found.copied().ok_or_else(|| {
            let choices: Vec<usize> = X::LENGTHS.iter().map(|choice| choice.length).collect();
            refusal::<X>(length, &choices)
        })
    }
}

/// Why `length` is none of `choices`.
pub(super) fn refusal<X: Ladder>(length: usize, choices: &[usize]) -> SettingError {
    let choices: Vec<String> = choices.iter().map(usize::to_string).collect();
    SettingError::Length { length, modality: X::MODALITY, choices: choices.join(", ") }
}

// Derived, these would ask for the same of `X`.
impl<X> Clone for VectorLength<X> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X> Copy for VectorLength<X> {}

impl<X> Debug for VectorLength<X> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "P{}", self.length)
    }
}

impl<X> PartialEq for VectorLength<X> {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length
    }
}

impl<X> Eq for VectorLength<X> {}
