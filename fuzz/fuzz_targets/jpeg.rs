//! A picture file of any bytes: an image, or an error of one line.
#![no_main]

use std::path::Path;

use equiav_data::decode_picture;
use libfuzzer_sys::fuzz_target;

// A decoder's panic is caught and becomes an error, so the hook must not end the process at once; a
// panic that is not caught still does.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    match decode_picture(bytes, Path::new("x.jpg")) {
        Ok(image) => assert!(image.pixels().len() >= 3),
        Err(error) => assert_eq!(error.to_string().lines().count(), 1),
    }
});
