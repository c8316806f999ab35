//! Both views as arrays with named axes, and how they are resampled and turned.

pub(crate) mod image;
pub(crate) mod resample;
pub(crate) mod spectrogram;
pub(crate) mod transpose;
