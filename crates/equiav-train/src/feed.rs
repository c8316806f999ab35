//! The only crossing from arrays to tensors: a batch of plain buffers becomes the views of each modality.

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_data::{Batch, Part};
use equiav_models::Views;
use equiav_torch::to_device;
use ndarray::{Array, Dimension};
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
    }
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
