//! One batch that needs no data, and how it and the start weights are handed to another program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use equiav_augment::Modality;
use equiav_data::{Batch, Material, Part};
use equiav_frontend::InputKind;
use equiav_models::{BranchConfig, to_safetensors};
use ndarray::{Array, Array2, Dimension, IntoDimension};
use serde_json::json;
use tch::{Device, Tensor};

use super::throughput::Start;
use crate::clips::HostBatch;
use crate::clips::hash_noise;
use crate::recipe::Settings;

/// Writes `start` and its `recipe` to `folder`, which is made where it is not there.
///
/// ```text
/// weights.safetensors   every variable, under its published name
/// batch.safetensors     audio.plain, audio.augmented, audio.vectors, audio.centroid, and visual
/// steps.json            {"learning_rates": [..], "threads": .., "recipe": {..}}
/// ```
///
/// # Errors
///
/// If a file cannot be written.
pub fn dump(start: &Start, recipe: &Settings, folder: &Path) -> anyhow::Result<()> {
    let variables = start.state.method.network.store.variables();
    let steps = json!({
        "learning_rates": start.learning_rates,
        "threads": equiav_torch::threads(),
        "recipe": recipe,
    });
    let files = [
        ("weights.safetensors", to_safetensors(&variables)?),
        ("batch.safetensors", to_safetensors(&named(&start.batch))?),
        ("steps.json", serde_json::to_vec_pretty(&steps)?),
    ];
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The batch of `recipe`, from its seed.
pub(crate) fn batch(recipe: &Settings) -> Batch {
    let branches = recipe.branches();
    let kinds = recipe.augment.views();
    let part = |(place, (modality, branch)): (usize, (&Modality, &BranchConfig))| {
        let place = place as u64;
        // The first two numbers were there first; a further modality has hundreds of its own.
        let own = match *modality {
            Modality::AUDIO => 0,
            Modality::VISUAL => 1,
            _ => 100 * (1 + place),
        };
        (*modality, batch_part(recipe, (kinds[modality].kind(), own), branch))
    };
    Batch {
        clips: (0..recipe.run.batch).collect(),
        parts: branches.iter().enumerate().map(part).collect(),
        replaced: Vec::new(),
        substituted: 0,
    }
}

fn batch_part(recipe: &Settings, (kind, own): (InputKind, u64), branch: &BranchConfig) -> Part {
    let (b, s) = (recipe.run.batch, recipe.objective.centroid_samples);
    let size = |size: i64| size as usize;
    let (height, width, vector) =
        (size(branch.input.height), size(branch.input.width), size(branch.vector));
    let seed = |number: u64| recipe.seed.wrapping_add(number);
    let view = |number: u64| match kind {
        // As in the fixtures, spectrograms are hashed frame by frame; networks take mel first.
        InputKind::Spectrogram => {
            let by_frame = array(seed(number), (b, 1, width, height));
            by_frame.permuted_axes([0, 1, 3, 2]).as_standard_layout().into_owned()
        }
        InputKind::Image => array(seed(number), (b, 3, height, width)),
    };
    Part {
        plain: view(1 + 2 * own),
        augmented: view(2 + 2 * own),
        vectors: array(seed(5 + own), (b, vector)),
        centroid: array(seed(7 + own), (b, s, vector)),
        valid: vec![width; b],
        material: Material {
            plain: Array2::from_elem((b, width), true),
            augmented: Array2::from_elem((b, width), true),
        },
    }
}

/// Hashed values in that shape.
fn array<S: IntoDimension>(seed: u64, shape: S) -> Array<f32, S::Dim> {
    let shape = shape.into_dimension();
    let values = hash_noise(seed, shape.size());
    Array::from_shape_vec(shape, values).expect("as many values as the shape has")
}

/// The views and vectors of `batch` by name, such as `audio.plain`.
fn named(batch: &HostBatch) -> BTreeMap<String, Tensor> {
    let mut named = BTreeMap::new();
    for (modality, input) in batch.to_device(0, Device::Cpu).inputs {
        let augmented = input.augmented.map(|view| view.values);
        for (name, tensor) in [
            ("plain", Some(input.plain.values)),
            ("augmented", augmented),
            ("vectors", input.vectors),
            ("centroid", input.centroid),
        ] {
            named.extend(tensor.map(|tensor| (format!("{modality}.{name}"), tensor)));
        }
    }
    named
}
