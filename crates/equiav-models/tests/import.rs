//! Foreign checkpoints: what goes where, and what the table says.

#[path = "small/model.rs"]
mod small;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use equiav_models::{
    ImportReport, Weights, import_start, import_weights, read_weights, restore, to_safetensors,
};
use expect_test::expect;
use tch::{Device, Kind, Tensor, nn};

fn checkpoint(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/checkpoints").join(name)
}

/// A model with two branches, and the values of its variables.
fn model() -> nn::VarStore {
    let store = nn::VarStore::new(Device::Cpu);
    for suffix in ["a", "v"] {
        drop(small::branch(suffix, small::ATTENTION).build(&store.root()));
    }
    store
}

fn values(store: &nn::VarStore) -> BTreeMap<String, Tensor> {
    store.variables().into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

/// Writes `tensors` as a file and reads it back.
fn through_a_file(tensors: &BTreeMap<String, Tensor>) -> anyhow::Result<Weights> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("weights.bin");
    std::fs::write(&path, to_safetensors(tensors)?)?;
    read_weights(&path)
}

/// Variables of `after` that are not as in `before`.
fn changed(before: &BTreeMap<String, Tensor>, after: &BTreeMap<String, Tensor>) -> Vec<String> {
    let equal = |name: &String| before[name].equal(&after[name]);
    after.keys().filter(|name| !equal(name)).cloned().collect()
}

#[test]
fn prefixes_wrappers_and_unused_norms_do_not_matter() {
    let theirs = values(&model());
    for prefix in [
        "",
        "module.",
        "__M__.",
        "module.__M__.",
        "model.",
        "state_dict.module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "state_dict.model._orig_mod.",
        "model.module._orig_mod.",
        "_forward_module.model._fsdp_wrapped_module.",
    ] {
        let mut file: BTreeMap<String, Tensor> =
            theirs.iter().map(|(name, x)| (format!("{prefix}{name}"), x.copy())).collect();
        for norm in ["norm1_a", "norm1_v", "norm2_a", "norm2_v"] {
            file.insert(format!("{prefix}blocks_v.1.{norm}.weight"), small::random(&[8]));
        }
        let store = model();
        let weights = through_a_file(&file).expect("a sound file");
        let report = import_weights(&store, &weights).expect("it covers everything");
        assert!(report.loaded.iter().eq(theirs.keys()), "{prefix}");
        assert_eq!(report.unused.len(), 4, "{prefix}");
        assert!(report.missing.is_empty() && report.unexpected.is_empty(), "{prefix}\n{report}");
        assert_eq!(changed(&theirs, &values(&store)), [""; 0], "{prefix}");
    }
}

#[test]
fn values_are_converted_to_the_precision_of_the_model() {
    let theirs = values(&model());
    for kind in [Kind::Half, Kind::BFloat16, Kind::Double] {
        let file = theirs.iter().map(|(name, x)| (name.clone(), x.to_kind(kind))).collect();
        let store = model();
        let weights = through_a_file(&file).expect("a sound file");
        import_weights(&store, &weights).expect("it covers everything");
        for (name, found) in values(&store) {
            assert_eq!(found.kind(), Kind::Float, "{name}");
            assert!(found.equal(&file_value(&file, &name)), "{name} through {kind:?}");
        }
    }
}

fn file_value(file: &BTreeMap<String, Tensor>, name: &str) -> Tensor {
    file[name].to_kind(Kind::Float)
}

#[test]
fn the_table_names_what_did_not_fit() {
    let mut file = values(&model());
    file.remove("modality_a");
    file.remove("pred_v_inter.fc1.bias");
    file.insert("pred_v_inter.fc3.weight".to_owned(), small::random(&[3, 10]));
    file.insert("pos_embed_v".to_owned(), small::random(&[1, 99, 8]));
    file.insert("decoder.weight".to_owned(), small::random(&[2]));
    let store = model();
    let report = import_weights(&store, &Weights::new(file)).expect("the encoders are covered");
    expect![[r#"
        part            loaded  missing  unexpected  wrong shape  unused
        aug_encoder_a        6        0           0            0       0
        aug_encoder_v        6        0           0            0       0
        blocks_a            24        0           0            0       0
        blocks_v            24        0           0            0       0
        cross_attn_a        15        0           0            0       0
        cross_attn_v        15        0           0            0       0
        decoder              0        0           1            0       0
        modality_a           0        1           0            0       0
        modality_v           1        0           0            0       0
        norm_a               2        0           0            0       0
        norm_a_aug           2        0           0            0       0
        norm_v               2        0           0            0       0
        norm_v_aug           2        0           0            0       0
        patch_embed_a        2        0           0            0       0
        patch_embed_v        2        0           0            0       0
        pos_embed_a          1        0           0            0       0
        pos_embed_v          0        0           0            0       1
        pred_a_inter        12        0           0            0       0
        pred_a_intra        12        0           0            0       0
        pred_v_inter        10        1           0            1       0
        pred_v_intra        12        0           0            0       0
        total              150        2           1            1       1
        wrong shape: pred_v_inter.fc3.weight is [3, 10] in the file, [4, 10] in the model
        missing: modality_a, pred_v_inter.fc1.bias
        unexpected: decoder.weight
    "#]]
    .assert_eq(&report.to_string());
}

#[test]
fn an_uncovered_encoder_is_an_error_and_changes_nothing() {
    let theirs = values(&model());
    let check = |change: &dyn Fn(&mut BTreeMap<String, Tensor>)| {
        let mut file: BTreeMap<String, Tensor> =
            theirs.iter().map(|(name, x)| (name.clone(), x.copy())).collect();
        change(&mut file);
        let store = model();
        let before = values(&store);
        let error = import_weights(&store, &Weights::new(file)).expect_err("not covered");
        assert_eq!(changed(&before, &values(&store)), [""; 0]);
        error.to_string()
    };
    let error = check(&|file| drop(file.remove("blocks_a.1.mlp.fc1.weight")));
    assert!(error.contains("covers 51 of the encoders' 52 parameters"), "{error}");
    assert!(error.contains("missing: blocks_a.1.mlp.fc1.weight"), "{error}");

    let error = check(&|file| {
        drop(file.insert("patch_embed_v.proj.weight".to_owned(), small::random(&[8, 3, 2, 2])));
    });
    let shapes = "patch_embed_v.proj.weight is [8, 3, 2, 2] in the file, [8, 3, 4, 4] in the model";
    assert!(error.contains(shapes), "{error}");

    let error = check(&|file| file.clear());
    assert!(error.contains("covers 0 of"), "{error}");
}

#[test]
fn an_autoencoder_starts_both_encoders() {
    for name in ["mae_like.pth", "dataparallel.pth", "legacy.pt"] {
        let weights = read_weights(&checkpoint(name)).expect("a sound file");
        let store = nn::VarStore::new(Device::Cpu);
        for suffix in ["a", "v"] {
            let mut config = small::branch(suffix, small::ATTENTION);
            (config.encoder.width, config.encoder.heads, config.encoder.patch) = (48, 3, 16);
            (config.input.height, config.input.width) = (32, 48);
            config.encoder.mlp = equiav_models::MlpConfig::Gelu { ratio: 4 };
            drop(config.build(&store.root()));
        }
        let before = values(&store);
        let report: ImportReport = import_start(&store, &weights).expect("it covers both");
        let after = values(&store);
        let file = weights.tensors();
        // Where each tensor of the file belongs, by name.
        let mut targets = BTreeMap::new();
        for theirs in file.keys() {
            let known = ["patch_embed.", "blocks.", "norm."];
            let Some(part) = known.iter().find(|part| theirs.starts_with(**part)) else { continue };
            let (part, rest) = (part.trim_end_matches('.'), &theirs[part.len()..]);
            for suffix in ["a", "v"] {
                targets.insert(format!("{part}_{suffix}.{rest}"), theirs);
            }
        }
        assert_eq!(
            targets.len(),
            2 * (2 + 2 * 12 + 2),
            "{name}: two blocks and what is around them"
        );
        for (ours, theirs) in &targets {
            assert!(after[ours].equal(&file[*theirs]), "{name}: {ours} is not {theirs}");
            // Equal tensors could stand in each other's place unseen.
            let equals = file.iter().filter(|(_, other)| other.equal(&file[*theirs])).count();
            assert!(equals == 1 || theirs.ends_with("bias") || theirs.contains("norm"), "{theirs}");
        }
        assert!(report.loaded.iter().eq(targets.keys()), "{name}: {:?}", report.loaded);
        let others: Vec<String> = changed(&before, &after)
            .into_iter()
            .filter(|ours| !targets.contains_key(ours))
            .collect();
        assert_eq!(others, [""; 0], "{name}");
        for suffix in ["a", "v"] {
            assert!(report.missing.contains(&format!("norm_{suffix}_aug.weight")));
            assert!(report.missing.contains(&format!("modality_{suffix}")));
        }
        assert_eq!(report.unused, ["cls_token", "pos_embed"], "{name}");
        assert_eq!(report.unexpected, ["bf", "half", "int", "strided"], "{name}");
    }
}

#[test]
fn checkpoints_of_other_programs_hold_the_same_tensors() {
    let case = |name: &str| {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases/30-weights");
        read_weights(&cases.join(name)).unwrap_or_else(|error| panic!("{error:#}"))
    };
    let expected = case("expected.safetensors");
    assert_eq!(expected.tensors().len(), 13);
    for name in [
        "compiled-blocks.pth",
        "compiled-ddp-args.pth",
        "ddp-compiled.pth",
        "fsdp.pth",
        "lightning-compiled.ckpt",
        "lightning.ckpt",
        "name-and-state-dict.pth",
        "one-storage.pth",
        "transposed.pth",
        "tutorial.pth",
    ] {
        let found = case(name);
        assert!(found.tensors().keys().eq(expected.tensors().keys()), "{name}: {found:?}");
        for (tensor, value) in expected.tensors() {
            assert!(found.tensors()[tensor].equal(value), "{name}: {tensor}");
        }
    }
}

#[test]
fn restoring_takes_every_name_or_none() {
    let (store, other) = (model(), model());
    let theirs = values(&other);
    let copy = || -> BTreeMap<String, Tensor> {
        theirs.iter().map(|(name, x)| (name.clone(), x.copy())).collect()
    };
    let error = |file| restore(&store, &Weights::new(file)).expect_err("it differs").to_string();
    let mut file = copy();
    file.remove("modality_v");
    assert_eq!(error(file), "the weights lack `modality_v`");
    let mut file = copy();
    file.insert("more".to_owned(), small::random(&[1]));
    assert_eq!(error(file), "the weights hold `more`, which the model has not");
    let mut file = copy();
    file.insert("modality_v".to_owned(), small::random(&[1, 1, 8]).to_kind(Kind::Half));
    assert!(error(file).starts_with("`modality_v` is Half [1, 1, 8] in the file"));

    restore(&store, &through_a_file(&theirs).expect("a sound file")).expect("it fits");
    assert_eq!(changed(&theirs, &values(&store)), [""; 0]);
}

#[test]
fn two_variables_of_one_name_are_found() {
    let store = model();
    let _ = store.root().zeros("modality_a", &[3]); // the store renames it
    let error = restore(&store, &Weights::new(BTreeMap::new())).expect_err("a name twice");
    assert_eq!(error.to_string(), "two variables of the model are called `modality_a`");
}

#[test]
fn one_name_under_two_prefixes_is_refused() {
    let file = BTreeMap::from([
        ("module.x".to_owned(), small::random(&[1])),
        ("x".to_owned(), small::random(&[1])),
    ]);
    let error = format!("{:#}", through_a_file(&file).expect_err("twice"));
    assert!(error.ends_with("it holds `x` twice, under different prefixes"), "{error}");
}
