//! The classifier: its names, its formula, its gradients, and samples that skip branches.

use std::collections::BTreeMap;

use equiav_models::{
    Classifier, ClassifierConfig, EncoderConfig, InputConfig, MlpConfig, PoolConfig, TrunkConfig,
    ViewKind, is_head,
};
use tch::{Device, Kind, Tensor, nn};

const INPUT: InputConfig = InputConfig { height: 8, width: 12 };

fn encoder() -> EncoderConfig {
    let mlp = MlpConfig::Gelu { ratio: 2 };
    EncoderConfig {
        width: 8,
        depth: 2,
        heads: 2,
        patch: 4,
        mlp,
        mask_padding: false,
        pool: PoolConfig::Mean,
        shared_from: None,
    }
}

/// A classifier of five classes that sees the given modalities.
fn config(suffixes: &[&str]) -> ClassifierConfig {
    let trunk = |suffix: &&str| {
        let trunk = TrunkConfig { suffix: (*suffix).to_owned(), input: INPUT, encoder: encoder() };
        (format!("modality {suffix}"), trunk)
    };
    ClassifierConfig { trunks: suffixes.iter().map(trunk).collect(), projection: 6, classes: 5 }
}

fn random(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

fn scores(classifier: &Classifier, inputs: &[(&str, &Tensor)]) -> Tensor {
    let project = |(name, input): &(&str, &Tensor)| {
        (name.to_string(), classifier.project(name, input, None, None))
    };
    classifier.classify(&inputs.iter().map(project).collect())
}

#[test]
fn parameters_have_the_published_names() {
    for (suffixes, joined) in [(&["a", "v"][..], 12), (&["a"], 6), (&["v"], 6)] {
        let store = nn::VarStore::new(Device::Cpu);
        drop(config(suffixes).build(&store.root()));
        let named: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
        assert_eq!(named["mlp_head.0.weight"].size(), [5, joined]);
        assert_eq!(named["mlp_head.0.bias"].size(), [5]);
        for suffix in suffixes {
            assert_eq!(named[&format!("pred_{suffix}_inter.weight")].size(), [6, 8]);
            assert!(named.contains_key(&format!("blocks_{suffix}.1.mlp.fc2.weight")));
        }
        let heads: Vec<&String> = named.keys().filter(|name| is_head(name)).collect();
        assert_eq!(heads, ["mlp_head.0.bias", "mlp_head.0.weight"]);
        assert!(!is_head("mlp_heads.0.bias"));
    }
}

#[test]
fn scores_equal_their_formula_and_so_do_the_gradients_of_the_linear_maps() {
    tch::manual_seed(3);
    let store = nn::VarStore::new(Device::Cpu);
    let classifier = config(&["a", "v"]).build(&store.root());
    let named: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    let (a, v) = (random(&[3, 1, 8, 12]), random(&[3, 3, 8, 12]));
    let scores = scores(&classifier, &[("modality a", &a), ("modality v", &v)]);
    assert_eq!(scores.size(), [3, 5]);
    let weights = random(&[3, 5]);
    (&scores * &weights).sum(Kind::Float).backward();

    // The encoders alone, with the same weights.
    let others = nn::VarStore::new(Device::Cpu);
    let pooled = ["a", "v"].map(|suffix| {
        let encoder = encoder().build(&others.root(), suffix, INPUT);
        for (name, mut variable) in others.variables() {
            tch::no_grad(|| variable.copy_(&named[&name]));
        }
        let input = if suffix == "a" { &a } else { &v };
        tch::no_grad(|| encoder.forward(input, ViewKind::Plain).mean_dim(1i64, false, None))
    });
    let affine = |x: &Tensor, name: &str| {
        x.matmul(&named[&format!("{name}.weight")].tr()) + &named[&format!("{name}.bias")]
    };
    let projected = [affine(&pooled[0], "pred_a_inter"), affine(&pooled[1], "pred_v_inter")];
    let joined = Tensor::cat(&projected, 1);
    let close = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]) < 1e-5;
    assert!(close(&scores, &affine(&joined, "mlp_head.0")));

    // d/dW Σ c (x Wᵀ + b) = cᵀ x, and the projection gets c W of its half.
    let head = &named["mlp_head.0.weight"];
    assert!(close(&head.grad(), &weights.tr().matmul(&joined)));
    assert!(close(&named["mlp_head.0.bias"].grad(), &weights.sum_dim_intlist(0i64, false, None)));
    let inner = weights.matmul(head);
    for (suffix, (pooled, start)) in ["a", "v"].into_iter().zip(pooled.iter().zip([0, 6])) {
        let expected = inner.narrow(1, start, 6).tr().matmul(pooled);
        assert!(close(&named[&format!("pred_{suffix}_inter.weight")].grad(), &expected));
    }
}

#[test]
fn a_sample_that_skips_every_branch_is_its_patches_and_kept_ones_are_scaled() {
    tch::manual_seed(4);
    let store = nn::VarStore::new(Device::Cpu);
    let encoder = encoder().build(&store.root(), "a", INPUT);
    let input = random(&[2, 3, 8, 12]);
    let plain = encoder.forward(&input, ViewKind::Plain);
    let ones = Tensor::ones([2, 2, 2], (Kind::Float, Device::Cpu));
    assert!(encoder.forward_scaled(&input, &ones, None).equal(&plain));

    // The second sample skips all branches: blocks do not matter to it, and to the first they do.
    let factors = ones.copy();
    let _ = factors.narrow(2, 1, 1).fill_(0.0);
    let skipped = encoder.forward_scaled(&input, &factors, None);
    assert!(skipped.get(0).equal(&plain.get(0)), "samples do not touch each other");
    for (name, mut variable) in store.variables() {
        if name.starts_with("blocks_") {
            let _ = tch::no_grad(|| variable.zero_());
        }
    }
    let bare = encoder.forward(&input, ViewKind::Plain);
    assert!((skipped.get(1) - bare.get(1)).abs().max().double_value(&[]) < 1e-6);
    assert!((skipped.get(0) - bare.get(0)).abs().max().double_value(&[]) > 1e-2);
}

#[test]
fn wrong_sizes_are_told() {
    let mut wrong = config(&["a"]);
    wrong.classes = 0;
    assert_eq!(
        format!("{:#}", wrong.check().unwrap_err()),
        "the number of classes = 0: expected 1 to 65536"
    );
    let none = ClassifierConfig { trunks: BTreeMap::new(), projection: 1, classes: 1 };
    assert_eq!(none.check().unwrap_err().to_string(), "a classifier needs a modality");
}
