//! One modality's whole network; what a step needs of it is in `forward.rs`.

mod forward;
pub(crate) mod parts;
pub(crate) mod readout;
pub(crate) mod variant;
pub(crate) mod views;

use tch::{Tensor, nn};

use crate::branch::readout::Readout;
use crate::config::BranchConfig;
use crate::encoder::checkpoint::Checkpoint;
use crate::encoder::encode::{Encode, EncodeOptions, Features, ViewKind};
use crate::pool::{Pool, PoolOutput};
use crate::predictor::Predict;

/// The network of one modality: encoder, pool, predictor and two heads, each as configured or from outside.
#[derive(Debug)]
pub struct Branch {
    config: BranchConfig,
    encoder: Box<dyn Encode>,
    pool: Box<dyn Pool>,
    predictor: Box<dyn Predict>,
    intra_head: Box<dyn nn::Module>,
    inter_head: Box<dyn nn::Module>,
    aggregate: Box<dyn Pool>,
    readout: Option<Readout>,
    conditioner: Option<Box<dyn Predict>>,
    pools_by_mean: bool,
}

impl Branch {
    /// What the branch was made from; of parts from outside it tells nothing.
    pub fn config(&self) -> &BranchConfig {
        &self.config
    }

    /// Its encoder.
    pub fn encoder(&self) -> &dyn Encode {
        &*self.encoder
    }

    /// How many rows and columns of tokens there are, see [`Encode::grid`].
    pub fn grid(&self) -> Option<[i64; 2]> {
        self.encoder.grid()
    }

    /// Whether it pools by the mean of the tokens that count.
    pub fn pools_by_mean(&self) -> bool {
        self.pools_by_mean
    }

    /// As [`Encode::checkpoint_blocks`], of this branch's encoder.
    ///
    /// # Errors
    ///
    /// If an encoder from outside offers no blocks.
    pub fn checkpoint_blocks(&mut self, checkpoint: Option<Checkpoint>) -> anyhow::Result<()> {
        self.encoder.checkpoint_blocks(checkpoint)
    }

    /// The tokens of `input`, a view of kind `view`; [`features`](Self::features) gives more.
    ///
    /// # Shapes
    ///
    /// - `input`: `[b, c, height, width]`, of 1 or 3 channels; one channel stands for three equal ones
    /// - returns: `[b, n, width]`, row by row
    ///
    /// # Panics
    ///
    /// If the sizes differ from those the branch was made for.
    #[track_caller]
    pub fn encode(&self, input: &Tensor, view: ViewKind) -> Tensor {
        self.encoder.encode(input, &EncodeOptions::of(view)).tokens
    }

    /// The features of plain views, with the outputs of the blocks in `layers`.
    ///
    /// # Shapes
    ///
    /// - `plain`: `[b, c, height, width]`
    /// - `material`: `[b, width]`, see [`Encode::counted`]
    ///
    /// # Panics
    ///
    /// If the sizes differ from those the branch was made for, or there is no such block.
    #[track_caller]
    pub fn features(
        &self,
        plain: &Tensor,
        material: Option<&Tensor>,
        layers: &[usize],
    ) -> Features {
        let counted = self.encoder.counted(material);
        let view = ViewKind::Plain;
        let options = EncodeOptions { view, counted: counted.as_ref(), layers };
        Features {
            counted: options.counted.map(Tensor::shallow_clone),
            ..self.encoder.encode(plain, &options)
        }
    }

    /// The point that stands for `features`, with the attention by which it was found, where the pool attends.
    ///
    /// # Panics
    ///
    /// If the sizes differ from those the branch was made for.
    #[track_caller]
    pub fn pool(&self, features: &Features) -> PoolOutput {
        self.pool_tokens(&features.tokens, features.counted.as_ref())
    }

    /// The points that plain views are pooled to.
    ///
    /// # Shapes
    ///
    /// - `plain`: `[b, c, height, width]`
    /// - `material`: `[b, width]`, see [`Encode::counted`]
    /// - returns: `[b, width]`
    ///
    /// # Panics
    ///
    /// If the sizes differ from those the branch was made for.
    #[track_caller]
    pub fn pooled(&self, plain: &Tensor, material: Option<&Tensor>) -> Tensor {
        self.pool(&self.features(plain, material, &[])).point
    }

    /// The inter-modal embedding of plain views alone, for retrieval.
    ///
    /// With `vectors` it is the centroid of the predictions from them, the same set for every clip, so that
    /// equal clips have equal embeddings; without, the plain view's own.
    ///
    /// # Shapes
    ///
    /// - `plain`: `[b, c, height, width]`
    /// - `vectors`: `[S, vector]`
    /// - `material`: `[b, width]`, see [`Encode::counted`]
    /// - returns: `[b, out]`, of any length
    ///
    /// # Panics
    ///
    /// If the sizes differ from those the branch was made for, or `vectors` is empty.
    // PUBLISHED: retrieval-unseeded the published code samples 16 unseeded vectors for each clip; here
    // one set, chosen by the caller, serves all clips.
    #[track_caller]
    pub fn embed(
        &self,
        plain: &Tensor,
        vectors: Option<&Tensor>,
        material: Option<&Tensor>,
    ) -> Tensor {
        let features = self.features(plain, material, &[]);
        let Some(vectors) = vectors else { return self.project(&self.pool(&features).point) };
        let (tokens, counted) = (&features.tokens, features.counted.as_ref());
        let queries = vectors.unsqueeze(0).expand([tokens.size()[0], -1, -1], false);
        self.project(&self.aggregate.pool(&self.predict(tokens, &queries, counted), None).point)
    }

    /// The inter-modal embeddings of points of the space in which tokens, what they are pooled to and predictions lie.
    ///
    /// # Shapes
    ///
    /// - `points`: `[.., width]`
    /// - returns: `[.., out]`, of any length
    pub fn project(&self, points: &Tensor) -> Tensor {
        let embeddings = self.head(points);
        match &self.readout {
            Some(readout) => readout.forward(&embeddings),
            None => embeddings,
        }
    }

    /// How many numbers an embedding has, where head and pool are as configured.
    pub fn outputs(&self) -> i64 {
        let head = self.config.inter_head.outputs(self.encoder.width());
        self.readout.as_ref().map_or(head, Readout::components)
    }

    /// As [`project`](Self::project), without the readout: what a method trains that fits one.
    pub fn head(&self, points: &Tensor) -> Tensor {
        self.inter_head.forward(points)
    }

    /// The map that stands behind the head, where the branch has one.
    pub fn readout(&self) -> Option<&Readout> {
        self.readout.as_ref()
    }

    /// The predictions for `vectors` from the plain view's `tokens`, one per vector.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[b, n, width]`
    /// - `vectors`: `[b, q, vector]`
    /// - `counted`: `[b, n]`, true where a token counts; absent, all
    /// - returns: `[b, q, width]`
    ///
    /// # Panics
    ///
    /// If the sizes differ from those, or there are no vectors.
    #[track_caller]
    pub fn predict(&self, tokens: &Tensor, vectors: &Tensor, counted: Option<&Tensor>) -> Tensor {
        let (b, size) = (tokens.size()[0], vectors.size());
        let fits = matches!(size[..], [batch, queries, numbers]
            if batch == b && queries > 0 && numbers == self.config.vector);
        let expected = self.config.vector;
        assert!(fits, "parameter vectors are [{b}, at least 1, {expected}], not {size:?}");
        let predictions = self.predictor.predict(tokens, vectors, counted);
        let expected = [b, size[1], self.encoder.width()];
        assert_eq!(predictions.size(), expected, "the predictor's result has another shape");
        predictions
    }

    #[track_caller]
    fn pool_tokens(&self, tokens: &Tensor, counted: Option<&Tensor>) -> PoolOutput {
        let output = self.pool.pool(tokens, counted);
        let expected = [tokens.size()[0], self.encoder.width()];
        assert_eq!(output.point.size(), expected, "the pool's result has another shape");
        output
    }
}
