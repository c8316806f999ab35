//! A model folder, written and read back, here and as another program would.

#[path = "small/model.rs"]
mod small;

use std::collections::BTreeMap;
use std::fs;

use equiav_models::{Inter, Intra, ModelConfig, export, model_card, read_export, restore};
use expect_test::expect;
use tch::{Device, nn};

fn config() -> ModelConfig {
    let branch = |suffix| small::branch(suffix, small::ATTENTION);
    let branches = [("audio", "a"), ("visual", "v")];
    let named = branches.map(|(name, suffix)| (name.to_owned(), branch(suffix)));
    let mut config = ModelConfig::new(BTreeMap::from(named));
    config.extra.insert("front_end".to_owned(), serde_json::json!({"mels": 128}));
    config
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("models/mine");
    let store = nn::VarStore::new(Device::Cpu);
    let branches = config().build(&store.root()).expect("a sound configuration");
    for _ in 0..2 {
        export(&place, &store, &config(), "a card").expect("the second replaces the first");
    }
    let beside: Vec<_> = fs::read_dir(folder.path().join("models")).expect("a folder").collect();
    assert_eq!(beside.len(), 1, "nothing is left beside it");
    assert_eq!(fs::read_to_string(place.join("README.md")).expect("a card"), "a card");

    let exported = read_export(&place).expect("it was just written");
    assert_eq!(exported.config, config());
    let fresh = nn::VarStore::new(Device::Cpu);
    let copies = exported.config.build(&fresh.root()).expect("a sound configuration");
    restore(&fresh, &exported.weights).expect("every name");
    let views = small::views(2, 3);
    for (name, branch) in branches {
        let inter = |branch: &equiav_models::Branch| {
            branch.forward(&views, Intra::Equivariant, Inter::Centroid).inter
        };
        assert!(inter(&branch).equal(&inter(&copies[&name])), "{name}");
    }
}

#[test]
fn the_file_is_what_python_expects() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("model");
    let store = nn::VarStore::new(Device::Cpu);
    drop(config().build(&store.root()).expect("a sound configuration"));
    export(&place, &store, &config(), "").expect("a folder");
    // The format by its description: a length, a JSON object, and the bytes that it points to.
    let bytes = fs::read(place.join("model.safetensors")).expect("the weights");
    let (length, rest) = bytes.split_first_chunk::<8>().expect("a length");
    let length = u64::from_le_bytes(*length) as usize;
    assert_eq!(length % 8, 0, "the data are aligned");
    let header: serde_json::Value = serde_json::from_slice(&rest[..length]).expect("JSON");
    assert_eq!(header["__metadata__"]["format"], "pt");
    let entry = &header["blocks_v.1.attn.qkv.weight"];
    assert_eq!((&entry["dtype"], &entry["shape"]), (&"F32".into(), &serde_json::json!([24, 8])));
    let start = entry["data_offsets"][0].as_u64().expect("an offset") as usize;
    let first = rest[length + start..].first_chunk::<4>().expect("a number");
    let expected = store.variables()["blocks_v.1.attn.qkv.weight"].double_value(&[0, 0]);
    assert_eq!(f64::from(f32::from_le_bytes(*first)), expected);
}

#[test]
fn something_else_is_never_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("thesis");
    fs::create_dir(&place).expect("a folder");
    fs::write(place.join("chapter"), "words").expect("a file");
    let store = nn::VarStore::new(Device::Cpu);
    let error = export(&place, &store, &config(), "").expect_err("it is no model");
    assert!(format!("{error:#}").contains("something other than a model is there"));
    assert_eq!(fs::read_to_string(place.join("chapter")).expect("it is still there"), "words");
}

#[test]
fn a_configuration_that_cannot_be_meant_is_an_error() {
    let error = |change: &dyn Fn(&mut ModelConfig)| {
        let mut config = config();
        change(&mut config);
        let store = nn::VarStore::new(Device::Cpu);
        format!("{:#}", config.build(&store.root()).expect_err("it makes no sense"))
    };
    let other = error(&|config| config.model_type = "bert".to_owned());
    assert_eq!(other, "model_type = \"bert\": expected \"equiav\"");
    let twice = error(&|config| {
        config.branches.get_mut("audio").expect("a branch").suffix = "v".to_owned();
    });
    assert_eq!(twice, "two branches have the suffix \"v\"");
    let heads = error(&|config| {
        config.branches.get_mut("visual").expect("a branch").encoder.heads = 0;
    });
    assert_eq!(heads, "in branch visual: in the encoder: heads = 0: expected 1 to 65536");
}

#[test]
fn the_card_says_what_the_weights_are() {
    expect![[r#"
        ---
        library_name: equiav
        tags:
        - audio-visual
        - contrastive
        - equivariance
        ---

        # EquiAV weights

        Audio-visual encoders trained with equivariance to augmentation (arXiv 2403.09502).

        | branch | suffix | input | width | depth | heads | patch | parameter vector |
        |---|---|---|---|---|---|---|---|
        | audio | `a` | 8 x 12 | 8 | 2 | 2 | 4 | 7 |
        | visual | `v` | 8 x 12 | 8 | 2 | 2 | 4 | 7 |

        The names are those of the published implementation:

        ```python
        from safetensors.torch import load_file
        state_dict = load_file("model.safetensors")
        ```

        Trained for a test.
    "#]]
    .assert_eq(&model_card(&config(), "Trained for a test."));
}
