//! A manifest of any bytes: clips or an error of one line.
#![no_main]

use std::path::Path;

use equiav_data::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    match Manifest::parse(text, Path::new("root")) {
        Ok(manifest) => {
            assert!(!manifest.clips.is_empty());
            for clip in &manifest.clips {
                let _ = clip.frame_path(clip.middle_frame());
            }
            let _ = manifest.digest();
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
});
