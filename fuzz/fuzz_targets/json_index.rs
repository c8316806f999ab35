//! An index of any bytes: samples inside of the tar file it speaks of, or an error of one line.
#![no_main]

use std::path::Path;

use equiav_data::shard::Contents;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    match Contents::parse_index(Path::new("x.jsonl"), text) {
        Ok((bytes, contents)) => {
            for sample in 0..contents.len() {
                let _ = (contents.key(sample), contents.labels(sample).count());
                for (_, _, place) in contents.members(sample) {
                    assert!(place.offset + place.length <= bytes);
                }
            }
        }
        Err(error) => assert_eq!(error.to_string().lines().count(), 1),
    }
});
