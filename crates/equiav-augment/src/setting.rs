//! The numbers a recipe may hold, checked where they are read, so that nothing behind needs checks.

pub(crate) mod profile;

use rand::Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::random;

/// Why a number of a recipe was refused.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SettingError {
    /// A probability outside `[0, 1]`.
    #[error("{0} is no chance: expected a number from 0 to 1")]
    Chance(f64),
    /// A fraction outside `[0, 1]`.
    #[error("{0} is no share: expected a number from 0 to 1")]
    Share(f64),
    /// A number that is not above 0 and finite.
    #[error("{0} is not positive: expected a number above 0")]
    Positive(f64),
    /// Limits that are not positive, not finite or not in order.
    #[error("[{0}, {1}] is no interval: expected two positive numbers, the smaller one first")]
    Interval(f64, f64),
    /// A length at which no ladder of families ends.
    #[error("{length} is no length of the {modality} parameter vector: expected one of {choices}")]
    Length {
        /// The refused length.
        length: usize,
        /// Whose vector it was meant for.
        modality: crate::Modality,
        /// The lengths there are.
        choices: String,
    },
}

/// A setting that stands in the specification of the method.
///
/// The one place where a setting's value is written down; recipes that leave a key out get it.
pub trait Setting {
    /// The value that the specification names.
    fn spec() -> Self;
}

/// A probability, from 0 to 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Chance(f64);

impl Chance {
    /// What never happens.
    pub const NEVER: Self = Self(0.0);
    /// What always happens.
    pub const ALWAYS: Self = Self(1.0);

    /// The chance `value`.
    ///
    /// # Panics
    ///
    /// If `value` is outside `[0, 1]`; use `try_from` for numbers from outside.
    #[track_caller]
    pub const fn of(value: f64) -> Self {
        assert!(0.0 <= value && value <= 1.0, "Chance::of: expected a number from 0 to 1");
        Self(value)
    }

    /// The probability.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Tosses the coin. Takes one number from `rng` whatever the chance.
    pub fn strikes(self, rng: &mut impl Rng) -> bool {
        random::unit(rng) < self.0
    }
}

impl TryFrom<f64> for Chance {
    type Error = SettingError;

    fn try_from(value: f64) -> Result<Self, SettingError> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(SettingError::Chance(value))
        }
    }
}

impl From<Chance> for f64 {
    fn from(chance: Chance) -> f64 {
        chance.0
    }
}

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

impl Share {
    /// The share `value`.
    ///
    /// # Panics
    ///
    /// If `value` is outside `[0, 1]`; use `try_from` for numbers from outside.
    #[track_caller]
    pub const fn of(value: f64) -> Self {
        assert!(0.0 <= value && value <= 1.0, "Share::of: expected a number from 0 to 1");
        Self(value)
    }

    /// The fraction.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = SettingError;

    fn try_from(value: f64) -> Result<Self, SettingError> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(SettingError::Share(value)) }
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> f64 {
        share.0
    }
}

/// A number above 0.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Positive(f64);

impl Positive {
    /// The number `value`.
    ///
    /// # Panics
    ///
    /// Unless `value` is above 0 and finite; use `try_from` for numbers from outside.
    #[track_caller]
    pub const fn of(value: f64) -> Self {
        assert!(0.0 < value && value.is_finite(), "Positive::of: expected a number above 0");
        Self(value)
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Positive {
    type Error = SettingError;

    fn try_from(value: f64) -> Result<Self, SettingError> {
        if 0.0 < value && value.is_finite() {
            Ok(Self(value))
        } else {
            Err(SettingError::Positive(value))
        }
    }
}

impl From<Positive> for f64 {
    fn from(positive: Positive) -> f64 {
        positive.0
    }
}

/// Two positive limits, the smaller one first; written `[low, high]` in a recipe.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "[f64; 2]", into = "[f64; 2]")]
pub struct Interval {
    low: f64,
    high: f64,
}

impl Interval {
    /// The interval from `low` to `high`.
    ///
    /// # Panics
    ///
    /// Unless `0 < low <= high` and both are finite; use `try_from` for numbers from outside.
    #[track_caller]
    pub const fn of(low: f64, high: f64) -> Self {
        assert!(
            0.0 < low && low <= high && high.is_finite(),
            "Interval::of: expected two positive numbers, the smaller one first"
        );
        Self { low, high }
    }

    /// The lower limit.
    pub fn low(self) -> f64 {
        self.low
    }

    /// The upper limit.
    pub fn high(self) -> f64 {
        self.high
    }

    /// The interval with both limits multiplied by `factor`, which is positive.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self { low: self.low * factor, high: self.high * factor }
    }

    /// A number of the interval, each equally likely.
    pub fn uniform(self, rng: &mut impl Rng) -> f64 {
        self.low + (self.high - self.low) * random::unit(rng)
    }

    /// A number of the interval whose logarithm is uniform.
    pub fn log_uniform(self, rng: &mut impl Rng) -> f64 {
        let (low, high) = (self.low.ln(), self.high.ln());
        (low + (high - low) * random::unit(rng)).exp()
    }
}

impl TryFrom<[f64; 2]> for Interval {
    type Error = SettingError;

    fn try_from([low, high]: [f64; 2]) -> Result<Self, SettingError> {
        if 0.0 < low && low <= high && high.is_finite() {
            Ok(Self { low, high })
        } else {
            Err(SettingError::Interval(low, high))
        }
    }
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> [f64; 2] {
        [interval.low, interval.high]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_from_outside_are_refused_with_what_was_expected() {
        for bad in [1.5, -0.1, f64::NAN] {
            assert!(Chance::try_from(bad).is_err(), "{bad}");
            assert!(Share::try_from(bad).is_err(), "{bad}");
        }
        for bad in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            assert!(Positive::try_from(bad).is_err(), "{bad}");
        }
        for bad in [[0.0, 1.0], [2.0, 1.0], [1.0, f64::INFINITY], [f64::NAN, 1.0]] {
            assert!(Interval::try_from(bad).is_err(), "{bad:?}");
        }
        let message = Chance::try_from(1.5).expect_err("1.5 is refused").to_string();
        assert_eq!(message, "1.5 is no chance: expected a number from 0 to 1");
    }

    #[test]
    fn chances_keep_their_word() {
        let mut rng = random::stream(1, 2, 3, random::Purpose::Order);
        assert!((0..1000).all(|_| Chance::ALWAYS.strikes(&mut rng)));
        assert!(!(0..1000).any(|_| Chance::NEVER.strikes(&mut rng)));
        let heads = (0..10_000).filter(|_| Chance::of(0.2).strikes(&mut rng)).count();
        // Six standard deviations of a binomial around its mean of 2000.
        assert!(heads.abs_diff(2000) < 240, "{heads}");
    }
}
