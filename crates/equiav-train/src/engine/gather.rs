//! The rows of all ranks, which each compares its own with.

use std::collections::BTreeMap;
use std::sync::Arc;

use equiav_loss::Keys;
use equiav_torch::{Group, GroupError, gather_with_gradient, gather_without_gradient};
use tch::{Kind, Tensor};

use super::method::{Gather, Named};

/// The named rows of one step, of all ranks in their order.
#[derive(Debug)]
pub struct Gathered {
    named: Named,
    /// Where the rows of this rank begin.
    pub first: i64,
}

impl Gathered {
    /// Those of a lone process: its own.
    pub fn alone(own: &Named) -> Self {
        let named = own.iter().map(|(name, rows)| (name.clone(), rows.shallow_clone()));
        Self { named: named.collect(), first: 0 }
    }

    /// Gathers the rows of all ranks of `group`, each with as many as this one has in `own`, as `policy` says of
    /// each name. Names of one policy travel together, in one collective.
    ///
    /// # Errors
    ///
    /// If a process does not take part within the limit.
    pub fn gather(
        group: &Arc<dyn Group>,
        own: &Named,
        policy: impl Fn(&str) -> Gather,
    ) -> Result<Self, GroupError> {
        let mut gathered = Self::alone(own);
        if group.world() == 1 {
            return Ok(gathered);
        }
        let mut by_policy: BTreeMap<bool, Vec<&mut Tensor>> = BTreeMap::new();
        for (name, rows) in &mut gathered.named {
            match policy(name) {
                _ if rows.dim() == 0 => {}
                Gather::WithGradient => by_policy.entry(true).or_default().push(rows),
                Gather::Constant => by_policy.entry(false).or_default().push(rows),
                Gather::Own => {}
            }
        }
        let with = by_policy.remove(&true).unwrap_or_default();
        replace(with, |rows| gather_with_gradient(group, rows, "embeddings"))?;
        let without = by_policy.remove(&false).unwrap_or_default();
        replace(without, |rows| gather_without_gradient(group.as_ref(), rows, "constant keys"))?;
        gathered.first = group.rank() as i64 * rows(own);
        Ok(gathered)
    }

    /// The rows called `name`.
    ///
    /// # Panics
    ///
    /// If there are none of that name.
    #[track_caller]
    pub fn rows(&self, name: &str) -> &Tensor {
        self.named.get(name).unwrap_or_else(|| panic!("no rows are called `{name}`"))
    }

    /// What rows called `a` and `b` are compared with by a contrastive loss.
    ///
    /// # Panics
    ///
    /// As [`rows`](Self::rows).
    #[track_caller]
    pub fn keys(&self, a: &str, b: &str) -> Keys {
        let [a, b] = [a, b].map(|name| self.rows(name).shallow_clone());
        Keys { a, b, first: self.first }
    }
}

/// How many rows the tensors of `named` have.
pub(super) fn rows(named: &Named) -> i64 {
    named.values().filter_map(|tensor| tensor.size().first().copied()).max().unwrap_or(0)
}

/// Puts in the place of every `[n, d]` what `gather` makes of it, in one call for all of them.
fn replace(
    mut each: Vec<&mut Tensor>,
    gather: impl FnOnce(&Tensor) -> Result<Tensor, GroupError>,
) -> Result<(), GroupError> {
    if each.is_empty() {
        return Ok(());
    }
    let widths: Vec<i64> = each.iter().map(|rows| rows.size()[1]).collect();
    let side_by_side: Vec<Tensor> = each.iter().map(|rows| rows.to_kind(Kind::Float)).collect();
    let all = gather(&Tensor::cat(&side_by_side, 1))?;
    for (rows, part) in each.iter_mut().zip(all.split_with_sizes(&widths, 1)) {
        **rows = part;
    }
    Ok(())
}
