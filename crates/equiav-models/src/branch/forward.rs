//! What a step needs of a branch: both views in one encoder pass, all predictions in one call.

use tch::Tensor;

use super::mean;
use crate::branch::Branch;
use crate::branch::variant::{AugmentedPositives, Inter, Intra};
use crate::branch::views::{BranchInput, Embeddings, IntraPair};
use crate::encoder::encode::{EncodeOptions, ViewKind};

/// The tokens of the views that were asked for, each `[b, n, width]`.
#[derive(Debug)]
struct Tokens {
    plain: Option<Tensor>,
    augmented: Option<Tensor>,
}

/// What one call of the predictor gave, each `[b, width]`.
struct Predictions {
    /// For the augmented view's own vector.
    own: Option<Tensor>,
    /// The mean over the sampled vectors.
    sampled: Option<Tensor>,
}

impl Branch {
    /// The embeddings of `views` that the two variants ask for, and no more: a view that no variant
    /// needs is not encoded, and without predictions the predictor is not called.
    ///
    /// # Panics
    ///
    /// If the sizes differ from those the branch was made for, or `inter` needs sampled vectors and
    /// there are none.
    #[track_caller]
    pub fn forward(&self, views: &BranchInput, intra: Intra, inter: Inter) -> Embeddings {
        let counted = self.counted(views);
        let tokens = self.tokens(views, intra, inter, &counted);
        let predictions = self.predictions(&tokens, views, (intra, inter), counted[0].as_ref());
        let pooled = |tokens: Option<&Tensor>, at: usize| {
            tokens.map(|tokens| self.pool_tokens(tokens, counted[at].as_ref()).point)
        };
        let plain = || pooled(tokens.plain.as_ref(), 0);
        let predicted = match intra {
            Intra::Equivariant => predictions.own,
            Intra::Invariant => plain(),
            Intra::None => None,
        };
        let augmented = pooled(tokens.augmented.as_ref(), 1);
        let intra = predicted.zip(augmented.as_ref()).map(|(predicted, augmented)| IntraPair {
            predicted: self.intra_head.forward(&predicted),
            augmented: self.intra_head.forward(augmented),
        });
        let augmented_inter =
            self.augmented_inter(&tokens, views, augmented.as_ref(), counted[1].as_ref());
        let inter = match inter {
            Inter::CleanPair => plain(),
            Inter::AugmentedPair => augmented,
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
        intra: Intra,
        inter: Inter,
        counted: &[Option<Tensor>; 2],
    ) -> Tokens {
        let needs_plain = intra.needs_views() || inter.needs_plain();
        let needs_augmented = intra.needs_views()
            || !inter.needs_plain()
            || !self.config.augmented_positives.is_none();
        let counted = counted.each_ref().map(Option::as_ref);
        let (plain, augmented) = (&views.plain, &views.augmented);
        if needs_plain && needs_augmented {
            let pair = self.encoder.encode_pair([plain, augmented], counted);
            let [plain, augmented] = pair.map(Some);
            return Tokens { plain, augmented };
        }
        let one = |input, view, counted| {
            self.encoder.encode(input, &EncodeOptions { counted, ..EncodeOptions::of(view) }).tokens
        };
        Tokens {
            plain: needs_plain.then(|| one(plain, ViewKind::Plain, counted[0])),
            augmented: needs_augmented.then(|| one(augmented, ViewKind::Augmented, counted[1])),
        }
    }

    /// All predictions in one call of the predictor, so that keys and values are computed once.
    #[track_caller]
    fn predictions(
        &self,
        tokens: &Tokens,
        views: &BranchInput,
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
        let all = self.predict(plain, &Tensor::cat(&queries, 1), counted);
        Predictions {
            own: (own > 0).then(|| all.select(1, 0)),
            sampled: (sampled > 0).then(|| mean(&all.narrow(1, own, sampled))),
        }
    }
}
