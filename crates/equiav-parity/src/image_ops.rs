//! Compares Pillow's operations on a picture, one by one, level by level.

use std::path::Path;

use anyhow::{Context, ensure};
use equiav_augment::crop::Region;
use equiav_augment::visual::resize::{Filter, resized_crop};
use equiav_augment::visual::{color, flip, gaussian, grayscale, rotation};
use equiav_augment::{Image, ImageSize, VisualAugment};
use ndarray::{Array3, ArrayD, Ix3};
use serde::Deserialize;

use crate::Item;
use crate::tensors::{Tensors, largest_difference};

/// How many levels a single operation may be off.
const LEVELS: f64 = 1.0;
/// How many levels several operations on end may be off.
const LEVELS_OF_CHAIN: f64 = 2.0;
/// Which share of the values of a resize or blur may be off.
const SHARE_OFF: f64 = 0.005;
/// How far a standardized value may be off; single precision allows some 3e-7.
const STANDARDIZED: f64 = 1e-5;

/// One result of the dump.
#[derive(Deserialize)]
struct Described {
    /// The tensor that holds it.
    name: String,
    /// The tensor it was made from; the photograph when left out.
    of: Option<String>,
    #[serde(flatten)]
    operation: Operation,
}

/// What was done to a picture.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Operation {
    ResizeBicubicCenterCrop { size: usize },
    ResizedCropBilinear { top: usize, left: usize, height: usize, width: usize, size: usize },
    Brightness { factor: f64 },
    Contrast { factor: f64 },
    Saturation { factor: f64 },
    Hue { factor: f64 },
    GaussianBlur { sigma: f64 },
    Hflip,
    Vflip,
    Grayscale,
    RotateCcw { degrees: usize },
    Chain { steps: Vec<(Step, f64)> },
}

/// One step of a chain.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Brightness,
    Contrast,
    Saturation,
    Hue,
}

pub(crate) fn check(folder: &Path) -> anyhow::Result<Vec<Item>> {
    let path = folder.join("image_ops.json");
    let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let described: Vec<Described> =
        serde_json::from_slice(&text).with_context(|| format!("in {}", path.display()))?;
    let tensors = Tensors::read(&folder.join("image_ops.safetensors"))?;
    let photo = read_photo(&folder.join("photo.png"))?;
    let mut items = vec![compare_standardized(&tensors)?];
    for item in &described {
        let compared = compare(item, &photo, &tensors);
        items.extend(compared.with_context(|| format!("item `{}`", item.name))?);
    }
    Ok(items)
}

fn read_photo(path: &Path) -> anyhow::Result<Image> {
    let read = || format!("reading {}", path.display());
    let bytes = std::fs::read(path).with_context(read)?;
    let photo = image::load_from_memory(&bytes).with_context(read)?.into_rgb8();
    let shape = (photo.height() as usize, photo.width() as usize, 3);
    Ok(Image::new(Array3::from_shape_vec(shape, photo.into_raw())?))
}

fn read_picture(tensors: &Tensors, name: &str) -> anyhow::Result<Image> {
    let pixels = tensors.u8(name)?.into_dimensionality::<Ix3>();
    let pixels = pixels.with_context(|| format!("tensor `{name}`"))?;
    let shape = pixels.shape();
    ensure!(
        shape[2] == 3 && !pixels.is_empty(),
        "tensor `{name}` is {shape:?}, expected [height, width, 3]"
    );
    Ok(Image::new(pixels))
}

/// The dump's `base` as a model takes it.
fn compare_standardized(tensors: &Tensors) -> anyhow::Result<Item> {
    let base = read_picture(tensors, "base")?;
    let ours = base.standardized([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let deviation = largest_difference(&ours.into_dyn(), &tensors.f32("normalized")?);
    Ok(Item::new("normalized", deviation, STANDARDIZED))
}

fn compare(item: &Described, photo: &Image, tensors: &Tensors) -> anyhow::Result<Vec<Item>> {
    let source = match &item.of {
        None => photo.clone(),
        Some(name) => read_picture(tensors, name)?,
    };
    let ours = item.operation.apply(source)?.into_pixels().into_dyn();
    let theirs = tensors.u8(&item.name)?;
    let levels = match item.operation {
        Operation::Chain { .. } => LEVELS_OF_CHAIN,
        _ => LEVELS,
    };
    let named = |what: &str| format!("{} ({what})", item.name);
    let (largest, share) = differences(&ours, &theirs);
    let mut items = vec![Item::new(named("largest level"), largest, levels)];
    if item.operation.resamples() {
        items.push(Item::new(named("share of values off"), share, SHARE_OFF));
    }
    Ok(items)
}

/// The largest difference in levels and the share of values that differ; infinite for other shapes.
fn differences(ours: &ArrayD<u8>, theirs: &ArrayD<u8>) -> (f64, f64) {
    if ours.shape() != theirs.shape() {
        return (f64::INFINITY, f64::INFINITY);
    }
    let differences = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b));
    let off = differences.clone().filter(|difference| *difference > 0).count();
    let largest = differences.max().unwrap_or(0);
    (f64::from(largest), off as f64 / ours.len() as f64)
}

impl Operation {
    /// Whether values are made of their neighbors.
    fn resamples(&self) -> bool {
        matches!(
            self,
            Self::ResizeBicubicCenterCrop { .. }
                | Self::ResizedCropBilinear { .. }
                | Self::GaussianBlur { .. }
        )
    }

    fn apply(&self, mut x: Image) -> anyhow::Result<Image> {
        match self {
            Self::ResizeBicubicCenterCrop { size } => {
                ensure!(*size > 0, "a view of 0 pixels");
                return Ok(VisualAugment::published().plain(&x, ImageSize::square(*size)));
            }
            &Self::ResizedCropBilinear { top, left, height, width, size } => {
                let region = Region { top, left, height, width };
                ensure!(
                    region.fits(x.height(), x.width()) && size > 0,
                    "{region:?} is no part of {:?}",
                    x.size()
                );
                return Ok(resized_crop(&x, region, ImageSize::square(size), Filter::Bilinear));
            }
            Self::Brightness { factor } => Step::Brightness.apply(&mut x, *factor),
            Self::Contrast { factor } => Step::Contrast.apply(&mut x, *factor),
            Self::Saturation { factor } => Step::Saturation.apply(&mut x, *factor),
            Self::Hue { factor } => Step::Hue.apply(&mut x, *factor),
            Self::GaussianBlur { sigma } => gaussian::blur(&mut x, *sigma),
            Self::Hflip => flip::flip_horizontally(&mut x),
            Self::Vflip => flip::flip_vertically(&mut x),
            Self::Grayscale => grayscale::grayscale(&mut x),
            Self::RotateCcw { degrees } => {
                ensure!(degrees.is_multiple_of(90), "{degrees} degrees are no quarter turns");
                return Ok(rotation::rotate(x, degrees / 90));
            }
            Self::Chain { steps } => {
                steps.iter().for_each(|(step, factor)| step.apply(&mut x, *factor));
            }
        }
        Ok(x)
    }
}

impl Step {
    fn apply(self, image: &mut Image, factor: f64) {
        match self {
            Self::Brightness => color::brightness(image, factor),
            Self::Contrast => color::contrast(image, factor),
            Self::Saturation => color::saturation(image, factor),
            Self::Hue => color::hue(image, factor),
        }
    }
}
