//! One modality's vision transformer: patches, position, blocks, and a norm per kind of view.

pub(crate) mod block;
pub(crate) mod checkpoint;
pub(crate) mod encode;
pub(crate) mod features;
pub(crate) mod patch;
pub(crate) mod position;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::config::InputConfig;
use crate::encoder::block::{Block, Pass, StackOptions};
use crate::encoder::checkpoint::Checkpoint;
use crate::encoder::encode::{Encode, EncodeOptions, Features, ViewKind};
use crate::encoder::patch::PatchEmbedding;
use crate::encoder::position::position_variable;
use crate::layers::init;
use crate::layers::mlp::MlpConfig;
use crate::layers::norm::Norm;
use crate::layers::share::Share;
use crate::pool::PoolConfig;

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
    /// What makes one point of the tokens; absent, their mean. No part of the encoder: who needs a point builds it.
    #[serde(default, skip_serializing_if = "PoolConfig::is_mean")]
    pub pool: PoolConfig,
    /// The block, counted from 0, from which on all modalities have the very same blocks and norms; absent, none is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_from: Option<i64>,
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

impl EncoderConfig {
    /// Makes the encoder of `input`s; its parameters go under `root` and carry `suffix`, those that are shared `shared`.
    ///
    /// # Panics
    ///
    /// If the sizes do not fit together, which [`BranchConfig::check`](crate::BranchConfig::check) tells, or `root` has an
    /// encoder of this suffix already.
    #[track_caller]
    pub fn build(&self, root: &nn::Path, suffix: &str, input: InputConfig) -> Encoder {
        let taken = root.get(&format!("modality_{suffix}")).is_some();
        assert!(!taken, "the store has an encoder `{suffix}` already");
        let named = |name: &str| root / format!("{name}_{suffix}");
        let is_shared = |block| self.shared_from.is_some_and(|first| block >= first);
        let last = if is_shared(self.depth) { "shared" } else { suffix };
        let patches = PatchEmbedding::new(&named("patch_embed"), self.patch, self.width);
        let (rows, columns) = (input.height / self.patch, input.width / self.patch);
        let block = |block| {
            let owner = if is_shared(block) { "shared" } else { suffix };
            Block::new(&(root / format!("blocks_{owner}") / block), self)
        };
        Encoder {
            input,
            patches,
            position: position_variable(root, suffix, [rows, columns], self.width),
            modality: root.var(
                &format!("modality_{suffix}"),
                &[1, 1, self.width],
                nn::Init::Randn { mean: 0.0, stdev: 0.02 },
            ),
            blocks: (0..self.depth).map(block).collect(),
            checkpoint: None,
            norm: init::norm(root / format!("norm_{last}"), self.width),
            norm_augmented: init::norm(root / format!("norm_{last}_aug"), self.width),
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

    /// The tokens of `input`, a view of kind `view`; [`Encode::encode`] gives more.
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
    pub fn forward(&self, input: &Tensor, view: ViewKind) -> Tensor {
        self.encode(input, &EncodeOptions::of(view)).tokens
    }

    /// The tokens of plain `input` with the residual branches of every block multiplied by `factors`,
    /// which are 0 where a sample skips one: stochastic depth (arXiv 1603.09382).
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, c, height, width]`, of 1 or 3 channels
    /// - `factors`: `[depth, 2, b]`, for attention and feed-forward network
    /// - `counted`: `[b, n]`, see [`EncodeOptions::counted`]
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
        let options = StackOptions { factors: Some(factors), counted, layers: &[] };
        self.norm_of(ViewKind::Plain, &self.before_norm(input, options).0)
    }

    /// The tokens of the `visible` patches of plain `input` alone, as a masked autoencoder needs them.
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, c, height, width]`, of 1 or 3 channels
    /// - `visible`: `[b, k]`, integers, the positions of patches counted row by row
    /// - returns: `[b, k, width]`, in the order of `visible`
    #[track_caller]
    pub(crate) fn encode_visible(&self, input: &Tensor, visible: &Tensor) -> Tensor {
        let tokens = self.patches.forward(input) + &self.position + &self.modality;
        let place = visible.unsqueeze(-1).expand([-1, -1, tokens.size()[2]], false);
        let seen = tokens.gather(1, &place, false);
        let pass = |tokens, block| self.run(block, &tokens, Pass::default());
        self.norm_of(ViewKind::Plain, &self.blocks.iter().fold(seen, pass))
    }

    /// The numbers of each patch of `input`, `[b, n, c patch²]`, patches row by row.
    #[track_caller]
    pub(crate) fn cut(&self, input: &Tensor) -> Tensor {
        self.patches.cut(input)
    }

    /// What the blocks make of `input`, and the outputs of those that are asked for.
    #[track_caller]
    fn before_norm(
        &self,
        input: &Tensor,
        StackOptions { factors, counted, layers: asked }: StackOptions<'_>,
    ) -> (Tensor, BTreeMap<usize, Tensor>) {
        let InputConfig { height, width } = self.input;
        let size = input.size();
        // Transposed input may have as many patches; it must not pass for the right one.
        assert!(
            matches!(size[..], [_, _, rows, columns] if (rows, columns) == (height, width)),
            "this encoder's input is [b, c, {height}, {width}], not {size:?}"
        );
        let depth = self.blocks.len();
        let known = asked.iter().all(|layer| *layer < depth);
        assert!(known, "this encoder has blocks 0 to {}, not {asked:?}", depth - 1);
        let mut tokens = self.patches.forward(input) + &self.position + &self.modality;
        let mut layers = BTreeMap::new();
        for (number, block) in self.blocks.iter().enumerate() {
            let pass = Pass {
                factors: factors.map(|factors| factors.get(number as i64)),
                counted: counted.map(Tensor::shallow_clone),
            };
            tokens = self.run(block, &tokens, pass);
            if asked.contains(&number) {
                layers.insert(number, tokens.shallow_clone());
            }
        }
        (tokens, layers)
    }

    fn run(&self, block: &Block, tokens: &Tensor, pass: Pass) -> Tensor {
        let Some(checkpoint) = self.checkpoint else { return block.forward(tokens, &pass) };
        let block = block.share();
        checkpoint(tokens, Box::new(move |tokens| block.forward(tokens, &pass)))
    }

    fn norm_of(&self, view: ViewKind, tokens: &Tensor) -> Tensor {
        match view {
            ViewKind::Plain => tokens.apply(&self.norm),
            ViewKind::Augmented => tokens.apply(&self.norm_augmented),
        }
    }
}

impl Encode for Encoder {
    fn width(&self) -> i64 {
        self.modality.size()[2]
    }

    #[track_caller]
    fn encode(&self, input: &Tensor, options: &EncodeOptions<'_>) -> Features {
        let EncodeOptions { view, counted, layers } = *options;
        let (tokens, layers) =
            self.before_norm(input, StackOptions { factors: None, counted, layers });
        Features {
            grid: self.grid(),
            layers,
            counted: counted.map(Tensor::shallow_clone),
            ..Features::new(self.norm_of(view, &tokens))
        }
    }

    /// In one pass of the blocks: they treat each sample by itself, so this gives what two passes would, with matrix
    /// products of twice the rows.
    #[track_caller]
    fn encode_pair(&self, views: [&Tensor; 2], counted: [Option<&Tensor>; 2]) -> [Tensor; 2] {
        let [first, second] = views.map(|view| view.size()[0]);
        let counted = counted[0].zip(counted[1]);
        let counted = counted.map(|(plain, augmented)| Tensor::cat(&[plain, augmented], 0));
        let options = StackOptions { counted: counted.as_ref(), ..StackOptions::default() };
        let (tokens, _) = self.before_norm(&Tensor::cat(&views, 0), options);
        [
            self.norm_of(ViewKind::Plain, &tokens.narrow(0, 0, first)),
            self.norm_of(ViewKind::Augmented, &tokens.narrow(0, first, second)),
        ]
    }

    /// Those with a column of material; an input without any counts as a whole.
    ///
    /// # Panics
    ///
    /// If `material` is of another width than the encoder's input.
    #[track_caller]
    fn counted(&self, material: Option<&Tensor>) -> Option<Tensor> {
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

    fn patches(&self, input: &Tensor) -> Option<Tensor> {
        Some(self.patches.forward(input) + &self.position + &self.modality)
    }

    fn blocks(&self) -> usize {
        self.blocks.len()
    }

    fn grid(&self) -> Option<[i64; 2]> {
        Some([self.input.height / self.patch, self.input.width / self.patch])
    }

    fn checkpoint_blocks(&mut self, checkpoint: Option<Checkpoint>) -> anyhow::Result<()> {
        self.checkpoint_blocks(checkpoint);
        Ok(())
    }
}
