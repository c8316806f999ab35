//! Clips that are arrays in memory: features of a made world, tokens of texts, or whatever else a method brings itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_data::{Pass, Visit};
use equiav_torch::to_device;
use ndarray::{Array, Array2, ArrayD, Dimension};
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use super::device_batch::{DeviceBatch, Input, InputView, tensor, valid_frames};

/// Values of one modality, one row for each clip, `[n, ..]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers.
    Float(ArrayD<f32>),
    /// Whole numbers, such as ids of tokens.
    Integer(ArrayD<i64>),
}

/// Clips that are arrays in memory, of any number of modalities.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use equiav_augment::Modality;
/// use equiav_train::clips::{ArrayClips, Values};
/// use ndarray::{Array2, arr2};
///
/// let ids = arr2(&[[5, 2, 0], [7, 1, 3]]);
/// let text = Modality::new("text")?;
/// let modalities = BTreeMap::from([
///     (Modality::AUDIO, Values::from(Array2::<f32>::zeros((2, 16)))),
///     (text, Values::from(ids)),
/// ]);
/// let clips = ArrayClips::new(modalities)?.with_valid(text, vec![2, 3])?;
/// let batch = clips.rows(&[1, 0]);
/// assert_eq!(batch.parts[&text], Values::from(arr2(&[[7, 1, 3], [5, 2, 0]])));
/// assert_eq!(batch.valid[&text], [3, 2]);
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayClips {
    modalities: BTreeMap<Modality, Values>,
    labels: Option<Array2<f32>>,
    valid: BTreeMap<Modality, Vec<usize>>,
}

/// Some clips of arrays, side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayBatch {
    /// Which time which clip was drawn.
    pub visits: Vec<Visit>,
    /// The values of each modality, `[b, ..]`.
    pub parts: BTreeMap<Modality, Values>,
    /// How much of each class is in each clip, `[b, classes]`; none without labels.
    pub labels: Option<Array2<f32>>,
    /// How many places of each row hold anything, of those modalities that were given lengths.
    pub valid: BTreeMap<Modality, Vec<usize>>,
}

/// The batches of one pass through arrays.
pub(crate) struct ArrayBatches {
    clips: Arc<ArrayClips>,
    pass: Pass,
}

impl<D: Dimension> From<Array<f32, D>> for Values {
    fn from(values: Array<f32, D>) -> Self {
        Self::Float(row_by_row(values.into_dyn()))
    }
}

impl<D: Dimension> From<Array<i64, D>> for Values {
    fn from(values: Array<i64, D>) -> Self {
        Self::Integer(row_by_row(values.into_dyn()))
    }
}

impl Values {
    /// Its sizes, `[n, ..]`.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Float(values) => values.shape(),
            Self::Integer(values) => values.shape(),
        }
    }

    /// The values of `rows`, in their order.
    fn rows(&self, rows: &[usize]) -> Self {
        match self {
            Self::Float(values) => Self::Float(picked(values, rows)),
            Self::Integer(values) => Self::Integer(picked(values, rows)),
        }
    }

    /// A tensor with the same shape and values on `device`, of floats or of 64-bit integers.
    pub fn to_tensor(&self, device: Device) -> Tensor {
        match self {
            Self::Float(values) => tensor(values, device),
            Self::Integer(values) => {
                let shape: Vec<i64> = values.shape().iter().map(|size| *size as i64).collect();
                let flat = values.as_slice().expect("values are stored row by row");
                to_device(&Tensor::from_slice(flat).view(shape.as_slice()), device)
            }
        }
    }

    fn hash_into(&self, hash: &mut Sha256) {
        match self {
            Self::Float(values) => {
                hash.update("f32");
                values.iter().for_each(|value| hash.update(value.to_le_bytes()));
            }
            Self::Integer(values) => {
                hash.update("i64");
                values.iter().for_each(|value| hash.update(value.to_le_bytes()));
            }
        }
        self.shape().iter().for_each(|size| hash.update(size.to_le_bytes()));
    }
}

impl ArrayClips {
    /// The clips whose values are the rows of `modalities`.
    ///
    /// # Errors
    ///
    /// If there is no clip or no modality, or modalities have different numbers of rows.
    pub fn new(modalities: BTreeMap<Modality, Values>) -> anyhow::Result<Self> {
        let first = modalities.first_key_value().context("clips need a modality")?;
        let (name, count) = (*first.0, first.1.shape().first().copied().unwrap_or(0));
        ensure!(count > 0, "{name} has no row: clips need at least one");
        for (modality, values) in &modalities {
            let rows = values.shape().first().copied().unwrap_or(0);
            ensure!(rows == count, "{modality} has {rows} rows and {name} {count}: one each clip");
        }
        Ok(Self { modalities, labels: None, valid: BTreeMap::new() })
    }

    /// The same clips with `labels`, `[n, classes]`: how much of each class is in each clip, in [0, 1].
    ///
    /// # Errors
    ///
    /// If there are more or fewer rows than clips, or a share is outside [0, 1].
    pub fn with_labels(mut self, labels: Array2<f32>) -> anyhow::Result<Self> {
        let (rows, count) = (labels.nrows(), self.len());
        ensure!(rows == count, "there are labels of {rows} clips, and {count} clips");
        let wrong = labels.iter().find(|share| !(0.0..=1.0).contains(*share));
        ensure!(wrong.is_none(), "a label is {wrong:?}: expected a share from 0 to 1");
        let Values::Float(labels) = Values::from(labels) else { unreachable!("of floats") };
        self.labels = Some(labels.into_dimensionality()?);
        Ok(self)
    }

    /// The same clips, of which in `modality` only the first `lengths` places of each row hold anything; a method gets
    /// that as [`InputView::material`].
    ///
    /// # Errors
    ///
    /// If there is no such modality, its rows are single numbers, or a length is none of a row.
    pub fn with_valid(mut self, modality: Modality, lengths: Vec<usize>) -> anyhow::Result<Self> {
        let values = self.modalities.get(&modality);
        let shape = values.with_context(|| format!("there is no {modality}"))?.shape();
        ensure!(shape.len() > 1, "{modality} has one number a clip, and so no lengths");
        let (rows, count, width) = (lengths.len(), shape[0], shape[1]);
        ensure!(rows == count, "there are lengths of {rows} clips, and {count} clips");
        let wrong = lengths.iter().find(|length| !(1..=width).contains(*length));
        ensure!(wrong.is_none(), "a length of {modality} is {wrong:?}: expected 1 to {width}");
        self.valid.insert(modality, lengths);
        Ok(self)
    }

    /// How many clips there are.
    #[allow(clippy::len_without_is_empty, reason = "there is a clip")]
    pub fn len(&self) -> usize {
        self.modalities.values().next().map_or(0, |values| values.shape()[0])
    }

    /// The modalities, in order.
    pub fn modalities(&self) -> Vec<Modality> {
        self.modalities.keys().copied().collect()
    }

    /// Whether there are labels.
    pub fn are_labeled(&self) -> bool {
        self.labels.is_some()
    }

    /// A hash of everything they hold, 12 hexadecimal digits.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (modality, values) in &self.modalities {
            hash.update(modality.name());
            values.hash_into(&mut hash);
            let valid = self.valid.get(modality).into_iter().flatten();
            valid.for_each(|length| hash.update(length.to_le_bytes()));
        }
        if let Some(labels) = &self.labels {
            Values::Float(labels.clone().into_dyn()).hash_into(&mut hash);
        }
        hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The clips at `rows`, in that order, as of no epoch: to be measured.
    ///
    /// # Panics
    ///
    /// If there is no such clip.
    #[track_caller]
    pub fn rows(&self, rows: &[usize]) -> ArrayBatch {
        let visit = |clip: &usize| Visit { epoch: 0, repetition: 0, clip: *clip };
        self.batch(rows.iter().map(visit).collect())
    }

    fn batch(&self, visits: Vec<Visit>) -> ArrayBatch {
        let rows: Vec<usize> = visits.iter().map(|visit| visit.clip).collect();
        let part = |(modality, values): (&Modality, &Values)| (*modality, values.rows(&rows));
        let valid = |(modality, lengths): (&Modality, &Vec<usize>)| {
            (*modality, rows.iter().map(|row| lengths[*row]).collect())
        };
        ArrayBatch {
            parts: self.modalities.iter().map(part).collect(),
            labels: self.labels.as_ref().map(|labels| picked(labels, &rows)),
            valid: self.valid.iter().map(valid).collect(),
            visits,
        }
    }

    /// The batches of `pass` behind the clips that are done.
    pub(super) fn batches(self: Arc<Self>, pass: Pass) -> ArrayBatches {
        ArrayBatches { clips: self, pass }
    }
}

impl ArrayBatch {
    /// The same on `device`.
    pub fn to_device(&self, device: Device) -> DeviceBatch {
        let input = |(modality, values): (&Modality, &Values)| {
            let valid = self.valid.get(modality);
            let material = valid.and_then(|valid| valid_frames(valid, values.shape()[1], device));
            let plain = InputView { values: values.to_tensor(device), material };
            (*modality, Input { plain, augmented: None, vectors: None, centroid: None })
        };
        DeviceBatch {
            inputs: self.parts.iter().map(input).collect(),
            labels: self.labels.as_ref().map(|labels| tensor(labels, device)),
            visits: self.visits.clone(),
        }
    }
}

impl Iterator for ArrayBatches {
    type Item = ArrayBatch;

    fn next(&mut self) -> Option<ArrayBatch> {
        let Pass { epoch, order, batch, done } = &mut self.pass;
        // A pass that stopped in the middle of a batch goes on with the rest of it.
        let end = (*done / *batch + 1) * *batch;
        let clips = order.get(*done..end)?;
        let visit = |clip: &usize| Visit { epoch: *epoch, repetition: 0, clip: *clip };
        let visits = clips.iter().map(visit).collect();
        *done = end;
        Some(self.clips.batch(visits))
    }
}

/// `values` in row-major order, as tensors are made from them.
fn row_by_row<T: Clone>(values: ArrayD<T>) -> ArrayD<T> {
    if values.is_standard_layout() { values } else { values.as_standard_layout().into_owned() }
}

/// The rows of `values`, in row-major order.
fn picked<T: Copy, D: Dimension + ndarray::RemoveAxis>(
    values: &Array<T, D>,
    rows: &[usize],
) -> Array<T, D> {
    let flat = values.as_slice().expect("values are stored row by row");
    let (count, mut shape) = (values.shape()[0], values.raw_dim());
    let width = flat.len() / count.max(1);
    let picked = rows.iter().flat_map(|row| &flat[row * width..][..width]).copied().collect();
    shape[0] = rows.len();
    Array::from_shape_vec(shape, picked).expect("whole rows")
}

#[cfg(test)]
mod tests {
    use ndarray::{arr1, arr2};

    use super::*;

    fn clips() -> ArrayClips {
        let values = Values::from(arr2(&[[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]]).reversed_axes());
        ArrayClips::new([(Modality::AUDIO, values)].into()).expect("clips")
    }

    #[test]
    fn arrays_of_any_layout_are_read_row_by_row() {
        let batch = clips().rows(&[1, 0, 1]).to_device(Device::Cpu);
        let values = &batch.inputs[&Modality::AUDIO].plain.values;
        let expected = Tensor::from_slice2(&[[2.0f32, 4.0, 6.0], [1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]);
        assert!(values.equal(&expected), "{values}");
        assert_eq!(batch.clips(), [1, 0, 1]);
    }

    #[test]
    fn a_pass_goes_on_in_the_middle_of_a_batch() {
        let values = Values::from(arr1(&[0i64, 1, 2, 3, 4, 5]));
        let clips = ArrayClips::new([(Modality::AUDIO, values)].into()).expect("clips");
        let clips = Arc::new(clips);
        let pass = |done| Pass { epoch: 2, order: vec![5, 3, 1, 0], batch: 2, done };
        let seen = |done| {
            let batches = clips.clone().batches(pass(done));
            batches.map(|batch| batch.parts[&Modality::AUDIO].clone()).collect::<Vec<_>>()
        };
        let values = |values: &[i64]| Values::from(arr1(values));
        assert_eq!(seen(0), [values(&[5, 3]), values(&[1, 0])]);
        assert_eq!(seen(1), [values(&[3]), values(&[1, 0])]);
        assert_eq!(seen(4), []);
    }

    #[test]
    fn a_digest_tells_every_content_apart() {
        let digest = |values: Values, labels: Option<f32>, length: Option<usize>| {
            let mut clips = ArrayClips::new([(Modality::AUDIO, values)].into()).expect("clips");
            if let Some(share) = labels {
                clips = clips.with_labels(Array2::from_elem((2, 1), share)).expect("labels");
            }
            if let Some(length) = length {
                clips = clips.with_valid(Modality::AUDIO, vec![length; 2]).expect("lengths");
            }
            clips.digest()
        };
        let zeros = || Values::from(Array2::<f32>::zeros((2, 2)));
        let all = [
            digest(zeros(), None, None),
            digest(Values::from(Array2::<f32>::ones((2, 2))), None, None),
            digest(Values::from(Array2::<i64>::zeros((2, 2))), None, None),
            digest(zeros(), Some(0.0), None),
            digest(zeros(), Some(1.0), None),
            digest(zeros(), None, Some(1)),
            digest(zeros(), None, Some(2)),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        assert_eq!(all[0], digest(zeros(), None, None));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let two = |rows| {
            let text = Modality::new("text").expect("a name");
            let ids = Values::from(Array2::<i64>::zeros((rows, 3)));
            ArrayClips::new(
                [(Modality::AUDIO, Values::from(arr1(&[0.5f32; 2]))), (text, ids)].into(),
            )
        };
        let text = Modality::new("text").expect("a name");
        let told = |refused: anyhow::Result<ArrayClips>| refused.expect_err("refused").to_string();
        assert!(told(two(3)).contains("text has 3 rows and audio 2"));
        let clips = || two(2).expect("clips");
        assert!(told(ArrayClips::new(BTreeMap::new())).contains("need a modality"));
        assert!(told(clips().with_valid(text, vec![0, 3])).contains("expected 1 to 3"));
        assert!(told(clips().with_valid(text, vec![4, 3])).contains("expected 1 to 3"));
        assert!(told(clips().with_valid(text, vec![3])).contains("lengths of 1 clips"));
        assert!(told(clips().with_valid(Modality::VISUAL, vec![3, 3])).contains("no visual"));
        assert!(told(clips().with_valid(Modality::AUDIO, vec![1, 1])).contains("one number"));
        assert!(told(clips().with_labels(Array2::zeros((3, 1)))).contains("labels of 3 clips"));
        assert!(told(clips().with_labels(Array2::from_elem((2, 1), 1.5))).contains("1.5"));
    }
}
