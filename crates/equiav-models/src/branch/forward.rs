//! What a step needs of a branch: both views in one encoder pass, all predictions in one call.

use tch::Tensor;

use crate::branch::Branch;
use crate::branch::variant::{AugmentedPositives, ForwardOptions, Inter, Intra};
use crate::branch::views::{BranchInput, Embeddings, IntraPair};
use crate::encoder::encode::{EncodeOptions, ViewKind};

/// The tokens of the views that were asked for, each `[b, n, width]`.
#[derive(Debug)]
struct Tokens {
    plain: Option<Tensor>,
    augmented: Option<Tensor>,
    /// Of the block on which the loss within the modality acts, where it does not act on the above; plain, augmented.
    below: [Option<Tensor>; 2],
}

/// What one call of the predictor gave, each `[b, width]`.
struct Predictions {
    /// For the augmented view's own vector.
    own: Option<Tensor>,
    /// The aggregate over the sampled vectors, usually their mean.
    sampled: Option<Tensor>,
}

impl Branch {
    /// The embeddings of `views` that two variants as published ask for; see [`compare`](Self::compare).
    ///
    /// # Panics
    ///
    /// As [`compare`](Self::compare).
    #[track_caller]
    pub fn forward(&self, views: &BranchInput, intra: Intra, inter: Inter) -> Embeddings {
        self.compare(views, &ForwardOptions::new(intra, inter))
    }

    /// The embeddings of `views` that are to be `compared`, and no more: a view that no variant
    /// needs is not encoded, and without predictions the predictor is not called.
    ///
    /// # Panics
    ///
    /// If the sizes differ from those the branch was made for, or sampled vectors are needed and
    /// there are none.
    #[track_caller]
    pub fn compare(&self, views: &BranchInput, compared: &ForwardOptions<'_>) -> Embeddings {
        let ForwardOptions { intra, inter, centroid_share, .. } = *compared;
        let counted = self.counted(views);
        let tokens = self.tokens(views, compared, &counted);
        let predictions = self.predictions(&tokens, views, compared, counted[0].as_ref());
        let pooled = |tokens: Option<&Tensor>, at: usize| {
            tokens.map(|tokens| self.pool_tokens(tokens, counted[at].as_ref()).point)
        };
        let plain = || pooled(tokens.plain.as_ref(), 0);
        let augmented = pooled(tokens.augmented.as_ref(), 1);
        let [below, below_augmented] = tokens.below.each_ref();
        let predicted = match intra {
            Intra::Equivariant => predictions.own,
            Intra::Invariant => pooled(below.as_ref(), 0).or_else(plain),
            Intra::None => None,
        };
        let landed = pooled(below_augmented.as_ref(), 1)
            .or_else(|| augmented.as_ref().map(Tensor::shallow_clone));
        let intra = predicted.zip(landed).map(|(predicted, augmented)| IntraPair {
            predicted: self.intra_head.forward(&predicted),
            augmented: self.intra_head.forward(&augmented),
        });
        let augmented_inter =
            self.augmented_inter(&tokens, views, augmented.as_ref(), counted[1].as_ref());
        let inter = match inter {
            Inter::CleanPair => plain(),
            Inter::AugmentedPair => augmented,
            Inter::SinglePrediction | Inter::Centroid if centroid_share < 1.0 => {
                let both = predictions.sampled.zip(plain());
                both.map(|(sampled, plain)| plain.lerp(&sampled, centroid_share))
            }
            Inter::SinglePrediction | Inter::Centroid => predictions.sampled,
        };
        let inter = self.project(&inter.expect("what the variant needs was computed"));
        Embeddings { intra, inter, augmented_inter, tokens: tokens.plain }
    }

    /// The inter-modal embedding of the augmented view, of which the mean of the tokens is given.
    #[track_caller]
    fn augmented_inter(
        &self,
        tokens: &Tokens,
        views: &BranchInput,
        pooled: Option<&Tensor>,
        counted: Option<&Tensor>,
    ) -> Option<Tensor> {
        let point = match (self.config.augmented_positives, &self.conditioner) {
            (AugmentedPositives::None, _) => return None,
            (AugmentedPositives::Conditioned, Some(conditioner)) => {
                let vector = views.vectors.unsqueeze(1); // [b, 1, vector]
                conditioner.predict(tokens.augmented.as_ref()?, &vector, counted).select(1, 0)
            }
            _ => pooled?.shallow_clone(),
        };
        Some(self.project(&point))
    }

    /// The tokens of the plain and of the augmented views that count; none for all.
    #[track_caller]
    fn counted(&self, views: &BranchInput) -> [Option<Tensor>; 2] {
        let material = views.material.as_ref();
        let of = |columns: Option<&Tensor>| self.encoder.counted(columns);
        [of(material.map(|all| &all.plain)), of(material.map(|all| &all.augmented))]
    }

    #[track_caller]
    fn tokens(
        &self,
        views: &BranchInput,
        &ForwardOptions { intra, inter, intra_block, .. }: &ForwardOptions<'_>,
        counted: &[Option<Tensor>; 2],
    ) -> Tokens {
        let needs_plain = intra.needs_views() || inter.needs_plain();
        let needs_augmented = intra.needs_views()
            || !inter.needs_plain()
            || !self.config.augmented_positives.is_none();
        let counted = counted.each_ref().map(Option::as_ref);
        let (plain, augmented) = (&views.plain, &views.augmented);
        let block = intra_block.filter(|_| intra.needs_views());
        if block.is_none() && needs_plain && needs_augmented {
            let pair = self.encoder.encode_pair([plain, augmented], counted);
            let [plain, augmented] = pair.map(Some);
            return Tokens { plain, augmented, below: [None, None] };
        }
        let layers = block.as_slice();
        let one = |input, view, counted| {
            let options = EncodeOptions { counted, layers, ..EncodeOptions::of(view) };
            let mut features = self.encoder.encode(input, &options);
            let below = block.and_then(|block| features.layers.remove(&block));
            (features.tokens, below)
        };
        let plain = needs_plain.then(|| one(plain, ViewKind::Plain, counted[0]));
        let augmented = needs_augmented.then(|| one(augmented, ViewKind::Augmented, counted[1]));
        let (plain, below) = plain.unzip();
        let (augmented, below_augmented) = augmented.unzip();
        Tokens { plain, augmented, below: [below.flatten(), below_augmented.flatten()] }
    }

    /// All predictions in one call of the predictor, so that keys and values are computed once, unless the sampled ones
    /// see the tokens as constants.
    #[track_caller]
    fn predictions(
        &self,
        tokens: &Tokens,
        views: &BranchInput,
        &ForwardOptions { intra, inter, detach_tokens, told, .. }: &ForwardOptions<'_>,
        counted: Option<&Tensor>,
    ) -> Predictions {
        let own = i64::from(intra == Intra::Equivariant);
        let sampled = inter.predictions(views.centroid.size()[1]);
        let needs_samples = matches!(inter, Inter::SinglePrediction | Inter::Centroid);
        assert!(!needs_samples || sampled > 0, "{inter:?} needs sampled parameter vectors");
        let (Some(plain), true) = (&tokens.plain, own + sampled > 0) else {
            return Predictions { own: None, sampled: None };
        };
        let vector =
            told.map_or_else(|| views.vectors.shallow_clone(), |told| &views.vectors * told);
        let queries = [vector.unsqueeze(1).narrow(1, 0, own), views.centroid.narrow(1, 0, sampled)];
        let [below, _] = &tokens.below;
        if detach_tokens || below.is_some() {
            let [own, sampled] = queries.each_ref().map(|queries| queries.size()[1] > 0);
            let predict = |tokens: &Tensor, at: usize| self.predict(tokens, &queries[at], counted);
            let seen = if detach_tokens { &plain.detach() } else { plain };
            return Predictions {
                own: own.then(|| predict(below.as_ref().unwrap_or(plain), 0).select(1, 0)),
                sampled: sampled.then(|| self.aggregate.pool(&predict(seen, 1), None).point),
            };
        }
        // [b, own + sampled, width]
        let all = self.predict(plain, &Tensor::cat(&queries, 1), counted);
        Predictions {
            own: (own > 0).then(|| all.select(1, 0)),
            sampled: (sampled > 0)
                .then(|| self.aggregate.pool(&all.narrow(1, own, sampled), None).point),
        }
    }
}
