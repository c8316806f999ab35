//! Compares the published operations on a spectrogram, one by one.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, ensure};
use equiav_augment::audio::spec_augment::{Masks, mask, roll};
use equiav_augment::audio::{color, crop, flip, gaussian};
use equiav_augment::crop::Region;
use equiav_augment::{Spectrogram, View};
use ndarray::{Axis, Ix2, Slice};
use serde::Deserialize;

use crate::Item;
use crate::tensors::{Tensors, largest_difference};

/// The largest absolute difference that counts as agreement.
const TOLERANCE: f64 = 1e-4;

/// One result of the dump.
#[derive(Deserialize)]
struct Described {
    /// The tensor that holds it.
    name: String,
    /// The frames that the tensor holds, `[first, end]`; all of them when left out.
    rows: Option<[usize; 2]>,
    #[serde(flatten)]
    operation: Operation,
}

/// What was done to the dump's `input`.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Operation {
    Mask { time: [usize; 2], freq: [usize; 2] },
    TimeRoll { shift: isize },
    ResizedCrop { top: usize, left: usize, height: usize, width: usize, antialias: bool },
    Brightness { factor: f64 },
    Contrast { factor: f64 },
    Saturation { factor: f64 },
    HueOfClamped {},
    GaussianBlur { sigma: f64, kernel: usize },
    FlipFreq,
    FlipTime,
}

pub(crate) fn check(folder: &Path) -> anyhow::Result<Vec<Item>> {
    let path = folder.join("spectrogram_ops.json");
    let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let described: Vec<Described> =
        serde_json::from_slice(&text).with_context(|| format!("in {}", path.display()))?;
    let tensors = Tensors::read(&folder.join("spectrogram_ops.safetensors"))?;
    let input = tensors.f32("input")?.into_dimensionality::<Ix2>().context("tensor `input`")?;
    ensure!(!input.is_empty(), "tensor `input` has an empty axis");
    let input = Spectrogram::new(input);
    described
        .iter()
        .map(|item| {
            compare(item, &input, &tensors).with_context(|| format!("item `{}`", item.name))
        })
        .collect()
}

fn compare(item: &Described, input: &Spectrogram, tensors: &Tensors) -> anyhow::Result<Item> {
    let theirs = tensors.f32(&item.name)?;
    let mut ours = item.operation.apply(input.clone())?.into_values();
    if let Some([first, end]) = item.rows {
        let rows = within([first, end], input.frames())?;
        ours.slice_axis_inplace(Axis(0), Slice::from(rows));
    }
    Ok(Item::new(&item.name, largest_difference(&ours.into_dyn(), &theirs), TOLERANCE))
}

impl Operation {
    fn apply(&self, mut x: Spectrogram) -> anyhow::Result<Spectrogram> {
        match *self {
            Self::Mask { time, freq } => {
                let size = x.size();
                let masks =
                    Masks { time: within(time, size.frames)?, mel: within(freq, size.mels)? };
                mask(&mut x, &masks);
            }
            Self::TimeRoll { shift } => roll(&mut x, shift),
            Self::ResizedCrop { top, left, height, width, antialias } => {
                let region = Region { top, left, height, width };
                ensure!(
                    region.fits(x.frames(), x.mels()),
                    "{region:?} is no part of {} frames of {} mel bins",
                    x.frames(),
                    x.mels()
                );
                let resampling = match antialias {
                    false => crop::Resampling::Linear,
                    true => crop::Resampling::Antialiased,
                };
                x = crop::resized_crop(&x, region, resampling);
            }
            Self::Brightness { factor } => color::brightness(&mut x, factor),
            Self::Contrast { factor } => color::contrast(&mut x, factor),
            Self::Saturation { factor } => color::saturation(&mut x, factor),
            Self::HueOfClamped {} => color::hue(&mut x),
            Self::GaussianBlur { sigma, kernel } => {
                ensure!(sigma > 0.0, "a sigma of {sigma}: expected a positive one");
                ensure!(kernel % 2 == 1, "a kernel of {kernel} has no middle: expected an odd one");
                x = gaussian::blur_with_kernel(&x, sigma, kernel);
            }
            Self::FlipFreq => flip::flip_mels(&mut x),
            Self::FlipTime => flip::flip_time(&mut x),
        }
        Ok(x)
    }
}

/// `[start, end]` as a range, if it is a part of an axis of `length`.
fn within([start, end]: [usize; 2], length: usize) -> anyhow::Result<Range<usize>> {
    ensure!(start <= end && end <= length, "[{start}, {end}] is no part of an axis of {length}");
    Ok(start..end)
}
