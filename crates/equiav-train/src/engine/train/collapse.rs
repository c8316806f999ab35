//! A run whose embeddings have become one ends early, and says so: what is left of its time would teach nothing.

use anyhow::bail;
use tch::{Kind, Tensor};

use super::super::method::Method;
use super::run::Run;
use crate::callback::{Callback, StepReport};
use crate::metrics::Metric;

/// How the measures are called that are watched, see [`Method::measures`](crate::Method::measures).
pub const SPREAD: &str = "spread_";
/// The spread below which embeddings count as one: all unit vectors within a hundredth of their mean.
const LEAST: f64 = 1e-4;
/// The share of a run's steps that a collapse has to last.
const PATIENCE: f64 = 0.05;

/// The mean square distance of unit vectors from their mean, `[]`, in [0, 1]: 0 where all are one, or nothing.
///
/// # Shapes
///
/// - `rows`: `[b, width]`, of any length
pub fn spread(rows: &Tensor) -> Tensor {
    let rows = rows.detach().to_kind(Kind::Float);
    let length = rows.norm_scalaropt_dim(2.0, [1i64].as_slice(), true).clamp_min(1e-12);
    let unit = rows / length;
    let mean = unit.mean_dim([0i64].as_slice(), true, Kind::Float);
    (unit - mean).square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float).mean(Kind::Float)
}

/// Counts the steps in a row after which embeddings are one, of batches, and of held-out clips whenever these are
/// measured.
#[derive(Debug)]
pub(super) struct CollapseWatch {
    /// How many are too many.
    patience: u64,
    lasted: u64,
    /// The first step of the last ones in a row after which held-out clips were one.
    held_out_since: Option<u64>,
}

impl CollapseWatch {
    /// Of a run of that many steps.
    pub(super) fn new(steps: u64) -> Self {
        Self {
            patience: ((steps as f64 * PATIENCE) as u64).max(2),
            lasted: 0,
            held_out_since: None,
        }
    }

    /// Takes note of a step; says what has collapsed once that has lasted too long.
    pub(super) fn note(&mut self, report: &StepReport) -> Option<String> {
        let measures = report.figures.measures.iter();
        let (name, least) = least(measures.map(|(name, value)| (name.as_str(), *value)))?;
        // Rows that are not finite have not collapsed: such a step is skipped, and counted elsewhere.
        if least.is_nan() || least >= LEAST {
            self.lasted = 0;
            return None;
        }
        self.lasted += 1;
        (self.lasted >= self.patience).then(|| {
            let since = report.step + 1 - self.lasted;
            format!("the embeddings of {name} are one for all clips since step {since} (spread {least:.1e})")
        })
    }

    /// Takes note of what was measured of held-out clips after `step`; says what has collapsed once that was so at
    /// every measurement for too long, of which there are at least two.
    pub(super) fn note_held_out(&mut self, step: u64, metrics: &[Metric]) -> Option<String> {
        let (name, least) =
            least(metrics.iter().map(|metric| (metric.name.as_str(), metric.value)))?;
        if least.is_nan() || least >= LEAST {
            self.held_out_since = None;
            return None;
        }
        let since = *self.held_out_since.get_or_insert(step);
        (step - since >= self.patience).then(|| {
            format!("the embeddings of {name} are one for all held-out clips since step {since} (spread {least:.1e})")
        })
    }
}

impl<M: Method> Run<'_, M> {
    /// Ends a run that has collapsed, with a checkpoint of where it stands.
    pub(super) fn stop_collapsed(
        &mut self,
        collapsed: &str,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<()> {
        self.save(callback)?;
        bail!(
            "{collapsed}, and the run is stopped (help: a lower optimizer.lr or other objective.weights in another \
             --out; run.stop_collapsed = false trains on)"
        )
    }
}

/// The least of the measures that are watched, and of what it is.
fn least<'a>(measures: impl Iterator<Item = (&'a str, f64)>) -> Option<(&'a str, f64)> {
    let spreads = measures.filter_map(|(name, value)| Some((name.strip_prefix(SPREAD)?, value)));
    spreads.min_by(|a, b| a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use tch::Device;

    use super::*;
    use crate::callback::Figures;

    #[test]
    fn a_spread_is_nothing_where_all_is_one() {
        tch::manual_seed(1);
        let value = |rows: &Tensor| spread(rows).double_value(&[]);
        let rows = Tensor::randn([64, 32], (Kind::Float, Device::Cpu));
        assert!(value(&rows) > 0.9);
        assert!((value(&rows) - value(&(&rows * 1e6))).abs() < 1e-6, "length does not count");
        assert_eq!(value(&Tensor::zeros([64, 32], (Kind::Float, Device::Cpu))), 0.0);
        let one = Tensor::ones([64, 32], (Kind::Float, Device::Cpu));
        assert!(value(&(&one + &rows * 1e-3)) < LEAST);
        assert!(value(&(one + rows)) > 0.3);
    }

    fn report(step: u64, spread: f64) -> StepReport {
        let measures = [("spread_audio".to_owned(), spread), ("spread_visual".to_owned(), 0.5)];
        let (terms, accuracies) = (BTreeMap::new(), BTreeMap::new());
        StepReport {
            epoch: 0,
            step,
            lr: 0.0,
            figures: Figures { loss: 0.0, terms, accuracies, measures: measures.into() },
            grad_norm: 0.0,
            gradient_norms: BTreeMap::new(),
            loss_scale: None,
            applied: true,
            clips: Vec::new(),
            batch: 0,
            memory: None,
            data_time: Duration::ZERO,
            batch_time: Duration::ZERO,
        }
    }

    #[test]
    fn a_collapse_has_to_last() {
        let mut watch = CollapseWatch::new(100);
        let spreads = [0.5, 1e-6, 1e-6, f64::NAN, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6];
        let told: Vec<_> = spreads
            .iter()
            .zip(1..)
            .map(|(spread, step)| watch.note(&report(step, *spread)))
            .collect();
        assert!(told[..8].iter().all(Option::is_none), "{told:?}");
        let message = told[8].as_ref().expect("five steps in a row are 5 %");
        assert!(message.contains("audio") && message.contains("since step 5"), "{message}");
        let spread =
            |value| [Metric::new("spread_audio", 0.4), Metric::new("spread_visual", value)];
        let mut seldom = CollapseWatch::new(1000);
        let told: Vec<_> = [(100, 1e-7), (140, 0.2), (200, 1e-7), (249, 1e-7), (300, 1e-7)]
            .map(|(step, value)| seldom.note_held_out(step, &spread(value)))
            .into();
        assert!(told[..4].iter().all(Option::is_none), "{told:?}");
        let message = told[4].as_ref().expect("50 steps of 1000 are 5 %");
        assert!(message.contains("visual") && message.contains("since step 200"), "{message}");
        let mut short = CollapseWatch::new(3);
        assert!(short.note(&report(1, 0.0)).is_none(), "a single step is none");
    }
}
