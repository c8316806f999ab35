//! A sound file of any bytes, wav, flac, mp3 or ogg: finite samples, or an error of one line.
#![no_main]

use std::path::Path;

use equiav_data::decode_sound_start;
use libfuzzer_sys::fuzz_target;

// A decoder's panic is caught and becomes an error, so the hook must not end the process at once; a
// panic that is not caught still does.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    match decode_sound_start(bytes.to_vec(), Path::new("x.wav"), 2.0) {
        Ok(waveform) => {
            assert!(!waveform.samples.is_empty());
            assert!(waveform.samples.iter().all(|sample| sample.is_finite()));
        }
        Err(error) => assert_eq!(error.to_string().lines().count(), 1),
    }
});
