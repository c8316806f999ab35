//! Which clips of a list are trained on, and which are measured while training.

use equiav_augment::{Purpose, stream};

use crate::io::digest::list_digest;
use crate::labeled::Targets;
use crate::manifest::clips::Clips;
use crate::sampling::order::permutation;

/// A list of labeled clips in two parts that share none.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The positions to train on, ascending.
    pub train: Vec<usize>,
    /// The positions to measure while training, ascending.
    pub validation: Vec<usize>,
}

impl Split {
    /// Splits the clips of `targets` at random: the share `validation` of all, rounded, is measured; of
    /// the others all are trained on, or as many as make `per_class` of each class.
    ///
    /// The split depends on the seed and the list alone. A clip of several classes is taken while one
    /// of them has not enough yet. What is measured does not depend on `per_class`, and fewer per class
    /// are part of more.
    ///
    /// # Panics
    ///
    /// If `validation` is outside [0, 1].
    #[track_caller]
    pub fn draw(targets: &Targets, seed: u64, validation: f64, per_class: Option<usize>) -> Self {
        assert!((0.0..=1.0).contains(&validation), "Split::draw: {validation} is no share");
        let clips = targets.clips();
        let mut order = permutation(clips, &mut stream(seed, 0, 0, Purpose::Split));
        let mut train = order.split_off((validation * clips as f64).round() as usize);
        let mut taken = vec![0; targets.count()];
        if let Some(most) = per_class {
            train.retain(|clip| {
                let classes = targets.classes(*clip);
                let wanted = classes.iter().any(|class| taken[*class] < most);
                classes.iter().for_each(|class| taken[*class] += usize::from(wanted));
                wanted
            });
        }
        train.sort_unstable();
        order.sort_unstable();
        Self { train, validation: order }
    }

    /// A digest of the clips at `positions`, 12 hexadecimal digits: of ids and labels in their order.
    ///
    /// # Panics
    ///
    /// If there is no such clip.
    pub fn digest(clips: &Clips, positions: &[usize]) -> String {
        let fields = positions
            .iter()
            .flat_map(|clip| [clips.id(*clip).to_owned(), clips.labels(*clip).join(",")]);
        let fields: Vec<String> = fields.collect();
        list_digest(fields.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::labels::{Label, Labels};
    use crate::manifest::{Clip, Manifest, Pictures};

    use super::*;

    /// `clips` clips of `classes` classes in turn.
    fn targets(clips: usize, classes: usize) -> Targets {
        let clip = |number: usize| Clip {
            id: number.to_string(),
            sound: "s.wav".into(),
            pictures: Pictures::Still("p.png".into()),
            labels: vec![format!("class {}", number % classes)],
            factors: Default::default(),
        };
        let label = |class| Label { mid: format!("class {class}"), name: String::new() };
        let labels = Labels::new((0..classes).map(label).collect());
        Targets::of(&Manifest { clips: (0..clips).map(clip).collect() }.into(), &labels).unwrap()
    }

    #[test]
    fn parts_share_nothing_and_hold_what_was_asked_for() {
        let targets = targets(100, 4);
        let whole = Split::draw(&targets, 3, 0.2, None);
        assert_eq!((whole.validation.len(), whole.train.len()), (20, 80));
        let mut all = [&whole.train[..], &whole.validation[..]].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        let mut less = Vec::new();
        for per_class in [1, 5, 9] {
            let few = Split::draw(&targets, 3, 0.2, Some(per_class));
            assert_eq!(few.validation, whole.validation);
            for class in 0..4 {
                let own = few.train.iter().filter(|clip| targets.classes(**clip) == [class]);
                assert_eq!(own.count(), per_class, "class {class}");
            }
            assert!(less.iter().all(|clip| few.train.contains(clip)), "more hold fewer");
            assert!(few.train.iter().all(|clip| whole.train.contains(clip)));
            less = few.train;
        }
        assert_ne!(Split::draw(&targets, 4, 0.2, None), whole, "another seed, another split");
    }
}
