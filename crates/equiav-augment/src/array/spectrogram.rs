//! A log-mel spectrogram with named axes; nothing else in the crate knows which axis is which.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::View;

/// How large a spectrogram is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SpectrogramSize {
    /// How many steps in time.
    pub frames: usize,
    /// How many mel bins.
    pub mels: usize,
}

/// A standardized log-mel spectrogram: `[frames, mels]`, mean about 0 and deviation about 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrogram(Array2<f32>);

impl Spectrogram {
    /// A spectrogram of `values`, `[frames, mels]`.
    ///
    /// # Panics
    ///
    /// If there is no frame or no mel bin.
    #[track_caller]
    pub fn new(values: Array2<f32>) -> Self {
        assert!(!values.is_empty(), "Spectrogram::new: {:?} has an empty axis", values.shape());
        // Row by row in memory, which the inner loops rely on.
        if values.is_standard_layout() {
            Self(values)
        } else {
            Self(values.as_standard_layout().into_owned())
        }
    }

    /// A spectrogram of `size` whose frames stand one after another in `values`.
    pub(crate) fn from_frames(size: SpectrogramSize, values: Vec<f32>) -> Self {
        let values = Array2::from_shape_vec((size.frames, size.mels), values);
        Self::new(values.expect("from_frames: one value per frame and mel bin"))
    }

    /// How many steps in time.
    pub fn frames(&self) -> usize {
        self.0.nrows()
    }

    /// How many mel bins.
    pub fn mels(&self) -> usize {
        self.0.ncols()
    }

    /// The values, `[frames, mels]`.
    pub fn values(&self) -> ArrayView2<'_, f32> {
        self.0.view()
    }

    /// The values, `[frames, mels]`.
    pub fn into_values(self) -> Array2<f32> {
        self.0
    }

    /// The values, frame after frame.
    pub fn as_slice(&self) -> &[f32] {
        self.0.as_slice().expect("a spectrogram is stored row by row")
    }

    /// The values, frame after frame.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        self.0.as_slice_mut().expect("a spectrogram is stored row by row")
    }

    /// The values of one frame after another, each `[mels]`.
    pub(crate) fn rows_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut [f32]> {
        let mels = self.mels();
        self.as_mut_slice().chunks_exact_mut(mels)
    }
}

impl View for Spectrogram {
    type Size = SpectrogramSize;

    fn size(&self) -> SpectrogramSize {
        SpectrogramSize { frames: self.frames(), mels: self.mels() }
    }
}
