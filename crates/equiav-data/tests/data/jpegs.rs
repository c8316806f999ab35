//! Jpgs of several kinds, made by `pictures/make.py`: the levels of libjpeg-turbo; cut and changed.

use std::path::{Path, PathBuf};

use equiav_data::{JpegDecoder, decode_picture, read_picture};

const NAMES: [&str; 8] =
    ["halved", "halved-restarts", "narrowed", "whole", "coarse", "gray", "progressive", "inks"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

#[test]
fn levels_are_those_of_libjpeg_or_near() {
    for name in NAMES {
        let found = read_picture(&path(&format!("{name}.jpg"))).unwrap();
        let expected = read_picture(&path(&format!("{name}.png"))).unwrap();
        assert_eq!(found.size(), expected.size(), "{name}");
        let levels = found.as_slice().iter().zip(expected.as_slice());
        let off: Vec<u8> = levels.map(|(found, expected)| found.abs_diff(*expected)).collect();
        match JpegDecoder::BUILT {
            JpegDecoder::LibjpegTurbo => assert!(off.iter().all(|off| *off == 0), "{name}"),
            // More than 4 levels in the last row or column of subsampled pictures.
            JpegDecoder::ZuneJpeg => {
                let far = off.iter().filter(|off| **off > 4).count();
                assert!(far * 100 <= off.len(), "{name}: {far} of {} levels", off.len());
            }
        }
    }
}

#[test]
fn every_cut_is_refused() {
    for name in NAMES {
        let name = format!("{name}.jpg");
        let bytes = bytes(&name);
        for length in 0..bytes.len() {
            let cut = decode_picture(&bytes[..length], Path::new(&name));
            assert!(cut.is_err(), "{name}: {length} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_last_scan_without_its_second_half_is_refused() {
    for name in NAMES {
        let name = format!("{name}.jpg");
        let mut bytes = bytes(&name);
        let scan = bytes.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
        bytes.drain((scan + bytes.len()) / 2..bytes.len() - 2);
        match (JpegDecoder::BUILT, decode_picture(&bytes, Path::new(&name))) {
            (_, Err(error)) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
            // It fills what is missing of a progressive picture, and says nothing.
            (JpegDecoder::ZuneJpeg, Ok(_)) if name == "progressive.jpg" => {}
            (decoder, Ok(_)) => panic!("{name} was read by {decoder:?}"),
        }
    }
}

/// `bytes` without the segments of `marker` that stand before the first scan.
fn without(bytes: &[u8], marker: u8) -> Vec<u8> {
    let mut kept = bytes[..2].to_vec();
    let mut position = 2;
    while bytes[position + 1] != 0xda {
        let length = u16::from_be_bytes([bytes[position + 2], bytes[position + 3]]);
        let segment = &bytes[position..position + 2 + usize::from(length)];
        if segment[1] != marker {
            kept.extend(segment);
        }
        position += segment.len();
    }
    kept.extend(&bytes[position..]);
    kept
}

#[test]
fn no_picture_borrows_the_tables_of_the_one_before() {
    const QUANTIZATION: u8 = 0xdb;
    const HUFFMAN: u8 = 0xc4;
    let [first, second] = ["narrowed.jpg", "halved.jpg"].map(bytes);
    let decode = |bytes: &[u8]| decode_picture(bytes, Path::new("x.jpg"));
    assert!(decode(&without(&second, 0xff)).is_ok());
    for marker in [QUANTIZATION, HUFFMAN] {
        let bare = without(&second, marker);
        assert!(bare.len() < second.len());
        let alone = decode(&bare).map_err(|error| error.reason);
        decode(&first).unwrap();
        let after = decode(&bare).map_err(|error| error.reason);
        match (alone, after) {
            (Ok(alone), Ok(after)) => assert_eq!(alone.as_slice(), after.as_slice()),
            (alone, after) => assert_eq!(alone.err(), after.err()),
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
        let bytes = bytes(&name);
        for _ in 0..300 {
            let mut changed = bytes.clone();
            for _ in 0..=random(3) {
                changed[random(bytes.len())] = random(256) as u8;
            }
            if let Err(error) = decode_picture(&changed, Path::new(&name)) {
                assert!(!error.reason.contains("gave up"), "{error}");
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
            }
        }
    }
}
