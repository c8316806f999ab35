//! Which model an embedding is of, so that embeddings of different models are never compared.

use std::collections::BTreeMap;
use std::fmt;

use equiav_augment::Modality;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use crate::network::Network;
use crate::settings::Settings;

/// Which model embeddings are of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// 16 hexadecimal digits that stand for the weights and every setting that decides an embedding:
    /// the front end, the variant, the fixed vectors with their seed and number, the precision.
    pub digest: String,
    /// What people call it: its recipe and finished epochs.
    pub name: String,
    /// The length of an embedding of either modality.
    pub width: usize,
}

impl Identity {
    /// The identity of `network` under `recipe` after `epoch` epochs.
    pub(crate) fn of(network: &Network, recipe: &Settings, epoch: u64) -> Self {
        let mut hash = Sha256::new();
        let decisive = json!({
            "scheme": "equiav embedding 1",
            "front_end": recipe.front_end,
            "augment": recipe.augment,
            "inter": recipe.objective.inter,
            "centroid": recipe.objective.centroid,
            "seed": recipe.evaluation.seed,
            "precision": recipe.compute.precision,
            "matmul_precision": recipe.compute.matmul_precision,
        });
        hash.update(decisive.to_string().as_bytes());
        let variables: BTreeMap<String, Tensor> = network.store.variables().into_iter().collect();
        for (name, variable) in &variables {
            hash.update(format!("\0{name} {:?} {:?}\0", variable.kind(), variable.size()));
            hash.update(bytes(variable));
        }
        let digest = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let plural = if epoch == 1 { "epoch" } else { "epochs" };
        let name = format!("{}, {epoch} {plural}", recipe.name);
        let width = network.branches[&Modality::Audio].config().inter_head.out as usize;
        Self { digest, name, width }
    }

    /// Whether embeddings of both may be compared.
    pub fn is(&self, other: &Self) -> bool {
        self.digest == other.digest && self.width == other.width
    }
}

impl fmt::Display for Identity {
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
