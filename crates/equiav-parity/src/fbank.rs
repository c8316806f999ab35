//! The Kaldi filterbank of every wave of a dump, before padding and standardizing.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use equiav_data::read_sound;
use equiav_frontend::Filterbank;
use ndarray::{ArrayD, Ix2};
use serde::Deserialize;

use crate::Item;
use crate::tensors::{Tensors, largest_difference};

/// torchaudio's own f32 and f64 differ by as much, in near-empty bins of pure tones.
const MEAN: f64 = 2e-4;
const LARGEST: f64 = 2e-2;
/// Silence lies on the floor of the logarithm, where nothing is left to rounding.
const SILENCE: f64 = 1e-5;

/// What the description says of one wave.
#[derive(Deserialize)]
struct Wave {
    sample_rate: u32,
    samples: usize,
    frames: usize,
}

/// Compares the filterbank of `NAME.wav` with the tensor `NAME`, for every name of the description.
pub(crate) fn check(folder: &Path) -> anyhow::Result<Vec<Item>> {
    let description = folder.join("fbank.json");
    let reading = || format!("reading {}", description.display());
    let text = std::fs::read(&description).with_context(reading)?;
    let waves: BTreeMap<String, Wave> = serde_json::from_slice(&text).with_context(reading)?;
    let tensors = Tensors::read(&folder.join("fbank.safetensors"))?;
    let mut items = Vec::new();
    for (name, wave) in &waves {
        let theirs = tensors.f32(name)?;
        items.extend(compare(name, wave, &folder.join(format!("{name}.wav")), &theirs)?);
    }
    Ok(items)
}

fn compare(
    name: &str,
    wave: &Wave,
    path: &Path,
    theirs: &ArrayD<f32>,
) -> anyhow::Result<[Item; 2]> {
    let sound = read_sound(path)?;
    ensure!(
        (sound.rate, sound.samples.len()) == (wave.sample_rate, wave.samples),
        "{} holds {} samples at {} Hz, the description says {} at {}",
        path.display(),
        sound.samples.len(),
        sound.rate,
        wave.samples,
        wave.sample_rate
    );
    let shape = theirs.view().into_dimensionality::<Ix2>();
    let (frames, mels) = shape.with_context(|| format!("tensor `{name}` is no matrix"))?.dim();
    ensure!(frames == wave.frames && mels > 0, "tensor `{name}` is [{frames}, {mels}]");
    let ours = Filterbank::new(sound.rate, mels).compute(&sound.samples).into_dyn();
    let silent = sound.samples.iter().all(|sample| *sample == 0.0);
    let (mean, largest) = if silent { (SILENCE, SILENCE) } else { (MEAN, LARGEST) };
    Ok([
        Item::new(format!("{name} (mean)"), mean_difference(&ours, theirs), mean),
        Item::new(format!("{name} (largest)"), largest_difference(&ours, theirs), largest),
    ])
}

/// The mean absolute difference; infinite where the largest one is.
fn mean_difference(ours: &ArrayD<f32>, theirs: &ArrayD<f32>) -> f64 {
    if !largest_difference(ours, theirs).is_finite() {
        return f64::INFINITY;
    }
    let differences = ours.iter().zip(theirs).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    differences.sum::<f64>() / ours.len().max(1) as f64
}
