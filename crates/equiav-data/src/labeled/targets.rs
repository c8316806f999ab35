//! The classes of clips, and what a model should say of them.

use crate::error::DataError;
use crate::manifest::clips::Clips;
use crate::manifest::labels::Labels;

/// The classes of every clip of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// Per clip, the indices of its classes, each once, in ascending order.
    classes: Vec<Vec<usize>>,
    count: usize,
}

impl Targets {
    /// Looks the labels of `clips` up in `labels`.
    ///
    /// # Errors
    ///
    /// If a clip has a label that the table lacks, or none at all.
    pub fn of(clips: &Clips, labels: &Labels) -> Result<Self, DataError> {
        let classes = (0..clips.len()).map(|clip| {
            let unknown =
                |reason: String| DataError::Label { id: clips.id(clip).to_owned(), reason };
            let index = |label: &str| {
                let missing = || unknown(not_in_table(label, labels));
                labels.index_of(label).ok_or_else(missing)
            };
            let mut classes: Vec<usize> =
                clips.labels(clip).into_iter().map(index).collect::<Result<_, _>>()?;
            if classes.is_empty() {
                return Err(unknown("it has no label".to_owned()));
            }
            classes.sort_unstable();
            classes.dedup();
            Ok(classes)
        });
        Ok(Self { classes: classes.collect::<Result<_, _>>()?, count: labels.len() })
    }

    /// How many clips there are.
    pub fn clips(&self) -> usize {
        self.classes.len()
    }

    /// How many classes there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The indices of the classes of `clip`, ascending; at least one.
    ///
    /// # Panics
    ///
    /// If there is no such clip.
    pub fn classes(&self, clip: usize) -> &[usize] {
        &self.classes[clip]
    }

    /// Whether every clip has exactly one class.
    pub fn are_exclusive(&self) -> bool {
        self.classes.iter().all(|classes| classes.len() == 1)
    }

    /// The target of `clip`, mixed with a share of another one's, `[count]`.
    ///
    /// ```text
    /// target = smoothing / count + (1 − smoothing) ((1 − share) own + share other)
    /// ```
    ///
    /// with 1 in `own` and `other` at each class that a clip has. Of clips with one class the numbers
    /// sum up to 1 whatever is mixed.
    ///
    /// # Panics
    ///
    /// If there is no such clip.
    pub fn mixed(&self, clip: usize, other: Option<(usize, f64)>, smoothing: f64) -> Vec<f32> {
        let mut target = vec![smoothing / self.count as f64; self.count];
        let share = other.map_or(0.0, |(_, share)| share);
        let mut add = |clip: usize, share: f64| {
            for class in &self.classes[clip] {
                target[*class] += (1.0 - smoothing) * share;
            }
        };
        add(clip, 1.0 - share);
        if let Some((other, share)) = other {
            add(other, share);
        }
        target.into_iter().map(|value| value as f32).collect()
    }
}

/// Why the class of `label` is not known, and how a label with commas is written.
fn not_in_table(label: &str, labels: &Labels) -> String {
    let pieces =
        |known: &str| known.contains(',') && known.split(',').any(|one| one.trim() == label);
    let whole = labels.iter().find(|known| pieces(&known.mid));
    let help = whole.map_or(String::new(), |whole| {
        let list = serde_json::json!([whole.mid]);
        format!("; text is split at commas: write `labels` as a list, {list}")
    });
    format!("label `{label}` is not in the label table{help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_inside_a_label_works_as_a_list_and_is_told_of_as_text() {
        let case = |name: &str| {
            let cases = env!("CARGO_MANIFEST_DIR").to_owned() + "/../../fixtures/cases/24-labels/";
            std::path::PathBuf::from(cases + name)
        };
        let labels = Labels::read(&case("plain.csv")).unwrap();
        let of = |list: &str| {
            let clips = crate::Manifest::read(&case(list)).unwrap().into();
            Targets::of(&clips, &labels)
        };
        let targets = of("list.json").unwrap();
        assert_eq!(
            (targets.clips(), targets.classes(0), targets.classes(1)),
            (12, &[0][..], &[1][..])
        );
        let error = of("text.json").unwrap_err().to_string();
        let expected = "clip `clip0`: label `male speech` is not in the label table; text is split at commas: \
                        write `labels` as a list, [\"male speech, man speaking\"]";
        assert!(error.starts_with(expected), "{error}");
    }

    fn targets(classes: &[&[usize]], count: usize) -> Targets {
        Targets { classes: classes.iter().map(|classes| classes.to_vec()).collect(), count }
    }

    #[test]
    fn targets_equal_a_case_by_hand() {
        let targets = targets(&[&[0], &[2], &[0, 3]], 4);
        assert_eq!(targets.mixed(0, None, 0.0), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(targets.mixed(0, Some((1, 0.25)), 0.0), [0.75, 0.0, 0.25, 0.0]);
        assert_eq!(
            targets.mixed(0, Some((2, 0.25)), 0.0),
            [1.0, 0.0, 0.0, 0.25],
            "a class of both"
        );
        let smooth = targets.mixed(1, Some((2, 0.5)), 0.2);
        let expected = [0.05 + 0.4, 0.05, 0.05 + 0.4, 0.05 + 0.4];
        assert!(smooth.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6));
        assert!(!targets.are_exclusive());
    }

    #[test]
    fn mixing_keeps_the_sum_of_exclusive_targets() {
        let targets = targets(&[&[0], &[4], &[4]], 5);
        assert!(targets.are_exclusive());
        for share in [0.0, 0.3, 0.5, 0.97] {
            for smoothing in [0.0, 0.1] {
                for other in 0..3 {
                    let sum: f32 = targets.mixed(1, Some((other, share)), smoothing).iter().sum();
                    assert!((sum - 1.0).abs() < 1e-6, "{share} {smoothing} {other}: {sum}");
                }
            }
        }
    }
}
