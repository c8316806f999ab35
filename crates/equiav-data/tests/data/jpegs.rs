//! Baseline jpgs, made by `pictures/make.py`: the levels of libjpeg-turbo; cut and changed.

use std::path::{Path, PathBuf};

use equiav_data::{decode_picture, read_picture};

const NAMES: [&str; 6] = ["halved", "halved-restarts", "narrowed", "whole", "coarse", "grey"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name)
}

#[test]
fn every_level_is_that_of_libjpeg() {
    for name in NAMES {
        let found = read_picture(&path(&format!("{name}.jpg"))).unwrap();
        let expected = read_picture(&path(&format!("{name}.png"))).unwrap();
        assert_eq!(found.size(), expected.size(), "{name}");
        let levels = found.as_slice().iter().zip(expected.as_slice());
        assert_eq!(levels.filter(|(found, expected)| found != expected).count(), 0, "{name}");
    }
}

#[test]
fn every_cut_is_refused() {
    for name in NAMES {
        let name = format!("{name}.jpg");
        let bytes = std::fs::read(path(&name)).unwrap();
        for length in 0..bytes.len() {
            let cut = decode_picture(&bytes[..length], Path::new(&name));
            assert!(cut.is_err(), "{name}: {length} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn changed_bytes_make_no_panic() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for name in NAMES {
        let name = format!("{name}.jpg");
        let bytes = std::fs::read(path(&name)).unwrap();
        for _ in 0..300 {
            let mut changed = bytes.clone();
            for _ in 0..=random(3) {
                changed[random(bytes.len())] = random(256) as u8;
            }
            if let Err(error) = decode_picture(&changed, Path::new(&name)) {
                assert!(!error.reason.contains("gave up"), "{error}");
            }
        }
    }
}
