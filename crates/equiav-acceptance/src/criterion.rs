//! A figure beside its bar.

use serde::Serialize;

/// What was measured with some seeds, and what it must be.
#[derive(Clone, Debug, Serialize)]
pub struct Criterion {
    /// What was measured.
    pub name: String,
    /// One number for each seed; a single one where nothing is drawn.
    pub values: Vec<f64>,
    /// What it must be.
    pub bar: Bar,
}

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bar {
    /// No less, in the mean over seeds.
    AtLeast(f64),
    /// No more, in the mean over seeds.
    AtMost(f64),
    /// Nothing: it stands beside another.
    Shown,
}

impl Criterion {
    /// A figure with its bar.
    pub fn new(name: impl Into<String>, values: Vec<f64>, bar: Bar) -> Self {
        Self { name: name.into(), values, bar }
    }

    /// The mean over seeds.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// Whether the mean clears the bar; what is not finite clears none.
    pub fn holds(&self) -> bool {
        let mean = self.mean();
        match self.bar {
            Bar::AtLeast(bar) => mean >= bar,
            Bar::AtMost(bar) => mean <= bar,
            Bar::Shown => true,
        }
    }

    /// The smallest and the largest value.
    pub fn range(&self) -> (f64, f64) {
        let smaller = |a: f64, b: &f64| a.min(*b);
        let larger = |a: f64, b: &f64| a.max(*b);
        (
            self.values.iter().fold(f64::INFINITY, smaller),
            self.values.iter().fold(f64::NEG_INFINITY, larger),
        )
    }
}

impl std::fmt::Display for Bar {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(bar) => write!(formatter, "at least {}", number(*bar)),
            Self::AtMost(bar) => write!(formatter, "at most {}", number(*bar)),
            Self::Shown => formatter.write_str("–"),
        }
    }
}

/// A number in as few digits as tell it: three behind the point, or a power of ten where it is smaller than that shows.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 5e-4 => format!("{value:.0e}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_that_is_no_number_clears_no_bar() {
        let figure = |values: &[f64], bar| Criterion::new("x", values.to_vec(), bar).holds();
        assert!(figure(&[0.5, 0.7], Bar::AtLeast(0.6)) && !figure(&[0.5, 0.6], Bar::AtLeast(0.6)));
        assert!(figure(&[0.5, 0.7], Bar::AtMost(0.6)) && !figure(&[0.7], Bar::AtMost(0.6)));
        for bar in [Bar::AtLeast(-1.0), Bar::AtMost(1.0)] {
            assert!(!figure(&[f64::NAN, 0.0], bar));
        }
    }
}
