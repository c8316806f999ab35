//! The only crossing from arrays to tensors: a batch of plain buffers becomes the views of each modality.

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_data::{Batch, Part, PlainBatch};
use equiav_models::{Material, Views};
use equiav_torch::to_device;
use ndarray::{Array, Array2, Dimension};
use tch::{Device, Tensor};

/// The views of every modality of `batch`, on `device`.
pub fn views(batch: &Batch, device: Device) -> BTreeMap<Modality, Views> {
    batch.parts.iter().map(|(modality, part)| (*modality, part_views(part, device))).collect()
}

fn part_views(part: &Part, device: Device) -> Views {
    Views {
        plain: tensor(&part.plain, device),
        augmented: tensor(&part.augmented, device),
        vectors: tensor(&part.vectors, device),
        centroid: tensor(&part.centroid, device),
        material: part_material(part, device),
    }
}

/// None where no view is padded.
fn part_material(part: &Part, device: Device) -> Option<Material> {
    let both = [&part.material.plain, &part.material.augmented];
    let padded = both.iter().any(|columns| columns.iter().any(|holds| !holds));
    padded.then(|| {
        let [plain, augmented] = both.map(|columns| flags(columns, device));
        Material { plain, augmented }
    })
}

/// Which columns of views hold material, `[b, width]`; none where all do, or there are none.
pub(crate) fn material(columns: &Array2<bool>, device: Device) -> Option<Tensor> {
    columns.iter().any(|holds| !holds).then(|| flags(columns, device))
}

/// As [`material`], of the views of one modality of `batch`.
pub(crate) fn heard(batch: &PlainBatch, modality: Modality, device: Device) -> Option<Tensor> {
    match modality {
        Modality::Audio => {
            let (.., frames) = batch.parts[&modality].dim();
            valid_frames(&batch.valid, frames, device)
        }
        Modality::Visual => None,
    }
}

/// As [`material`], of spectrograms of `frames` frames whose first `valid` ones hold sound.
pub(crate) fn valid_frames(valid: &[usize], frames: usize, device: Device) -> Option<Tensor> {
    let holds = |(row, frame): (usize, usize)| frame < valid[row];
    material(&Array2::from_shape_fn((valid.len(), frames), holds), device)
}

fn flags(columns: &Array2<bool>, device: Device) -> Tensor {
    let (rows, width) = columns.dim();
    let values: Vec<bool> = columns.iter().copied().collect();
    to_device(&Tensor::from_slice(&values).view([rows as i64, width as i64]), device)
}

/// A tensor with the shape and values of `array`, on `device`.
///
/// # Panics
///
/// If `array` is not in row-major order; batches always are.
pub fn tensor<D: Dimension>(array: &Array<f32, D>, device: Device) -> Tensor {
    let values = array.as_slice().expect("a batch is stored row by row");
    let shape: Vec<i64> = array.shape().iter().map(|size| *size as i64).collect();
    to_device(&Tensor::from_slice(values).view(shape.as_slice()), device)
}
