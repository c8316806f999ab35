//! Cuts an input into square patches and maps each to a token.

use tch::{Tensor, nn};

use crate::layers::init;

/// Channels that the patch map expects; an input of one channel stands for three equal ones.
pub(crate) const CHANNELS: i64 = 3;

/// A convolution whose stride is its size, computed as one matrix product.
#[derive(Debug)]
pub(crate) struct PatchEmbedding {
    patch: i64,
    weight: Tensor,
    bias: Tensor,
}

impl PatchEmbedding {
    pub(crate) fn new(path: &nn::Path, patch: i64, width: i64) -> Self {
        let proj = path / "proj";
        let (from, shape) = (CHANNELS * patch * patch, [width, CHANNELS, patch, patch]);
        Self {
            patch,
            weight: init::xavier(&proj, "weight", &shape, from, width),
            bias: proj.var("bias", &[width], nn::Init::Const(0.0)),
        }
    }

    /// `[b, c, height, width]` with 1 or 3 channels to `[b, n, width]`, patches row by row.
    ///
    /// # Panics
    ///
    /// If there are other numbers of channels, or the patch does not divide height and width.
    #[track_caller]
    pub(crate) fn forward(&self, input: &Tensor) -> Tensor {
        let patches = self.cut(input);
        let weight = self.weight_for(input.size()[1]);
        patches.linear(&weight, Some(&self.bias))
    }

    /// `[b, c, height, width]` to the numbers of each patch, `[b, n, c patch²]`, patches row by row.
    ///
    /// # Panics
    ///
    /// If the patch does not divide height and width.
    #[track_caller]
    pub(crate) fn cut(&self, input: &Tensor) -> Tensor {
        let size = input.size();
        let [b, channels, height, width] = size[..] else {
            panic!("an encoder's input is [b, c, height, width], not {size:?}")
        };
        let (rows, columns, patch) = (height / self.patch, width / self.patch, self.patch);
        assert_eq!(
            (rows * patch, columns * patch),
            (height, width),
            "a patch of {patch} does not divide an input of {height} x {width}"
        );
        input
            .reshape([b, channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5]) // [b, rows, columns, c, patch, patch]
            .reshape([b, rows * columns, channels * patch * patch])
    }

    /// The kernel as a matrix. Equal channels are multiplied by the sum of their weights, which costs
    /// a third of multiplying each.
    #[track_caller]
    fn weight_for(&self, channels: i64) -> Tensor {
        match channels {
            1 => self.weight.sum_dim_intlist(1i64, false, None).flatten(1, -1),
            CHANNELS => self.weight.flatten(1, -1),
            other => panic!("an encoder's input has 1 or {CHANNELS} channels, not {other}"),
        }
    }
}
