//! Encoders alone, for a method that builds on no more.

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_frontend::FrontEnd;
use equiav_models::{Encoder, EncoderConfig};
use tch::nn;

use crate::engine::seeded;
use crate::recipe::input_size;

/// An encoder of `config` for each modality's inputs under `front_end`, with weights drawn from `seed`; their variables
/// go under `root` and carry the published names.
pub fn encoders(
    config: &EncoderConfig,
    front_end: &FrontEnd,
    seed: u64,
    root: &nn::Path,
) -> BTreeMap<Modality, Encoder> {
    let encoder = |modality: Modality| {
        let input = input_size(front_end, modality);
        (modality, config.build(root, modality.suffix(), input))
    };
    seeded(seed, || Modality::ALL.into_iter().map(encoder).collect())
}
