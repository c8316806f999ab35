//! What can go wrong between samples and a spectrogram.

/// A front end or a sound that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontEndError {
    /// A setting makes no sense: the key, its value and what was expected.
    #[error("front end: {0}")]
    Setting(String),
    /// A sound has less than one frame of the filterbank.
    #[error(
        "too short: {samples} samples, {:.1} ms, where one frame takes 25 ms",
        1e3 * *samples as f64 / f64::from(*rate)
    )]
    TooShort {
        /// Its samples.
        samples: usize,
        /// Its rate, in Hz.
        rate: u32,
    },
}
