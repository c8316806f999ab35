//! Sounds in every compressed format, made by `sounds/make.sh`; whole and cut.

use std::path::{Path, PathBuf};

use equiav_data::{MediaError, read_sound};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sounds").join(name)
}

/// How many samples are read from the first `share` of the bytes of a file.
fn read_cut(name: &str, share: f64) -> Result<usize, MediaError> {
    let bytes = std::fs::read(path(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join(name);
    std::fs::write(&cut, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
    read_sound(&cut).map(|waveform| waveform.samples.len())
}

#[test]
fn every_format_holds_the_same_tone() {
    // What a lossy code leaves of a tone of height 0.5, away from its edges.
    for (name, tolerance) in [("tone.flac", 1e-3), ("tone.mp3", 0.03), ("tone.ogg", 0.05)] {
        let waveform = read_sound(&path(name)).unwrap();
        assert_eq!((waveform.rate, waveform.samples.len()), (16_000, 4_000), "{name}");
        for (n, sample) in waveform.samples.iter().enumerate().skip(400).take(3_200) {
            let expected = 0.5 * (n as f32 * 440.0 * std::f32::consts::TAU / 16_000.0).sin();
            assert!((sample - expected).abs() < tolerance, "{name}: {sample} {expected} at {n}");
        }
    }
}

#[test]
fn cut_sounds_are_refused() {
    for name in ["tone.flac", "tone.mp3", "tone.ogg"] {
        for share in [0.95, 0.8, 0.5] {
            let error = read_cut(name, share).unwrap_err();
            let reason = &error.reason;
            assert!(reason.contains("truncated") || reason.contains("corrupt"), "{name}: {reason}");
        }
    }
}

#[test]
fn a_flac_whose_samples_do_not_fit_its_checksum_is_refused() {
    let bytes = std::fs::read(path("tone.flac")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed.flac");
    // The samples are in the last 1200 bytes, behind a block of padding.
    for from_end in [1_100, 600, 100] {
        let mut bytes = bytes.clone();
        let place = bytes.len() - from_end;
        bytes[place] ^= 0x10;
        std::fs::write(&changed, bytes).unwrap();
        let read = read_sound(&changed).map(|waveform| waveform.samples.len());
        let reason = read.unwrap_err().reason;
        assert!(reason.contains("corrupt") || reason.contains("truncated"), "{reason}");
    }
}
