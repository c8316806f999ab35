//! A picture file of any bytes: an image, or an error of one line.
#![no_main]

use std::path::Path;

use equiav_data::decode_picture;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match decode_picture(bytes, Path::new("x.jpg")) {
        Ok(image) => assert!(image.pixels().len() >= 3),
        Err(error) => assert_eq!(error.to_string().lines().count(), 1),
    }
});
