//! The parameter vector, and what each of its numbers means.

pub(crate) mod words;

/// One number of a parameter vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// What it is called.
    pub name: &'static str,
    /// The smallest value it takes.
    pub min: f32,
    /// The largest value it takes.
    pub max: f32,
    /// What it says, unit included.
    pub meaning: &'static str,
    /// What its values stand for, evenly from `min` to `max`; empty where they are amounts.
    pub choices: &'static [&'static str],
}

impl Slot {
    /// A slot that is 0 or 1.
    pub const fn flag(name: &'static str, meaning: &'static str) -> Self {
        Self { name, min: 0.0, max: 1.0, meaning, choices: &[] }
    }

    /// A slot with values from `min` to `max`.
    pub fn range(name: &'static str, min: f64, max: f64, meaning: &'static str) -> Self {
        Self { name, min: min as f32, max: max as f32, meaning, choices: &[] }
    }

    /// The slot, whose values stand for `choices`, evenly from `min` to `max`.
    pub const fn one_of(self, choices: &'static [&'static str]) -> Self {
        Self { choices, ..self }
    }
}

/// The numbers that describe one augmentation to the model.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterVector(Vec<f32>);

impl ParameterVector {
    /// A vector of these numbers.
    pub(crate) fn new(values: Vec<f32>) -> Self {
        Self(values)
    }

    /// The numbers, in the order of the slots.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The numbers, in the order of the slots.
    pub fn into_vec(self) -> Vec<f32> {
        self.0
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
