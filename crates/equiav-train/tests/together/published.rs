//! What the published profile makes of the rows of several processes, against plain torch's own collectives.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use equiav_augment::{Modality, Profile};
use equiav_torch::{GradientAverage, Group, UnusedParameters};
use equiav_train::clips::{DeviceBatch, hash_noise};
use equiav_train::engine::Terms;
use equiav_train::methods::equiav::EquiAv;
use equiav_train::recipe::Settings;
use equiav_train::{Gathered, Method, Named, StepContext, World};
use tch::{Device, Kind, Tensor};

use crate::launch::Failure;
use crate::tiny::tiny;

/// The sizes of `fixtures/published_gather/make.py`.
const WORLD: i64 = 2;
const ROWS: i64 = 3;
const FROM: i64 = 5;
const TO: i64 = 4;
const MODALITIES: [Modality; 2] = [Modality::AUDIO, Modality::VISUAL];
const MAPS: [&str; 3] = ["inter", "predicted", "augmented"];

fn numbers(seed: u64, size: [i64; 2]) -> Tensor {
    Tensor::from_slice(&hash_noise(seed, (size[0] * size[1]) as usize)).reshape(size)
}

/// Three linear maps per modality, by name.
fn maps() -> BTreeMap<String, Tensor> {
    let names = MODALITIES.iter().flat_map(|modality| MAPS.map(|map| format!("{modality}_{map}")));
    let map = |(seed, name)| (name, numbers(seed, [FROM, TO]).set_requires_grad(true));
    (3..).zip(names).map(map).collect()
}

/// What the maps make of the clips of one process.
fn embeddings(maps: &BTreeMap<String, Tensor>, first: i64, rows: i64) -> Named {
    let one = |(seed, modality): (u64, Modality)| {
        let clips = numbers(seed, [WORLD * ROWS, FROM]).narrow(0, first, rows);
        MAPS.map(|map| {
            (format!("{map}_{modality}"), clips.matmul(&maps[&format!("{modality}_{map}")]))
        })
    };
    (1..).zip(MODALITIES).flat_map(one).collect()
}

/// The gradient of the objective of `profile`, averaged over `group`, against the golden one of that `name`,
/// in 64 bits; and how far they lie apart, relative to that.
fn distance(
    group: &Arc<dyn Group>,
    recipe: &Settings,
    golden: &BTreeMap<String, Tensor>,
    name: &str,
) -> Result<f64, Failure> {
    let rows = WORLD * ROWS / group.world() as i64;
    let maps = maps();
    let own = embeddings(&maps, group.rank() as i64 * rows, rows);
    let mut method = EquiAv::fresh(recipe, Device::Cpu)?;
    let all = Gathered::gather(group, &own, |name| method.gather(name))?;
    let batch = DeviceBatch { inputs: BTreeMap::new(), labels: None, visits: Vec::new() };
    let step = StepContext { epoch: 0, step: 0, batch: &batch };
    let each = method.terms(&own, &all, &step)?;
    let terms = Terms::new(each, Some(&recipe.objective.weights), Named::new())?;
    let parameters: Vec<Tensor> = maps.values().map(Tensor::shallow_clone).collect();
    GradientAverage::new(group.clone(), &parameters, UnusedParameters::Never)?
        .backward(&terms.total)?;
    if group.world() > 1 {
        for term in &terms.each {
            let name = &term.name;
            let loss = golden[&format!("rank{}.{name}", group.rank())].double_value(&[]);
            assert!((term.loss.double_value(&[]) - loss).abs() < 1e-5, "{name}: {loss}");
        }
    }
    let square = |tensor: Tensor| tensor.square().sum(Kind::Double).double_value(&[]);
    let (mut apart, mut all) = (0.0, 0.0);
    for (map, weight) in &maps {
        let expected = &golden[&format!("{name}.{map}")];
        apart += square(weight.grad() - expected);
        all += square(expected.shallow_clone());
    }
    Ok((apart / all).sqrt())
}

/// Two processes have the gradient that the published code has in two; alone, and under the corrected
/// profile in any number, it is that of one.
pub(crate) fn published(world: &World, folder: &Path) -> Result<(), Failure> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/published_gather/gather.safetensors");
    let golden: BTreeMap<String, Tensor> = Tensor::read_safetensors(path)?.into_iter().collect();
    let recipe = |profile: &str| tiny(folder, &[profile]);
    let published = recipe("profile=published");
    assert_eq!(published.profile, Profile::Published);
    let corrected = recipe("profile=corrected");
    let (together, alone) = (&world.group, &World::alone().group);
    let apart = |group, recipe: &Settings, name| distance(group, recipe, &golden, name);
    for (found, what) in [
        (apart(together, &published, "two")?, "two processes, published"),
        (apart(together, &corrected, "alone")?, "two processes, corrected"),
        (apart(alone, &published, "alone")?, "one process, published"),
        (apart(alone, &corrected, "alone")?, "one process, corrected"),
    ] {
        assert!(found < 1e-5, "{what}: {found}");
    }
    let far = apart(together, &corrected, "two")?;
    assert!(far > 0.1, "the two gradients are not the same: {far}");
    Ok(())
}
