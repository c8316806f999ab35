//! Embeddings that tell clips apart no more.

use equiav_eval::{Retrieval, UnitRows};

/// The mean square distance of unit vectors from their mean below which they count as one.
const LEAST_SPREAD: f64 = 1e-6;
/// The share of wrong candidates tied with the right one from which on scores tell nothing.
const MOST_TIED: f64 = 0.5;

/// In what the embeddings of the picture and of the sound, searched both ways, have collapsed.
///
/// All of a modality are one but for a thousandth of their length, or at least half of the wrong candidates score
/// exactly as high as the right one, in the mean over the queries. A single clip cannot collapse.
pub(super) fn collapse(rows: [&UnitRows; 2], ways: &[Retrieval; 2]) -> Option<String> {
    if rows[0].len() < 2 {
        return None;
    }
    for (name, rows) in ["picture", "sound"].into_iter().zip(rows) {
        if rows.spread() < LEAST_SPREAD {
            return Some(format!("every {name} has the same embedding"));
        }
    }
    for (name, way) in ["sounds", "pictures"].into_iter().zip(ways) {
        let share = way.tied_share.unwrap_or(0.0);
        if share >= MOST_TIED {
            return Some(format!(
                "{:.0} % of the wrong {name} score as high as the right one",
                100.0 * share
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use equiav_eval::Relevance;
    use ndarray::Array2;

    use super::*;
    use crate::eval::ranking;

    fn collapsed(visual: Array2<f32>, audio: Array2<f32>) -> Option<String> {
        let [visual, audio] =
            [visual, audio].map(|rows| UnitRows::new("rows", rows.view()).expect("finite"));
        let count = visual.len();
        let ranks = ranking::ranks(&visual, &audio, &Relevance::same(count)).expect("ranks");
        let ways = [ranks.rows_to_columns, ranks.columns_to_rows];
        let ways = ways.each_ref().map(|ranks| Retrieval::of_ranks(ranks, count));
        collapse([&visual, &audio], &ways)
    }

    #[test]
    fn embeddings_that_tell_nothing_apart_have_collapsed() {
        let spread = || {
            Array2::from_shape_fn((12, 5), |(row, column)| ((row * 7 + column * 3) as f32).sin())
        };
        let one = |noise: f32| {
            Array2::from_shape_fn((12, 5), |(row, column)| {
                (column as f32 + 1.0) * (1.0 + noise * ((row * 5 + column) as f32).sin())
            })
        };
        let two =
            Array2::from_shape_fn((12, 5), |(row, column)| f32::from(u8::from(column == row / 9)));
        assert_eq!(collapsed(spread(), spread()), None);
        for noise in [0.0, 1e-7, 1e-5] {
            let same = Some("every sound has the same embedding".to_owned());
            assert_eq!(collapsed(spread(), one(noise)), same, "{noise}");
            let same = Some("every picture has the same embedding".to_owned());
            assert_eq!(collapsed(one(noise), spread()), same, "{noise}");
        }
        assert_eq!(collapsed(spread(), one(0.1)), None);
        // Of 9 clips 8 others are tied, of 3 clips 2, of 11 others each.
        let two = collapsed(two.clone(), two).expect("two kinds of embeddings");
        assert_eq!(two, "59 % of the wrong sounds score as high as the right one");
        let alone = Array2::from_elem((1, 5), 1.0);
        assert_eq!(collapsed(alone.clone(), alone), None);
    }
}
