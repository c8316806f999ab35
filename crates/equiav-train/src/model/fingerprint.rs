//! Which model an embedding is of, so that embeddings of different models are never compared.

use std::collections::BTreeMap;
use std::fmt;

use equiav_augment::Modality;
use equiav_data::JpegDecoder;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use crate::model::Network;
use crate::recipe::Settings;

/// Which model embeddings are of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// 16 hexadecimal digits that stand for the weights and every setting that decides an embedding:
    /// the front end, the variant, the fixed vectors with their seed and number, the precision, the
    /// program's jpg decoder.
    pub digest: String,
    /// What people call it: its recipe and finished epochs.
    pub name: String,
    /// The length of an embedding of either modality.
    pub width: usize,
}

impl Fingerprint {
    /// The identity of `network` under `recipe` after `epoch` epochs.
    pub(crate) fn of(network: &Network, recipe: &Settings, epoch: u64) -> Self {
        Self::decoding(JpegDecoder::BUILT, network, recipe, epoch)
    }

    /// As [`of`](Self::of), for a program whose jpg decoder is `decoder`.
    fn decoding(decoder: JpegDecoder, network: &Network, recipe: &Settings, epoch: u64) -> Self {
        let mut hash = Sha256::new();
        let mut decisive = json!({
            "scheme": "equiav embedding 1",
            "front_end": recipe.front_end,
            "augment": recipe.augment,
            "inter": recipe.objective.inter,
            "centroid": recipe.objective.centroid_samples,
            "seed": recipe.evaluation.seed,
            "precision": recipe.compute.precision,
            "matmul_precision": recipe.compute.matmul_precision,
        });
        // The usual decoder has no mark, so that indexes from before there were marks stay good.
        let marked = (decoder != JpegDecoder::ZuneJpeg).then(|| format!("{decoder:?}"));
        if let Some(mark) = &marked {
            decisive["jpg decoder"] = mark.as_str().into();
        }
        hash.update(decisive.to_string().as_bytes());
        let variables: BTreeMap<String, Tensor> = network.store.variables().into_iter().collect();
        for (name, variable) in &variables {
            hash.update(format!("\0{name} {:?} {:?}\0", variable.kind(), variable.size()));
            hash.update(bytes(variable));
        }
        let digest = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let plural = if epoch == 1 { "epoch" } else { "epochs" };
        let mark = marked.map(|mark| format!(", jpgs by {mark}")).unwrap_or_default();
        let name = format!("{}, {epoch} {plural}{mark}", recipe.name);
        let width = network.branches[&Modality::AUDIO].outputs() as usize;
        Self { digest, name, width }
    }

    /// Whether embeddings of both may be compared.
    pub fn is(&self, other: &Self) -> bool {
        self.digest == other.digest && self.width == other.width
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.digest, self.name)
    }
}

/// The numbers of `tensor`, row by row, as this machine stores them.
fn bytes(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, tensor.numel());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Override, Recipe};

    #[test]
    fn embeddings_of_pictures_by_another_decoder_are_of_another_model() {
        let changes = ["model.encoder.width=32", "model.encoder.depth=1", "model.encoder.heads=2"];
        let changes = changes.map(|change| change.parse::<Override>().expect("KEY=VALUE"));
        let text = include_str!("../../../../recipes/quick.toml");
        let recipe = Recipe::parse(text, &changes).expect("a recipe");
        let network = Network::new(&recipe, Device::Cpu).expect("a network");
        let [usual, other] = [JpegDecoder::ZuneJpeg, JpegDecoder::LibjpegTurbo]
            .map(|decoder| Fingerprint::decoding(decoder, &network, &recipe, 2));
        assert!(!usual.is(&other));
        assert_eq!(usual.name, "quick, 2 epochs");
        assert_eq!(other.name, "quick, 2 epochs, jpgs by LibjpegTurbo");
        let built = Fingerprint::of(&network, &recipe, 2);
        assert!(built.is(if JpegDecoder::BUILT == JpegDecoder::ZuneJpeg {
            &usual
        } else {
            &other
        }));
    }
}
