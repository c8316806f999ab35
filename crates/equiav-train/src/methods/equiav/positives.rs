//! Augmented views as further positives of the other modality's plain ones; no part of the paper.

use equiav_augment::Modality;
use equiav_loss::{Contrast, Temperature, info_nce};

use crate::engine::{Gathered, Named, Term};

/// The name of the term.
pub(super) const TERM: &str = "inter_augmented";

/// `½ (InfoNCE(y_audio, z̄_visual) + InfoNCE(z̄_audio, y_visual))`, where `y` are the inter-modal embeddings of augmented
/// views; none where there are no such rows.
pub(super) fn term(
    own: &Named,
    all: &Gathered,
    tau: Temperature<'_>,
    chunk: Option<i64>,
) -> Option<Term> {
    let [audio, visual] = Modality::AUDIO_VISUAL;
    let contrast = |a: String, b: String| -> Option<Contrast> {
        Some(info_nce(own.get(&a)?, own.get(&b)?, &all.keys(&a, &b), tau, chunk))
    };
    let plain = |modality: Modality| format!("inter_{modality}");
    let augmented = |modality: Modality| format!("inter_augmented_{modality}");
    let forth = contrast(augmented(audio), plain(visual))?;
    let back = contrast(plain(audio), augmented(visual))?;
    Some(Term {
        name: TERM.to_owned(),
        loss: (forth.loss + back.loss) / 2.0,
        accuracy: Some((forth.top1 + back.top1) / 2.0),
    })
}
