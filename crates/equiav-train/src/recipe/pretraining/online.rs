//! When a few held-out clips are measured while training: by counts alone, so that neither a clock nor a restart moves
//! a measurement.

/// The share of the steps' time that measurements may take, unless the recipe says how often they are made.
const SHARE: f64 = 0.02;
/// Steps that lie between two measurements at least, unless the recipe says otherwise: what is made of embeddings takes
/// time too, and that does not shrink with the batch.
const LEAST: u64 = 50;

/// When a few held-out clips are measured while training, and how many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OnlineSchedule {
    /// Steps between two measurements; 0, none; absent, as many as keep their cost within a fiftieth of the steps'.
    pub every: Option<u64>,
    /// How many clips.
    pub clips: usize,
}

impl OnlineSchedule {
    /// No measurement.
    pub const OFF: Self = Self { every: Some(0), clips: 0 };

    /// Steps of `batch` clips between two measurements of `clips` clips, each of which takes at most `cost` times what a
    /// clip of a step does; none where nothing is measured.
    ///
    /// ```text
    /// every = ⌈cost · clips / (0.02 · batch)⌉, at least 50        unless the recipe says it
    /// ```
    ///
    /// A pass forward is at most half of a pass forward and back of the same clips, whatever the machine, so `cost` is
    /// known without a clock.
    pub fn interval(self, clips: usize, cost: f64, batch: usize) -> Option<u64> {
        let affordable =
            || ((cost * clips as f64 / (SHARE * batch as f64)).ceil() as u64).max(LEAST);
        Some(self.every.unwrap_or_else(affordable)).filter(|every| *every > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_take_their_share_and_no_more() {
        let free = OnlineSchedule { every: None, clips: 128 };
        for (clips, cost, batch) in [(128, 0.5, 32), (128, 2.0, 32), (16, 0.5, 8), (100, 0.5, 7)] {
            let every = free.interval(clips, cost, batch).expect("an interval");
            let share = cost * clips as f64 / (every as f64 * batch as f64);
            assert!(share <= SHARE && every >= LEAST, "{clips} clips every {every}: {share}");
        }
        assert_eq!(free.interval(128, 0.5, 32), Some(100));
        assert_eq!(
            free.interval(128, 0.5, 4096),
            Some(LEAST),
            "large batches pay for more than they must"
        );
    }

    #[test]
    fn what_the_recipe_says_counts() {
        let every = |every| OnlineSchedule { every: Some(every), clips: 128 };
        assert_eq!(every(3).interval(128, 0.5, 32), Some(3));
        assert_eq!(every(0).interval(128, 0.5, 32), None);
        assert_eq!(OnlineSchedule::OFF.interval(2, 0.5, 32), None);
    }
}
