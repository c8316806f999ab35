//! Encoders alone, for a method that builds on no more.

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_frontend::{FrontEnd, InputKind};
use equiav_models::{Encoder, EncoderConfig};
use tch::nn;

use crate::engine::seeded;
use crate::recipe::{Mode, input_size, suffix};

/// An encoder of `config` for each modality's inputs under `front_end`, with weights drawn from `seed`; their variables
/// go under `root` and carry the published names.
pub fn encoders(
    config: &EncoderConfig,
    front_end: &FrontEnd,
    seed: u64,
    root: &nn::Path,
) -> BTreeMap<Modality, Encoder> {
    let encoder = |(modality, kind): (Modality, InputKind)| {
        let input = input_size(front_end, kind);
        (modality, config.build(root, suffix(modality), input))
    };
    seeded(seed, || Mode::Multimodal.inputs().into_iter().map(encoder).collect())
}
