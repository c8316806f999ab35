//! Writes one channel of 16-bit sound.

use std::path::Path;

use anyhow::Context;

/// Writes `samples` at `sample_rate` Hz to the wav file `path`.
pub(crate) fn write(path: &Path, samples: &[i16], sample_rate: u32) -> anyhow::Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let write = || {
        let mut writer = hound::WavWriter::create(path, spec)?;
        samples.iter().try_for_each(|&sample| writer.write_sample(sample))?;
        writer.finalize()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
