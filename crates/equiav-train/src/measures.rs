//! What is watched beside the losses: how equivariant the encoders are, and how embeddings lie.

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_loss::{alignment, uniformity};
use equiav_models::Embeddings;
use tch::{Kind, Tensor};

/// Clips of a batch that are measured, the first ones: uniformity takes time by their square.
const MOST_CLIPS: i64 = 256;

/// Running measures of one batch, each `[]`, without gradient.
///
/// - `similarity_MODALITY`: mean of cos(ẑ, z'), how well the predictor says where the augmented view
///   lands; 1 where it is exact, which is what equivariance means here. None without an intra-modal loss.
/// - `alignment`: how far sound and picture of a clip lie apart, see [`alignment`]
/// - `uniformity_MODALITY`: how evenly clips cover the sphere, see [`uniformity`]. None of a single clip, which
///   makes no pair.
pub fn measures(embeddings: &BTreeMap<Modality, Embeddings>) -> BTreeMap<String, Tensor> {
    let first = |rows: &Tensor| {
        rows.detach().to_kind(Kind::Float).narrow(0, 0, rows.size()[0].min(MOST_CLIPS))
    };
    let mut named = BTreeMap::new();
    for (modality, embedding) in embeddings {
        if let Some(pair) = &embedding.intra {
            let (predicted, augmented) = (first(&pair.predicted), first(&pair.augmented));
            let cosine = Tensor::cosine_similarity(&predicted, &augmented, 1, 1e-12);
            named.insert(format!("similarity_{modality}"), cosine.mean(Kind::Float));
        }
        let uniformity = uniformity(&first(&embedding.inter));
        named.extend(uniformity.map(|value| (format!("uniformity_{modality}"), value)));
    }
    let inter: Vec<Tensor> = embeddings.values().map(|one| first(&one.inter)).collect();
    if let [a, b] = &inter[..] {
        named.insert("alignment".to_owned(), alignment(a, b));
    }
    named
}
