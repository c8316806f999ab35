//! What is watched beside the losses: how equivariant the encoders are, and how embeddings lie.

use equiav_augment::Modality;
use equiav_loss::{alignment, uniformity};
use tch::{Kind, Tensor};

use crate::engine::{Named, SPREAD, spread};

/// Clips of a batch that are measured, the first ones: uniformity takes time by their square.
const MOST_CLIPS: i64 = 256;

/// Running measures of one batch, each `[]`, without gradient.
///
/// - `similarity_MODALITY`: mean of cos(ẑ, z'), how well the predictor says where the augmented view
///   lands; 1 where it is exact, which is what equivariance means here. None without an intra-modal loss.
/// - `alignment`: how far sound and picture of a clip lie apart, see [`alignment`]; of two modalities alone
/// - `uniformity_MODALITY`: how evenly clips cover the sphere, see [`uniformity`]. None of a single clip, which
///   makes no pair.
/// - `spread_MODALITY`: how far clips lie apart, see [`spread`]; near 0 they have collapsed into one. None of a single clip
pub(crate) fn batch_measures(own: &Named, modalities: impl Iterator<Item = Modality>) -> Named {
    let first = |rows: &Tensor| {
        rows.detach().to_kind(Kind::Float).narrow(0, 0, rows.size()[0].min(MOST_CLIPS))
    };
    let mut named = Named::new();
    let mut inter = Vec::new();
    for modality in modalities {
        let rows = |kind: &str| own.get(&format!("{kind}_{modality}")).map(first);
        if let (Some(predicted), Some(augmented)) = (rows("predicted"), rows("augmented")) {
            let cosine = Tensor::cosine_similarity(&predicted, &augmented, 1, 1e-12);
            named.insert(format!("similarity_{modality}"), cosine.mean(Kind::Float));
        }
        if let Some(rows) = rows("inter") {
            if rows.size()[0] > 1 {
                named.insert(format!("{SPREAD}{modality}"), spread(&rows));
            }
            let uniformity = uniformity(&rows);
            named.extend(uniformity.map(|value| (format!("uniformity_{modality}"), value)));
            inter.push(rows);
        }
    }
    if let [a, b] = &inter[..] {
        named.insert("alignment".to_owned(), alignment(a, b));
    }
    named
}
