//! One modality's vision transformer: patches, position, blocks, and a norm per kind of view.

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::block::{Block, Pass};
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
    /// Whether tokens that hold padding alone are left out of attention and of means; as published, they are not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mask_padding: bool,
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
    patch: i64,
    mask_padding: bool,
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
            patch: self.patch,
            mask_padding: self.mask_padding,
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
        self.forward_counted(input, view, None)
    }

    /// As [`forward`](Self::forward), of whose tokens those `counted` alone are attended to; the others are of no
    /// meaning afterwards.
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, c, height, width]`
    /// - `counted`: `[b, n]`, as [`counted`](Self::counted) tells; absent, all
    /// - returns: `[b, n, width]`, row by row
    ///
    /// # Panics
    ///
    /// If the sizes differ from those.
    #[track_caller]
    pub fn forward_counted(&self, input: &Tensor, view: View, counted: Option<&Tensor>) -> Tensor {
        self.norm_of(view, &self.before_norm(input, None, counted))
    }

    /// Which tokens count where the columns of the input that hold `material` are known: those with a column of it.
    /// None, for all, where the encoder masks no padding.
    ///
    /// An input without any material counts as a whole.
    ///
    /// # Shapes
    ///
    /// - `material`: `[b, width]` of the input, true where a column holds material
    /// - returns: `[b, n]`, row by row
    ///
    /// # Panics
    ///
    /// If the size differs from that.
    #[track_caller]
    pub fn counted(&self, material: Option<&Tensor>) -> Option<Tensor> {
        // PUBLISHED: padding-attended, the published code has no mask; here one is a setting.
        let material = material.filter(|_| self.mask_padding)?;
        let InputConfig { height, width } = self.input;
        let size = material.size();
        assert!(
            matches!(size[..], [_, columns] if columns == width),
            "this encoder's material is [b, {width}], not {size:?}"
        );
        let columns = material.unflatten(-1, [width / self.patch, self.patch]).any_dim(-1, false);
        let nothing = columns.any_dim(-1, true).logical_not();
        let columns = columns.logical_or(&nothing); // [b, columns]
        let rows = height / self.patch;
        Some(columns.unsqueeze(1).expand([-1, rows, -1], false).flatten(1, 2))
    }

    /// The tokens of plain `input` with the residual branches of every block multiplied by `factors`,
    /// which are 0 where a sample skips one: stochastic depth (arXiv 1603.09382).
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, c, height, width]`, of 1 or 3 channels
    /// - `factors`: `[depth, 2, b]`, for attention and feed-forward network
    /// - `counted`: `[b, n]`, see [`forward_counted`](Self::forward_counted)
    /// - returns: `[b, n, width]`, row by row
    ///
    /// # Panics
    ///
    /// If the sizes differ from those.
    #[track_caller]
    pub fn forward_scaled(
        &self,
        input: &Tensor,
        factors: &Tensor,
        counted: Option<&Tensor>,
    ) -> Tensor {
        let expected = [self.blocks.len() as i64, 2, input.size()[0]];
        assert_eq!(factors.size(), expected, "factors are [depth, 2, b]");
        self.norm_of(View::Plain, &self.before_norm(input, Some(factors), counted))
    }

    /// The tokens of the given views, in one pass of the blocks.
    ///
    /// Blocks treat each sample by itself, so one pass over both views gives what two would, with
    /// matrix products of twice the rows.
    #[track_caller]
    pub(crate) fn both(
        &self,
        plain: Option<&Tensor>,
        augmented: Option<&Tensor>,
        counted: [Option<&Tensor>; 2],
    ) -> Tokens {
        let (Some(clean), Some(changed)) = (plain, augmented) else {
            let tokens = |input, view, counted| self.forward_counted(input, view, counted);
            return Tokens {
                plain: plain.map(|input| tokens(input, View::Plain, counted[0])),
                augmented: augmented.map(|input| tokens(input, View::Augmented, counted[1])),
            };
        };
        let (first, second) = (clean.size()[0], changed.size()[0]);
        let counted = counted[0].zip(counted[1]);
        let counted = counted.map(|(plain, augmented)| Tensor::cat(&[plain, augmented], 0));
        let both = Tensor::cat(&[clean, changed], 0);
        let tokens = self.before_norm(&both, None, counted.as_ref());
        Tokens {
            plain: Some(self.norm_of(View::Plain, &tokens.narrow(0, 0, first))),
            augmented: Some(self.norm_of(View::Augmented, &tokens.narrow(0, first, second))),
        }
    }

    #[track_caller]
    fn before_norm(
        &self,
        input: &Tensor,
        factors: Option<&Tensor>,
        counted: Option<&Tensor>,
    ) -> Tensor {
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
            let pass = Pass {
                factors: factors.map(|factors| factors.get(number)),
                counted: counted.map(Tensor::shallow_clone),
            };
            self.run(block, &tokens, pass)
        })
    }

    fn run(&self, block: &Block, tokens: &Tensor, pass: Pass) -> Tensor {
        let Some(checkpoint) = self.checkpoint else { return block.forward(tokens, &pass) };
        let block = block.share();
        checkpoint(tokens, Box::new(move |tokens| block.forward(tokens, &pass)))
    }

    fn norm_of(&self, view: View, tokens: &Tensor) -> Tensor {
        match view {
            View::Plain => tokens.apply(&self.norm),
            View::Augmented => tokens.apply(&self.norm_augmented),
        }
    }
}

/// The mean over those of `tokens` `[b, n, width]` that are `counted`, `[b, n]`, or over all, to `[b, width]`.
pub(crate) fn mean_token(tokens: &Tensor, counted: Option<&Tensor>) -> Tensor {
    let Some(counted) = counted else { return tokens.mean_dim([1i64].as_slice(), false, None) };
    let counted = counted.unsqueeze(-1); // [b, n, 1]
    let sum = tokens.masked_fill(&counted.logical_not(), 0.0).sum_dim_intlist(1i64, false, None);
    sum / counted.sum_dim_intlist(1i64, false, tokens.kind())
}

/// The table as a variable that is saved and moved with the others but not trained.
fn position(root: &nn::Path, suffix: &str, table: &Tensor) -> Tensor {
    let mut position = root.zeros_no_train(&format!("pos_embed_{suffix}"), &table.size());
    tch::no_grad(|| position.copy_(table));
    position
}
