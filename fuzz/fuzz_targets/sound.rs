//! A sound file of any bytes, wav, flac, mp3 or ogg: finite samples, or an error of one line.
#![no_main]

use std::path::Path;

use equiav_data::decode_sound_start;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match decode_sound_start(bytes.to_vec(), Path::new("x.wav"), 2.0) {
        Ok(waveform) => {
            assert!(!waveform.samples.is_empty());
            assert!(waveform.samples.iter().all(|sample| sample.is_finite()));
        }
        Err(error) => assert_eq!(error.to_string().lines().count(), 1),
    }
});
