//! Writes one channel of sound as a wav file.

use std::io::Cursor;

/// A wav file of one channel of 16 bits: `levels` at `rate` Hz.
///
/// # Errors
///
/// If the sound is too long for a wav file.
pub fn wav_bytes(levels: impl IntoIterator<Item = i16>, rate: u32) -> Result<Vec<u8>, String> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let write = |bytes: &mut Cursor<Vec<u8>>| {
        let mut writer = hound::WavWriter::new(bytes, spec)?;
        levels.into_iter().try_for_each(|level| writer.write_sample(level))?;
        writer.finalize()
    };
    write(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes.into_inner())
}
