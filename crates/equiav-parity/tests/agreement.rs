//! The project's copies of the dumps agree, and a dump that was tampered with does not.

use std::path::{Path, PathBuf};

use equiav_parity::{Report, check};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn report(folder: &Path) -> Report {
    let mut reports = check(folder).expect("a dump that can be compared");
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

fn check_agreement(name: &str, fewest_items: usize) {
    let report = report(&fixture(name));
    let lines: Vec<String> = report
        .items
        .iter()
        .map(|item| format!("{}: {:.3e} of {:.0e}", item.name, item.deviation, item.tolerance))
        .collect();
    let lines = lines.join("\n");
    let n_items = report.items.len();
    assert!(n_items >= fewest_items, "{name} compares {n_items} items only:\n{lines}");
    assert!(report.agrees(), "{name} disagrees:\n{lines}");
}

/// Copies a dump, lets `tamper` change a file of it, and sees that it then disagrees.
fn check_disagreement(name: &str, file: &str, tamper: impl Fn(&mut Vec<u8>)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for entry in std::fs::read_dir(fixture(name)).expect("the fixture").flatten() {
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a copy");
    }
    let path = folder.path().join(file);
    let mut bytes = std::fs::read(&path).expect("the file to change");
    tamper(&mut bytes);
    // a new file: the copy may have inherited a read-only mode
    std::fs::remove_file(&path).expect("the copy to replace");
    std::fs::write(&path, bytes).expect("the changed file");
    assert!(!report(folder.path()).agrees(), "{name} agrees although {file} was changed");
}

/// Adds one half to element `index` of the f32 tensor `name` of a safetensors file.
fn shift(bytes: &mut [u8], name: &str, index: usize) {
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("a length")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..start]).expect("a header");
    assert_eq!(header[name]["dtype"], "F32", "{name}");
    let offset = header[name]["data_offsets"][0].as_u64().expect("an offset") as usize;
    let at = start + offset + 4 * index;
    let value = f32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    bytes[at..at + 4].copy_from_slice(&(value + 0.5).to_le_bytes());
}

/// Replaces the only occurrence of `old`.
fn replace(bytes: &mut Vec<u8>, old: &str, new: &str) {
    let text = String::from_utf8(std::mem::take(bytes)).expect("text");
    assert_eq!(text.matches(old).count(), 1, "{old}");
    *bytes = text.replace(old, new).into_bytes();
}

#[test]
fn model_tiny_agrees() {
    check_agreement("model_tiny", 18);
}

#[test]
fn fbank_agrees() {
    check_agreement("fbank", 2 * 5);
}

#[test]
fn spectrogram_ops_agree() {
    check_agreement("spectrogram_ops", 19);
}

#[test]
fn image_ops_agree() {
    check_agreement("image_ops", 22);
}

#[test]
fn metrics_agree() {
    check_agreement("metrics", 3 * 7 + 2 * 5);
}

#[test]
fn checkpoints_agree() {
    check_agreement("checkpoints", 3);
}

#[test]
fn a_changed_embedding_disagrees() {
    check_disagreement("model_tiny", "embeddings.safetensors", |bytes| {
        shift(bytes, "z_v_inter", 40);
    });
}

#[test]
fn a_changed_weight_disagrees() {
    check_disagreement("model_tiny", "weights.safetensors", |bytes| {
        shift(bytes, "blocks_a.1.mlp.fc2.bias", 3);
    });
}

#[test]
fn a_changed_loss_disagrees() {
    check_disagreement("model_tiny", "trajectory.json", |bytes| {
        replace(bytes, "1.6327067613601685", "1.6337067613601685");
    });
}

#[test]
fn a_changed_filterbank_disagrees() {
    check_disagreement("fbank", "fbank.safetensors", |bytes| shift(bytes, "short", 1000));
}

#[test]
fn a_changed_spectrogram_disagrees() {
    check_disagreement("spectrogram_ops", "spectrogram_ops.safetensors", |bytes| {
        shift(bytes, "time_roll", 64);
    });
}

#[test]
fn a_changed_operation_disagrees() {
    check_disagreement("image_ops", "image_ops.json", |bytes| replace(bytes, "1.37", "1.27"));
}

#[test]
fn a_changed_score_disagrees() {
    check_disagreement("metrics", "metrics.safetensors", |bytes| shift(bytes, "similarity", 0));
}

#[test]
fn a_changed_tensor_of_a_checkpoint_disagrees() {
    check_disagreement("checkpoints", "expected.safetensors", |bytes| {
        shift(bytes, "blocks.1.norm2.bias", 7);
    });
}

#[test]
fn a_folder_without_a_dump_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let failure = check(folder.path()).expect_err("nothing to compare");
    assert!(format!("{failure:#}").contains("holds no dump: expected one of fbank.json"));
}
