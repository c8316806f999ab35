//! One modality's whole network: both views in one encoder pass, all predictions in one call.

use tch::{Tensor, nn};

use crate::checkpoint::Checkpoint;
use crate::config::BranchConfig;
use crate::encoder::{Encoder, Tokens, View, mean_token};
use crate::head::Head;
use crate::predictor::Predict;
use crate::variant::{Inter, Intra};
use crate::views::{Embeddings, IntraPair, Views};

/// The network of one modality: encoder, predictor and two heads.
#[derive(Debug)]
pub struct Branch {
    config: BranchConfig,
    encoder: Encoder,
    predictor: Box<dyn Predict>,
    intra_head: Head,
    inter_head: Head,
}

/// What one call of the predictor gave, each `[b, width]`.
struct Predictions {
    /// For the augmented view's own vector.
    own: Option<Tensor>,
    /// The mean over the sampled vectors.
    sampled: Option<Tensor>,
}

impl BranchConfig {
    /// Makes the branch; its parameters go under `root`, which is usually the root of the store, and
    /// carry the published names.
    ///
    /// # Panics
    ///
    /// If [`check`](Self::check) fails, or `root` has a branch of this suffix already.
    #[track_caller]
    pub fn build(&self, root: &nn::Path) -> Branch {
        let (width, vector) = (self.encoder.width, self.vector);
        let predictor = |_: &nn::Path| self.predictor.build(root, &self.suffix, width, vector);
        self.build_with(root, predictor)
    }

    /// As [`build`](Self::build), with a predictor of the caller's own instead of the configured one.
    ///
    /// `make` gets a path that belongs to the predictor alone, `predictor_SUFFIX`.
    ///
    /// # Panics
    ///
    /// If [`check`](Self::check) fails, or `root` has a branch of this suffix already.
    #[track_caller]
    pub fn build_with<P: Predict + 'static>(
        &self,
        root: &nn::Path,
        make: impl FnOnce(&nn::Path) -> P,
    ) -> Branch {
        if let Err(error) = self.check() {
            panic!("{error:#}");
        }
        let suffix = &self.suffix;
        // The variable store would rename a second branch's parameters instead of refusing them.
        let taken = root.get(&format!("modality_{suffix}")).is_some();
        assert!(!taken, "the store has a branch `{suffix}` already");
        let head = |kind: &str| root / format!("pred_{suffix}_{kind}");
        Branch {
            config: self.clone(),
            encoder: self.encoder.build(root, suffix, self.input),
            predictor: Box::new(make(&(root / format!("predictor_{suffix}")))),
            intra_head: self.intra_head.build(&head("intra"), self.encoder.width),
            inter_head: self.inter_head.build(&head("inter"), self.encoder.width),
        }
    }
}

impl Branch {
    /// What the branch was made from.
    pub fn config(&self) -> &BranchConfig {
        &self.config
    }

    /// Its encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// As [`Encoder::checkpoint_blocks`], of this branch's encoder.
    pub fn checkpoint_blocks(&mut self, checkpoint: Option<Checkpoint>) {
        self.encoder.checkpoint_blocks(checkpoint);
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
    /// If the sizes differ from those the branch was made for.
    #[track_caller]
    pub fn encode(&self, input: &Tensor, view: View) -> Tensor {
        self.encoder.forward(input, view)
    }

    /// The embeddings of `views` that the two variants ask for, and no more: a view that no variant
    /// needs is not encoded, and without predictions the predictor is not called.
    ///
    /// # Panics
    ///
    /// If the sizes differ from those the branch was made for, or `inter` needs sampled vectors and
    /// there are none.
    #[track_caller]
    pub fn forward(&self, views: &Views, intra: Intra, inter: Inter) -> Embeddings {
        let counted = self.counted(views);
        let tokens = self.tokens(views, intra, inter, &counted);
        let predictions = self.predictions(&tokens, views, (intra, inter), counted[0].as_ref());
        let mean_plain = || tokens.plain.as_ref().map(|all| mean_token(all, counted[0].as_ref()));
        let predicted = match intra {
            Intra::Equivariant => predictions.own,
            Intra::Invariant => mean_plain(),
            Intra::None => None,
        };
        let augmented = tokens.augmented.as_ref();
        let augmented = augmented.map(|all| mean_token(all, counted[1].as_ref()));
        let intra = predicted.zip(augmented.as_ref()).map(|(predicted, augmented)| IntraPair {
            predicted: predicted.apply(&self.intra_head),
            augmented: augmented.apply(&self.intra_head),
        });
        let inter = match inter {
            Inter::CleanPair => mean_plain(),
            Inter::AugmentedPair => augmented,
            Inter::SinglePrediction | Inter::Centroid => predictions.sampled,
        };
        let inter = inter.expect("what the variant needs was computed").apply(&self.inter_head);
        Embeddings { intra, inter }
    }

    /// The inter-modal embedding of plain views alone, for retrieval.
    ///
    /// With `vectors` it is the mean of the predictions from them, the same set for every clip, so that
    /// equal clips have equal embeddings; without, the plain view's own.
    ///
    /// # Shapes
    ///
    /// - `plain`: `[b, c, height, width]`
    /// - `vectors`: `[S, vector]`
    /// - `material`: `[b, width]`, see [`Encoder::counted`]
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
        let counted = self.encoder.counted(material);
        let tokens = self.encoder.forward_counted(plain, View::Plain, counted.as_ref());
        let Some(vectors) = vectors else {
            return mean_token(&tokens, counted.as_ref()).apply(&self.inter_head);
        };
        let queries = vectors.unsqueeze(0).expand([tokens.size()[0], -1, -1], false);
        mean(&self.predict_counted(&tokens, &queries, counted.as_ref())).apply(&self.inter_head)
    }

    /// The mean of the tokens of plain views.
    ///
    /// # Shapes
    ///
    /// - `plain`: `[b, c, height, width]`
    /// - `material`: `[b, width]`, see [`Encoder::counted`]
    /// - returns: `[b, width]` of tokens
    ///
    /// # Panics
    ///
    /// If the sizes differ from those the branch was made for.
    #[track_caller]
    pub fn pooled(&self, plain: &Tensor, material: Option<&Tensor>) -> Tensor {
        let counted = self.encoder.counted(material);
        let tokens = self.encoder.forward_counted(plain, View::Plain, counted.as_ref());
        mean_token(&tokens, counted.as_ref())
    }

    /// How many rows and columns of tokens there are, row by row in their order.
    pub fn grid(&self) -> [i64; 2] {
        let BranchConfig { input, encoder, .. } = &self.config;
        [input.height / encoder.patch, input.width / encoder.patch]
    }

    /// The inter-modal embeddings of points of the space in which tokens, their means and predictions
    /// lie.
    ///
    /// # Shapes
    ///
    /// - `points`: `[.., width]`
    /// - returns: `[.., out]`, of any length
    pub fn project(&self, points: &Tensor) -> Tensor {
        points.apply(&self.inter_head)
    }

    /// The predictions for `vectors` from the plain view's `tokens`, one per vector.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[b, n, width]`
    /// - `vectors`: `[b, q, vector]`
    /// - returns: `[b, q, width]`
    ///
    /// # Panics
    ///
    /// If the sizes differ from those, or there are no vectors.
    #[track_caller]
    pub fn predict(&self, tokens: &Tensor, vectors: &Tensor) -> Tensor {
        self.predict_counted(tokens, vectors, None)
    }

    #[track_caller]
    fn predict_counted(
        &self,
        tokens: &Tensor,
        vectors: &Tensor,
        counted: Option<&Tensor>,
    ) -> Tensor {
        let (b, size) = (tokens.size()[0], vectors.size());
        let fits = matches!(size[..], [batch, queries, numbers]
            if batch == b && queries > 0 && numbers == self.config.vector);
        let expected = self.config.vector;
        assert!(fits, "parameter vectors are [{b}, at least 1, {expected}], not {size:?}");
        let predictions = self.predictor.predict_counted(tokens, vectors, counted);
        let expected = [b, size[1], self.config.encoder.width];
        assert_eq!(predictions.size(), expected, "the predictor's result has another shape");
        predictions
    }

    /// The tokens of the plain and of the augmented views that count; none for all.
    #[track_caller]
    fn counted(&self, views: &Views) -> [Option<Tensor>; 2] {
        let material = views.material.as_ref();
        let of = |columns: Option<&Tensor>| self.encoder.counted(columns);
        [of(material.map(|all| &all.plain)), of(material.map(|all| &all.augmented))]
    }

    #[track_caller]
    fn tokens(
        &self,
        views: &Views,
        intra: Intra,
        inter: Inter,
        counted: &[Option<Tensor>; 2],
    ) -> Tokens {
        let plain = intra.needs_views() || inter.needs_plain();
        let augmented = intra.needs_views() || !inter.needs_plain();
        self.encoder.both(
            plain.then_some(&views.plain),
            augmented.then_some(&views.augmented),
            counted.each_ref().map(Option::as_ref),
        )
    }

    /// All predictions in one call of the predictor, so that keys and values are computed once.
    #[track_caller]
    fn predictions(
        &self,
        tokens: &Tokens,
        views: &Views,
        (intra, inter): (Intra, Inter),
        counted: Option<&Tensor>,
    ) -> Predictions {
        let own = i64::from(intra == Intra::Equivariant);
        let sampled = inter.predictions(views.centroid.size()[1]);
        let needs_samples = matches!(inter, Inter::SinglePrediction | Inter::Centroid);
        assert!(!needs_samples || sampled > 0, "{inter:?} needs sampled parameter vectors");
        let (Some(plain), true) = (&tokens.plain, own + sampled > 0) else {
            return Predictions { own: None, sampled: None };
        };
        let queries =
            [views.vectors.unsqueeze(1).narrow(1, 0, own), views.centroid.narrow(1, 0, sampled)];
        // [b, own + sampled, width]
        let all = self.predict_counted(plain, &Tensor::cat(&queries, 1), counted);
        Predictions {
            own: (own > 0).then(|| all.select(1, 0)),
            sampled: (sampled > 0).then(|| mean(&all.narrow(1, own, sampled))),
        }
    }
}

/// The mean over the middle axis, `[b, n, width]` to `[b, width]`.
fn mean(tokens: &Tensor) -> Tensor {
    tokens.mean_dim([1i64].as_slice(), false, None)
}
