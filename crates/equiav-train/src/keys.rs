//! The rows of all processes, which each compares its own with.

use std::collections::BTreeMap;
use std::sync::Arc;

use equiav_augment::{Modality, Profile};
use equiav_loss::Keys;
use equiav_models::{Embeddings, IntraPair};
use equiav_torch::{Group, GroupError, gather_with_gradient, gather_without_gradient};
use tch::{Kind, Tensor};

use crate::settings::Settings;

/// The embeddings of one step, of all processes in the order of their ranks.
#[derive(Debug)]
pub struct Everyone {
    embeddings: BTreeMap<Modality, Embeddings>,
    /// Where the rows of this process begin.
    first: i64,
}

impl Everyone {
    /// Those of a lone process: its own.
    pub fn alone(own: &BTreeMap<Modality, Embeddings>) -> Self {
        let copy = |one: &Embeddings| Embeddings {
            intra: one.intra.as_ref().map(|pair| IntraPair {
                predicted: pair.predicted.shallow_clone(),
                augmented: pair.augmented.shallow_clone(),
            }),
            inter: one.inter.shallow_clone(),
        };
        let embeddings = own.iter().map(|(modality, one)| (*modality, copy(one))).collect();
        Self { embeddings, first: 0 }
    }

    /// Gathers the rows of all processes of `group`, each with as many as this one has in `own`.
    ///
    /// Gradients reach all of them, except that under the published profile the rows for the
    /// inter-modal loss are constants where there is more than one process, its own rows too.
    ///
    /// # Errors
    ///
    /// If a process does not take part within the limit.
    pub fn gather(
        group: &Arc<dyn Group>,
        own: &BTreeMap<Modality, Embeddings>,
        recipe: &Settings,
    ) -> Result<Self, GroupError> {
        if group.world() == 1 {
            return Ok(Self::alone(own));
        }
        let mut gathered = Self::alone(own);
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for one in gathered.embeddings.values_mut() {
            if let Some(pair) = &mut one.intra {
                with.extend([&mut pair.predicted, &mut pair.augmented]);
            }
            // PUBLISHED: keys-without-gradient, the published code gathers these rows without gradient.
            match recipe.profile {
                Profile::Published => without.push(&mut one.inter),
                Profile::Corrected => with.push(&mut one.inter),
            }
        }
        replace(with, |rows| gather_with_gradient(group, rows, "embeddings"))?;
        replace(without, |rows| gather_without_gradient(group.as_ref(), rows, "inter-modal keys"))?;
        let rows = own.values().map(|one| one.inter.size()[0]).max().unwrap_or(0);
        gathered.first = group.rank() as i64 * rows;
        Ok(gathered)
    }

    /// What rows of the intra-modal loss of `modality` are compared with.
    ///
    /// # Panics
    ///
    /// If that modality has no intra-modal loss.
    #[track_caller]
    pub(crate) fn intra(&self, modality: Modality) -> Keys {
        let pair = self.embeddings[&modality].intra.as_ref().expect("an intra-modal pair");
        let (a, b) = (pair.predicted.shallow_clone(), pair.augmented.shallow_clone());
        Keys { a, b, first: self.first }
    }

    /// What rows of the inter-modal loss are compared with.
    pub(crate) fn inter(&self) -> Keys {
        let [a, b] = [Modality::Audio, Modality::Visual]
            .map(|modality| self.embeddings[&modality].inter.shallow_clone());
        Keys { a, b, first: self.first }
    }
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
