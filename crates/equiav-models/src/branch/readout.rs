//! A linear map that is fitted, not trained: what stands behind a head when embeddings are compared.

use anyhow::ensure;
use tch::{Kind, Tensor, nn};

/// `(x - center) weight`: a map that a method fits on what its heads make of training clips, such as canonical
/// correlation analysis, and that is saved with the weights.
///
/// Until it is fitted it keeps the first components as they are. No gradient reaches it and no optimizer changes it.
#[derive(Debug)]
pub struct Readout {
    center: Tensor,
    weight: Tensor,
}

impl Readout {
    /// A map from `out` numbers to `components`; its variables go under `path`.
    pub(crate) fn new(path: &nn::Path, out: i64, components: i64) -> Self {
        let center = path.zeros_no_train("center", &[out]);
        let mut weight = path.zeros_no_train("weight", &[out, components]);
        let first = Tensor::eye(out, (Kind::Float, path.device())).narrow(1, 0, components);
        tch::no_grad(|| weight.copy_(&first));
        Self { center, weight }
    }

    /// How many numbers it makes.
    pub fn components(&self) -> i64 {
        self.weight.size()[1]
    }

    /// Puts a fitted map in the place of the one before.
    ///
    /// # Shapes
    ///
    /// - `center`: `[out]` or `[1, out]`, `weight`: `[out, components]`, of any kind
    ///
    /// # Errors
    ///
    /// If a size is another.
    pub fn set(&self, center: &Tensor, weight: &Tensor) -> anyhow::Result<()> {
        let center = center.flatten(0, -1);
        for (name, new, old) in
            [("center", &center, &self.center), ("weight", weight, &self.weight)]
        {
            let (new, old) = (new.size(), old.size());
            ensure!(new == old, "readout: {name} is {new:?}, and this one takes {old:?}");
        }
        let (mut own_center, mut own_weight) =
            (self.center.shallow_clone(), self.weight.shallow_clone());
        tch::no_grad(|| {
            own_center.copy_(&center);
            own_weight.copy_(weight);
        });
        Ok(())
    }

    /// `[.., out]` to `[.., components]`, in the precision of the weights.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        (x.to_kind(self.weight.kind()) - &self.center).matmul(&self.weight)
    }
}
