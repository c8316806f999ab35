//! Masked autoencoding of one modality (He et al., arXiv 2111.06377): an encoder sees the patches that a mask leaves, a
//! small decoder draws the others.

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, nn};

use crate::config::{InputConfig, size};
use crate::encoder::block::{Block, Pass};
use crate::encoder::encode::ViewKind;
use crate::encoder::patch::CHANNELS;
use crate::encoder::position::sine_cosine_table;
use crate::encoder::{Encoder, EncoderConfig};
use crate::layers::init;
use crate::layers::mlp::MlpConfig;
use crate::layers::norm::Norm;
use crate::pool::PoolConfig;

/// What keeps the variance of a patch without contrast from 0, as published.
const LEAST_VARIANCE: f64 = 1e-6;

/// The shape of the decoder, which is dropped after training.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderConfig {
    /// Channels of a token; a multiple of 4 (position table) and of `heads`.
    pub width: i64,
    /// Number of blocks, at least 1.
    pub depth: i64,
    /// Attention heads of a block, at least 1.
    pub heads: i64,
    /// What follows the attention in a block.
    pub mlp: MlpConfig,
}

/// An encoder with the decoder that it is trained by.
///
/// ```text
/// L = 1 / |masked| Σ over masked patches of mean (decoder(encoder(visible)) - target)²
/// ```
#[derive(Debug)]
pub struct MaskedAutoencoder {
    encoder: Encoder,
    embed: nn::Linear,
    mask_token: Tensor,
    position: Tensor,
    blocks: Vec<Block>,
    norm: Norm,
    head: nn::Linear,
    normalize: bool,
}

/// What an autoencoder made of a batch, of masked patches alone.
#[derive(Debug)]
pub struct Reconstruction {
    /// The mean square error of each clip, `[b]`.
    pub loss: Tensor,
    /// The mean masked target of each clip, `[b, numbers]`, and its mean square, `[b, 1]`: of these the error is
    /// made that the best constant patch would have.
    pub target: [Tensor; 2],
}

impl DecoderConfig {
    fn check(&self) -> anyhow::Result<()> {
        let Self { width, heads, depth, .. } = *self;
        for (name, value) in [("width", width), ("heads", heads), ("depth", depth)] {
            size(&format!("decoder.{name}"), value)?;
        }
        ensure!(width % 4 == 0, "decoder.width = {width} is no multiple of 4");
        ensure!(width % heads == 0, "decoder.heads = {heads} does not divide width = {width}");
        Ok(())
    }

    /// The block of the decoder, as of an encoder.
    fn block(&self, patch: i64) -> EncoderConfig {
        EncoderConfig {
            width: self.width,
            depth: self.depth,
            heads: self.heads,
            patch,
            mlp: self.mlp,
            mask_padding: false,
            pool: PoolConfig::Mean,
            shared_from: None,
        }
    }
}

impl MaskedAutoencoder {
    /// An autoencoder of `input`s with `channels` 1 or 3; the encoder's parameters go under `root` and carry the
    /// published names with `suffix`, the decoder's under `decoder_SUFFIX`.
    ///
    /// With `normalize`, targets are patches with mean 0 and variance 1 each, else as they are.
    ///
    /// # Errors
    ///
    /// If the decoder's sizes do not fit together.
    pub fn new(
        root: &nn::Path,
        suffix: &str,
        (input, channels): (InputConfig, i64),
        (encoder, decoder): (&EncoderConfig, &DecoderConfig),
        normalize: bool,
    ) -> anyhow::Result<Self> {
        encoder.check(input)?;
        decoder.check()?;
        ensure!(channels == 1 || channels == CHANNELS, "{channels} channels: expected 1 or 3");
        let (patch, width) = (encoder.patch, decoder.width);
        let path = root / format!("decoder_{suffix}");
        let table = sine_cosine_table(input.height / patch, input.width / patch, width);
        let (blocks, block) = (&path / "blocks", decoder.block(patch));
        let built = encoder.build(root, suffix, input);
        Ok(Self {
            encoder: built,
            embed: init::linear(&path / "embed", encoder.width, width),
            mask_token: path.var(
                "mask_token",
                &[1, 1, width],
                nn::Init::Randn { mean: 0.0, stdev: 0.02 },
            ),
            position: {
                let mut position = path.zeros_no_train("pos_embed", &table.size());
                tch::no_grad(|| position.copy_(&table));
                position
            },
            blocks: (0..decoder.depth)
                .map(|number| Block::new(&(&blocks / number), &block))
                .collect(),
            norm: init::norm(&path / "norm", width),
            head: init::linear(&path / "head", width, channels * patch * patch),
            normalize,
        })
    }

    /// How many patches an input has.
    pub fn patches(&self) -> i64 {
        self.position.size()[1]
    }

    /// The mean of what the encoder makes of all patches of `input`, which is what stands for it.
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, channels, height, width]`
    /// - returns: `[b, width]`
    ///
    /// # Panics
    ///
    /// If the sizes differ from those.
    #[track_caller]
    pub fn embed(&self, input: &Tensor) -> Tensor {
        self.encoder.forward(input, ViewKind::Plain).mean_dim([1i64].as_slice(), false, Kind::Float)
    }

    /// Draws the patches of `input` that are not `visible`, and compares.
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, channels, height, width]`
    /// - `visible`: `[b, k]`, integers below [`patches`](Self::patches), distinct in each row; k below their number
    ///
    /// # Panics
    ///
    /// If the sizes differ from those.
    #[track_caller]
    pub fn reconstruct(&self, input: &Tensor, visible: &Tensor) -> Reconstruction {
        let tokens = self.encoder.encode_visible(input, visible);
        let drawn = self.decode(&tokens, visible);
        let target = self.target(input);
        let size = drawn.size();
        let masked = Tensor::ones([size[0], size[1]], (Kind::Float, drawn.device()))
            .scatter_value(1, visible, 0.0)
            .unsqueeze(-1); // [b, n, 1]
        let count = (size[1] - visible.size()[1]) as f64;
        let over =
            |values: &Tensor| (values * &masked).sum_dim_intlist(1i64, false, Kind::Float) / count;
        let numbers = |values: Tensor| values.mean_dim([-1i64].as_slice(), true, Kind::Float);
        let loss = over(&numbers((drawn - &target).square())).squeeze_dim(-1);
        Reconstruction { loss, target: [over(&target), over(&numbers(target.square()))] }
    }

    /// The patches of `input` as they are to be drawn, `[b, n, numbers]`.
    fn target(&self, input: &Tensor) -> Tensor {
        let patches = self.encoder.cut(input).to_kind(Kind::Float);
        if !self.normalize {
            return patches;
        }
        let mean = patches.mean_dim([-1i64].as_slice(), true, Kind::Float);
        let variance = patches.var_dim([-1i64].as_slice(), true, true);
        (patches - mean) / (variance + LEAST_VARIANCE).sqrt()
    }

    /// All patches, from the tokens `[b, k, width]` of the visible ones.
    fn decode(&self, tokens: &Tensor, visible: &Tensor) -> Tensor {
        let embedded = tokens.apply(&self.embed);
        let size = embedded.size();
        let place = visible.unsqueeze(-1).expand([-1, -1, size[2]], false);
        let masks =
            self.mask_token.to_kind(embedded.kind()).expand([size[0], self.patches(), -1], false);
        let all = masks.scatter(1, &place, &embedded) + &self.position;
        let all =
            self.blocks.iter().fold(all, |tokens, block| block.forward(&tokens, &Pass::default()));
        all.apply(&self.norm).apply(&self.head)
    }
}
