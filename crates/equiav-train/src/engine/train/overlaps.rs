//! What the lists that are measured have in common with the one that is trained on.

use std::collections::BTreeMap;
use std::sync::Arc;

use equiav_data::{Clips, Dataset, TrainOverlap};

use crate::callback::{Callback, Event};
use crate::clips::EvaluationLists;
use crate::metrics::Metrics;

/// By the name of the list; nothing before the first evaluation.
#[derive(Debug, Default)]
pub(super) struct Overlaps(Option<BTreeMap<String, TrainOverlap>>);

impl Overlaps {
    /// Puts the overlaps into the metrics of `lists`. They are found at the first call, which tells in one line if any
    /// clip is measured that is trained on.
    pub(super) fn note(
        &mut self,
        metrics: &mut Metrics,
        lists: &EvaluationLists<'_>,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<()> {
        let known = match self.0.take() {
            Some(known) => known,
            None => {
                let found = lists.world.rank0_then_broadcast("overlaps", || Ok(found(lists)))?;
                let warning = TrainOverlap::warning(&found).filter(|_| lists.world.is_main());
                warning.into_iter().for_each(|text| callback.on_event(&Event::Warning(text)));
                found
            }
        };
        for list in &mut metrics.lists {
            list.overlap = known.get(&list.list).cloned();
        }
        self.0 = Some(known);
        Ok(())
    }
}

/// The overlap of every list; none where arrays are trained on.
fn found(lists: &EvaluationLists<'_>) -> BTreeMap<String, TrainOverlap> {
    let of = |train: &Clips| {
        let one = |(name, list): &(String, Arc<Dataset>)| {
            (name.clone(), TrainOverlap::of(list.clips(), train))
        };
        lists.lists.iter().map(one).collect()
    };
    lists.train.clips().map(of).unwrap_or_default()
}
