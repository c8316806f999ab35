//! Numbers of several frames side by side: one frame to a lane of a vector, so that none is shuffled.

use std::array::from_fn;
use std::ops::{Add, Mul, Sub};

/// Frames that are worked on at once.
pub(super) const LANES: usize = 8;

/// One number of each frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes(pub(super) [f64; LANES]);

/// One complex number of each frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Complex {
    pub(super) re: Lanes,
    pub(super) im: Lanes,
}

impl Lanes {
    pub(super) const ZERO: Self = Self([0.0; LANES]);
}

impl Add for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] + other.0[lane]))
    }
}

impl Sub for Lanes {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] - other.0[lane]))
    }
}

impl Mul for Lanes {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] * other.0[lane]))
    }
}

impl Mul<f64> for Lanes {
    type Output = Self;

    #[inline(always)]
    fn mul(self, factor: f64) -> Self {
        Self(self.0.map(|value| value * factor))
    }
}

impl Complex {
    pub(super) const ZERO: Self = Self { re: Lanes::ZERO, im: Lanes::ZERO };

    /// Times -i.
    #[inline(always)]
    pub(super) fn quarter_turn(self) -> Self {
        Self { re: self.im, im: Lanes::ZERO - self.re }
    }
}

impl Add for Complex {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

/// A turn of the complex plane by a negative angle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    cos: f64,
    sin: f64,
}

impl Turn {
    /// By nothing.
    pub(super) const NONE: Self = Self { cos: 1.0, sin: 0.0 };

    /// By `-circles` whole circles.
    pub(super) fn by(circles: f64) -> Self {
        let (sin, cos) = (std::f64::consts::TAU * circles).sin_cos();
        Self { cos, sin }
    }
}

impl Mul<Turn> for Complex {
    type Output = Self;

    #[inline(always)]
    fn mul(self, turn: Turn) -> Self {
        Self {
            re: self.re * turn.cos + self.im * turn.sin,
            im: self.im * turn.cos - self.re * turn.sin,
        }
    }
}
