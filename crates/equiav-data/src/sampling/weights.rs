//! How often each clip is to be drawn: a file with one weight a line, such as those that balance
//! classes.

use std::path::Path;

use equiav_augment::random::unit;
use rand::Rng;

use crate::error::DataError;
use crate::manifest::table::{Row, rows};
use crate::manifest::text::text;

/// Weights of clips, by which they are drawn with replacement.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleWeights {
    /// The sum of the weights up to each clip, its own included.
    sums: Vec<f64>,
}

impl SampleWeights {
    /// Reads one weight a line from `path`, for `clips` clips in the order of their list; empty lines
    /// do not count, nor does a heading `weight`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a line is no finite number of at least 0, or there are not as many
    /// as clips.
    pub fn read(path: &Path, clips: usize) -> Result<Vec<f64>, DataError> {
        let bytes = std::fs::read(path).map_err(|error| DataError::io(path, error))?;
        let wrong = |reason: String| DataError::manifest(path, reason);
        let mut rows = text(&bytes).and_then(|text| rows(&text)).map_err(wrong)?;
        if rows.first().is_some_and(|row| is_heading(&row.fields)) {
            rows.remove(0);
        }
        let weight = |row: &Row| {
            let found = row.fields.join(",");
            let weight = found.parse::<f64>().ok().filter(|weight| is_weight(*weight));
            let line = row.line;
            weight.ok_or_else(|| {
                wrong(format!(
                    "line {line}: `{found}` is no weight, expected a number of at least 0"
                ))
            })
        };
        let weights: Vec<f64> = rows.iter().map(weight).collect::<Result<_, _>>()?;
        if weights.len() != clips {
            let lines = weights.len();
            return Err(wrong(format!("{lines} weights for {clips} clips: expected one a clip")));
        }
        Ok(weights)
    }

    /// The weights of clips in their order.
    ///
    /// # Errors
    ///
    /// If one is not finite or below 0, or none is above it.
    pub fn new(weights: &[f64]) -> Result<Self, String> {
        if let Some(wrong) = weights.iter().find(|weight| !is_weight(**weight)) {
            return Err(format!("{wrong} is no weight: expected a number of at least 0"));
        }
        let sums: Vec<f64> = weights
            .iter()
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        match sums.last() {
            Some(total) if *total > 0.0 && total.is_finite() => Ok(Self { sums }),
            _ => Err("no weight is above 0: there is nothing to draw".to_owned()),
        }
    }

    /// How many clips there are.
    pub(crate) fn clips(&self) -> usize {
        self.sums.len()
    }

    /// Draws a clip.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> usize {
        let place = unit(rng) * self.sums[self.sums.len() - 1];
        // The first whose sum lies beyond; one without weight never does before its predecessor.
        self.sums.partition_point(|sum| *sum <= place).min(self.sums.len() - 1)
    }
}

/// Whether a row names the column instead of holding a weight.
fn is_heading(fields: &[String]) -> bool {
    let known = ["weight", "weights", "sample_weight"];
    matches!(fields, [name] if known.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

fn is_weight(weight: f64) -> bool {
    weight.is_finite() && weight >= 0.0
}

#[cfg(test)]
mod tests {
    use equiav_augment::{Purpose, stream};

    use super::*;

    #[test]
    fn clips_are_drawn_as_often_as_their_weights_say() {
        let weights = SampleWeights::new(&[1.0, 0.0, 3.0, 0.5, 0.0]).unwrap();
        let mut rng = stream(1, 0, 0, Purpose::Order);
        let mut counts = [0; 5];
        for _ in 0..45_000 {
            counts[weights.draw(&mut rng)] += 1;
        }
        // Standard deviations below 110.
        for (count, expected) in counts.into_iter().zip([10_000, 0, 30_000, 5_000, 0]) {
            assert!(i32::abs(count - expected) <= 500, "{counts:?}");
        }
        assert_eq!((counts[1], counts[4]), (0, 0), "no weight, no draw");
    }

    #[test]
    fn files_hold_one_weight_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.csv");
        let read = |text: &str, clips| {
            std::fs::write(&path, text).unwrap();
            SampleWeights::read(&path, clips).map_err(|error| error.to_string())
        };
        assert_eq!(read("1.5\n 0\r\n2e-3\n\n", 3), Ok(vec![1.5, 0.0, 2e-3]));
        for (text, part) in [
            ("1\nx\n", "line 2: `x` is no weight"),
            ("1\n-1\n", "line 2: `-1` is no weight"),
            ("1\nnan\n", "line 2: `nan` is no weight"),
            ("1\n", "1 weights for 2 clips"),
            ("1\n2,5\n", "line 2: `2,5` is no weight"),
            ("clip\n1\n2\n", "line 1: `clip` is no weight"),
        ] {
            let error = read(text, 2).unwrap_err();
            assert!(error.contains("weights.csv") && error.contains(part), "{error}");
        }
        assert_eq!(read("\u{feff}\"Weight\"\r\"1.5\"\r2", 2), Ok(vec![1.5, 2.0]));
        let case = |name: &str| {
            let cases =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases/24-labels");
            SampleWeights::read(&cases.join(name), 12).unwrap_or_else(|error| panic!("{error}"))
        };
        for name in ["weights-bom.csv", "weights-crlf.csv"] {
            assert_eq!(case(name), [1.0; 12], "{name}");
        }
        assert!(SampleWeights::new(&[0.0, 0.0]).is_err() && SampleWeights::new(&[]).is_err());
    }
}
