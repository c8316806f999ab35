//! A tar file of any bytes: samples that lie inside of it, or an error of one line.
#![no_main]

use std::path::Path;

use equiav_data::shard::Scan;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Scan::bytes(Path::new("x.tar"), bytes) {
        Ok(Scan { contents, .. }) => {
            for sample in 0..contents.len() {
                for (_, _, place) in contents.members(sample) {
                    assert!(place.offset + place.length <= bytes.len() as u64);
                }
                let _ = (contents.sound(sample), contents.picture(sample, 0));
            }
        }
        Err(error) => assert_eq!(error.to_string().lines().count(), 1),
    }
});
