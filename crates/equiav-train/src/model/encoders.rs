//! Encoders alone, for a method that builds on no more.

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_frontend::{FrontEnd, InputKind};
use equiav_models::{Encoder, EncoderConfig};
use tch::nn;

use crate::engine::seeded;
use crate::recipe::{Modalities, input_size, inputs, suffix};

/// An encoder for the inputs of each of a recipe's `modalities` under `front_end`, of its own configuration or of
/// `config`, with weights drawn from `seed`; their variables go under `root` and carry the published names.
pub fn encoders(
    modalities: &Modalities,
    config: &EncoderConfig,
    front_end: &FrontEnd,
    seed: u64,
    root: &nn::Path,
) -> BTreeMap<Modality, Encoder> {
    let encoder = |(modality, kind): (Modality, InputKind)| {
        let input = input_size(front_end, kind);
        let own = modalities.get(&modality).and_then(|table| table.encoder.as_ref());
        (modality, own.unwrap_or(config).build(root, suffix(modalities, modality), input))
    };
    seeded(seed, || inputs(modalities).into_iter().map(encoder).collect())
}
