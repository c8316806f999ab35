//! One modality's vision transformer: patches, position, blocks, and a norm per kind of view.

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::block::Block;
use crate::checkpoint::Checkpoint;
use crate::config::InputConfig;
use crate::init;
use crate::mlp::MlpConfig;
use crate::norm::Norm;
use crate::patch::PatchEmbedding;
use crate::position::sine_cosine_table;
use crate::share::Share;

/// The shape of an [`Encoder`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Channels of a token; a multiple of 4 (position table) and of `heads`.
    pub width: i64,
    /// Number of blocks, at least 1.
    pub depth: i64,
    /// Attention heads of a block, at least 1.
    pub heads: i64,
    /// Side of a patch in pixels or bins, at least 1.
    pub patch: i64,
    /// What follows the attention in a block.
    pub mlp: MlpConfig,
}

/// Which kind of view an input is; each has a final norm of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// As it was recorded.
    Plain,
    /// Transformed by an augmentation.
    Augmented,
}

/// A vision transformer without class token (section 2 of the paper's appendix).
#[derive(Debug)]
pub struct Encoder {
    input: InputConfig,
    patches: PatchEmbedding,
    position: Tensor,
    modality: Tensor,
    blocks: Vec<Block>,
    checkpoint: Option<Checkpoint>,
    norm: Norm,
    norm_augmented: Norm,
}

/// The tokens of the views that were asked for, each `[b, n, width]`.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) plain: Option<Tensor>,
    pub(crate) augmented: Option<Tensor>,
}

impl EncoderConfig {
    /// Makes the encoder of `input`s; its parameters go under `root` and carry `suffix`.
    ///
    /// # Panics
    ///
    /// If the sizes do not fit together; [`BranchConfig::check`](crate::BranchConfig::check) tells.
    pub fn build(&self, root: &nn::Path, suffix: &str, input: InputConfig) -> Encoder {
        let named = |name: &str| root / format!("{name}_{suffix}");
        let patches = PatchEmbedding::new(&named("patch_embed"), self.patch, self.width);
        let (rows, columns) = (input.height / self.patch, input.width / self.patch);
        let blocks = named("blocks");
        Encoder {
            input,
            patches,
            position: position(root, suffix, &sine_cosine_table(rows, columns, self.width)),
            modality: root.var(
                &format!("modality_{suffix}"),
                &[1, 1, self.width],
                nn::Init::Randn { mean: 0.0, stdev: 0.02 },
            ),
            blocks: (0..self.depth).map(|block| Block::new(&(&blocks / block), self)).collect(),
            checkpoint: None,
            norm: init::norm(named("norm"), self.width),
            norm_augmented: init::norm(root / format!("norm_{suffix}_aug"), self.width),
        }
    }
}

impl Encoder {
    /// Has every later pass run each block through `checkpoint`, or none.
    ///
    /// A training step takes about a third longer then, and remembers of each block its input alone.
    /// Neither results nor parameters change, and it is no part of the configuration.
    pub fn checkpoint_blocks(&mut self, checkpoint: Option<Checkpoint>) {
        self.checkpoint = checkpoint;
    }

    /// The tokens of `input`, a view of kind `view`.
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, c, height, width]`, of 1 or 3 channels; one channel stands for three equal ones
    /// - returns: `[b, n, width]`, row by row
    ///
    /// # Panics
    ///
    /// If the sizes differ from those the encoder was made for.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, view: View) -> Tensor {
        self.norm_of(view, &self.before_norm(input, None))
    }

    /// The tokens of plain `input` with the residual branches of every block multiplied by `factors`,
    /// which are 0 where a sample skips one: stochastic depth (arXiv 1603.09382).
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, c, height, width]`, of 1 or 3 channels
    /// - `factors`: `[depth, 2, b]`, for attention and feed-forward network
    /// - returns: `[b, n, width]`, row by row
    ///
    /// # Panics
    ///
    /// If the sizes differ from those.
    #[track_caller]
    pub fn forward_scaled(&self, input: &Tensor, factors: &Tensor) -> Tensor {
        let expected = [self.blocks.len() as i64, 2, input.size()[0]];
        assert_eq!(factors.size(), expected, "factors are [depth, 2, b]");
        self.norm_of(View::Plain, &self.before_norm(input, Some(factors)))
    }

    /// The tokens of the given views, in one pass of the blocks.
    ///
    /// Blocks treat each sample by itself, so one pass over both views gives what two would, with
    /// matrix products of twice the rows.
    #[track_caller]
    pub(crate) fn both(&self, plain: Option<&Tensor>, augmented: Option<&Tensor>) -> Tokens {
        let (Some(clean), Some(changed)) = (plain, augmented) else {
            return Tokens {
                plain: plain.map(|input| self.forward(input, View::Plain)),
                augmented: augmented.map(|input| self.forward(input, View::Augmented)),
            };
        };
        let (first, second) = (clean.size()[0], changed.size()[0]);
        let tokens = self.before_norm(&Tensor::cat(&[clean, changed], 0), None);
        Tokens {
            plain: Some(self.norm_of(View::Plain, &tokens.narrow(0, 0, first))),
            augmented: Some(self.norm_of(View::Augmented, &tokens.narrow(0, first, second))),
        }
    }

    #[track_caller]
    fn before_norm(&self, input: &Tensor, factors: Option<&Tensor>) -> Tensor {
        let InputConfig { height, width } = self.input;
        let size = input.size();
        // Transposed input may have as many patches; it must not pass for the right one.
        assert!(
            matches!(size[..], [_, _, rows, columns] if (rows, columns) == (height, width)),
            "this encoder's input is [b, c, {height}, {width}], not {size:?}"
        );
        let tokens = self.patches.forward(input);
        let tokens = tokens + &self.position + &self.modality;
        let blocks = self.blocks.iter().zip(0..);
        blocks.fold(tokens, |tokens, (block, number)| {
            self.run(block, &tokens, factors.map(|factors| factors.get(number)))
        })
    }

    fn run(&self, block: &Block, tokens: &Tensor, factors: Option<Tensor>) -> Tensor {
        let pass = move |block: &Block, tokens: &Tensor| match &factors {
            None => tokens.apply(block),
            Some(factors) => block.forward_scaled(tokens, factors),
        };
        let Some(checkpoint) = self.checkpoint else { return pass(block, tokens) };
        let block = block.share();
        checkpoint(tokens, Box::new(move |tokens| pass(&block, tokens)))
    }

    fn norm_of(&self, view: View, tokens: &Tensor) -> Tensor {
        match view {
            View::Plain => tokens.apply(&self.norm),
            View::Augmented => tokens.apply(&self.norm_augmented),
        }
    }
}

/// The table as a variable that is saved and moved with the others but not trained.
fn position(root: &nn::Path, suffix: &str, table: &Tensor) -> Tensor {
    let mut position = root.zeros_no_train(&format!("pos_embed_{suffix}"), &table.size());
    tch::no_grad(|| position.copy_(table));
    position
}
