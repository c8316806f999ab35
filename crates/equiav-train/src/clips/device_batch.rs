//! The only crossing from arrays to tensors: a batch of plain buffers becomes the inputs of each modality.

use std::collections::BTreeMap;

use anyhow::anyhow;
use equiav_augment::Modality;
use equiav_data::{Batch, LabeledBatch, Part, PlainBatch, Replaced, Visit};
use equiav_models::{BranchInput, MaterialMasks};
use equiav_torch::to_device;
use ndarray::{Array, Array2, Dimension};
use tch::{Device, Tensor};

use super::array_clips::ArrayBatch;

/// A batch as a loader makes it.
#[derive(Clone, Debug)]
pub enum HostBatch {
    /// Plain and augmented views with their vectors.
    Unlabeled(Batch),
    /// One view of each modality with labels.
    Labeled(LabeledBatch),
    /// Arrays that a method brings itself.
    Arrays(ArrayBatch),
}

/// A batch as a method gets it, on its device.
#[derive(Debug)]
pub struct DeviceBatch {
    /// The inputs of each modality.
    pub inputs: BTreeMap<Modality, Input>,
    /// How much of each class is in each clip, `[b, classes]`, in [0, 1]; none without labels.
    pub labels: Option<Tensor>,
    /// Which time which clip was drawn, row by row.
    pub visits: Vec<Visit>,
}

/// What there is of one modality.
#[derive(Debug)]
pub struct Input {
    /// The view as recorded; of a labeled batch, the one to be classified; of arrays, all there is.
    pub plain: InputView,
    /// The transformed view.
    pub augmented: Option<InputView>,
    /// The parameter vectors of its transformations, `[b, vector]`.
    pub vectors: Option<Tensor>,
    /// Sampled parameter vectors of which no view was made, `[b, S, vector]`.
    pub centroid: Option<Tensor>,
}

/// One view of a modality.
#[derive(Debug)]
pub struct InputView {
    /// Its values, `[b, c, height, width]`, of 1 or 3 channels; of arrays `[b, ..]`, of floats or 64-bit integers.
    pub values: Tensor,
    /// Which columns hold material, `[b, width]`, true where they do; absent, all. The others hold padding alone.
    /// Of arrays the places along the second axis.
    pub material: Option<Tensor>,
}

impl HostBatch {
    /// The same on `device`, of the epoch with that number.
    pub fn to_device(&self, epoch: u64, device: Device) -> DeviceBatch {
        match self {
            Self::Unlabeled(batch) => {
                let input = |(modality, part): (&Modality, &Part)| (*modality, input(part, device));
                let visit = |clip: &usize| Visit { epoch, repetition: 0, clip: *clip };
                DeviceBatch {
                    inputs: batch.parts.iter().map(input).collect(),
                    labels: None,
                    visits: batch.clips.iter().map(visit).collect(),
                }
            }
            Self::Labeled(batch) => labeled(batch, device),
            Self::Arrays(batch) => batch.to_device(device),
        }
    }

    /// What could not be read on the way to it.
    pub fn replaced(&self) -> &[Replaced] {
        match self {
            Self::Unlabeled(batch) => &batch.replaced,
            Self::Labeled(batch) => &batch.replaced,
            Self::Arrays(_) => &[],
        }
    }
}

impl Input {
    /// The same as a branch takes it.
    ///
    /// # Errors
    ///
    /// If there are no augmented views with their parameter vectors.
    pub fn to_branch(&self) -> anyhow::Result<BranchInput> {
        let missing = || anyhow!("a branch takes augmented views with their parameter vectors");
        let augmented = self.augmented.as_ref().ok_or_else(missing)?;
        let shared = |tensor: &Option<Tensor>| tensor.as_ref().map(Tensor::shallow_clone);
        let masks = shared(&self.plain.material).zip(shared(&augmented.material));
        Ok(BranchInput {
            plain: self.plain.values.shallow_clone(),
            augmented: augmented.values.shallow_clone(),
            vectors: shared(&self.vectors).ok_or_else(missing)?,
            centroid: shared(&self.centroid).ok_or_else(missing)?,
            material: masks.map(|(plain, augmented)| MaterialMasks { plain, augmented }),
        })
    }
}

impl DeviceBatch {
    /// How many clips it has.
    #[allow(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> i64 {
        self.visits.len() as i64
    }

    /// Where it is.
    pub fn device(&self) -> Device {
        self.inputs.values().next().map_or(Device::Cpu, |input| input.plain.values.device())
    }

    /// The positions of its clips in the training list.
    pub fn clips(&self) -> Vec<usize> {
        self.visits.iter().map(|visit| visit.clip).collect()
    }

    /// The clips, `size` at a time.
    pub fn split(&self, size: i64) -> Vec<Self> {
        let first = (0..self.len()).step_by(size as usize);
        first.map(|first| self.part(first, size.min(self.len() - first))).collect()
    }

    /// The `rows` clips from `first` on.
    fn part(&self, first: i64, rows: i64) -> Self {
        let cut = |tensor: &Tensor| tensor.narrow(0, first, rows);
        let view = |view: &InputView| InputView {
            values: cut(&view.values),
            material: view.material.as_ref().map(cut),
        };
        let input = |(modality, input): (&Modality, &Input)| {
            let part = Input {
                plain: view(&input.plain),
                augmented: input.augmented.as_ref().map(view),
                vectors: input.vectors.as_ref().map(cut),
                centroid: input.centroid.as_ref().map(cut),
            };
            (*modality, part)
        };
        Self {
            inputs: self.inputs.iter().map(input).collect(),
            labels: self.labels.as_ref().map(cut),
            visits: self.visits[first as usize..(first + rows) as usize].to_vec(),
        }
    }
}

fn input(part: &Part, device: Device) -> Input {
    // Where one view of a batch is padded, both have masks, so that their products are of one kind.
    let both = [&part.material.plain, &part.material.augmented];
    let padded = both.iter().any(|columns| columns.iter().any(|holds| !holds));
    let [plain, augmented] = both.map(|columns| padded.then(|| flags(columns, device)));
    Input {
        plain: InputView { values: tensor(&part.plain, device), material: plain },
        augmented: Some(InputView { values: tensor(&part.augmented, device), material: augmented }),
        vectors: Some(tensor(&part.vectors, device)),
        centroid: Some(tensor(&part.centroid, device)),
    }
}

fn labeled(batch: &LabeledBatch, device: Device) -> DeviceBatch {
    let input = |(modality, view): (&Modality, &_)| {
        let columns = batch.material.get(modality);
        let material = columns.and_then(|columns| material(columns, device));
        let plain = InputView { values: tensor(view, device), material };
        (*modality, Input { plain, augmented: None, vectors: None, centroid: None })
    };
    DeviceBatch {
        inputs: batch.parts.iter().map(input).collect(),
        labels: Some(tensor(&batch.targets, device)),
        visits: batch.visits.clone(),
    }
}

/// Which columns of views hold material, `[b, width]`; none where all do, or there are none.
fn material(columns: &Array2<bool>, device: Device) -> Option<Tensor> {
    columns.iter().any(|holds| !holds).then(|| flags(columns, device))
}

/// Which columns of the plain views of `modality` in `batch` hold material, `[b, width]`; none where all do.
pub(crate) fn plain_material(
    batch: &PlainBatch,
    modality: Modality,
    device: Device,
) -> Option<Tensor> {
    let (.., width) = batch.parts[&modality].dim();
    valid_frames(batch.valid.get(&modality)?, width, device)
}

/// Which of `frames` frames of spectrograms hold sound, `[b, frames]`, where the first `valid` ones of each do; none
/// where all do.
pub fn valid_frames(valid: &[usize], frames: usize, device: Device) -> Option<Tensor> {
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
