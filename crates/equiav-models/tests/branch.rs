//! What a branch computes: passes shared and passes spared, against the same passes one by one.

#[path = "small/model.rs"]
mod small;

use std::sync::{Arc, Mutex};

use equiav_models::{
    AugmentedPositives, Branch, BranchInput, Inter, Intra, Predict, Predictor, ViewKind,
};
use small::{assert_close, random, views};
use tch::{Device, Kind, Tensor, nn};

const INTRA: [Intra; 3] = [Intra::Equivariant, Intra::Invariant, Intra::None];
const INTER: [Inter; 4] =
    [Inter::CleanPair, Inter::AugmentedPair, Inter::SinglePrediction, Inter::Centroid];

fn mean(tokens: &Tensor) -> Tensor {
    tokens.mean_dim([1i64].as_slice(), false, None)
}

#[test]
fn one_call_of_a_predictor_equals_separate_calls() {
    for config in small::PREDICTORS {
        let store = nn::VarStore::new(Device::Cpu);
        let predictor = config.build(&store.root(), "a", 8, 7);
        let (tokens, vectors) = (random(&[3, 6, 8]), random(&[3, 5, 7]));
        let together = predictor.predict(&tokens, &vectors, None);
        assert_eq!(together.size(), [3, 5, 8]);
        for query in 0..5 {
            let alone = predictor.predict(&tokens, &vectors.narrow(1, query, 1), None);
            assert_close(&together.narrow(1, query, 1), &alone);
        }
        let other = predictor.predict(&tokens, &vectors.roll([1], [1]), None);
        assert!((together - other).abs().max().double_value(&[]) > 1e-3, "the vector matters");
    }
}

#[test]
fn a_hypernetwork_equals_its_formula() {
    let (width, rank) = (8, 2);
    let store = nn::VarStore::new(Device::Cpu);
    let predictor = small::PREDICTORS[2].build(&store.root(), "a", width, 7);
    let (tokens, vectors) = (random(&[1, 6, width]), random(&[1, 1, 7]));
    let found = predictor.predict(&tokens, &vectors, None).view([width]);

    let variables = store.variables();
    let linear = |x: &Tensor, name: &str| {
        let bias = &variables[&format!("{name}.bias")];
        variables[&format!("{name}.weight")].matmul(x) + bias
    };
    let gelu = |x: Tensor| &x * (&x * 1.702).sigmoid();
    let hidden = gelu(linear(&vectors.view([7]), "aug_encoder_a.0"));
    let hidden = linear(&gelu(linear(&hidden, "aug_encoder_a.2")), "aug_encoder_a.4");
    let weights = linear(&hidden, "hyper_pred_a");
    let row = |number: i64| weights.narrow(0, number * width, width);
    let m = mean(&tokens).view([width]);
    let mut expected = &m + row(2 * rank);
    for i in 0..rank {
        expected += row(rank + i) * row(i).dot(&m);
    }
    assert_close(&found, &expected);
}

#[test]
fn the_linear_predictor_equals_its_formula() {
    let store = nn::VarStore::new(Device::Cpu);
    let predictor = small::PREDICTORS[1].build(&store.root(), "a", 8, 7);
    let (tokens, vectors) = (random(&[2, 6, 8]), random(&[2, 1, 7]));
    let weight = &store.variables()["linear_pred_a.weight"];
    let input = Tensor::cat(&[mean(&tokens), vectors.select(1, 0)], 1);
    assert_close(
        &predictor.predict(&tokens, &vectors, None).select(1, 0),
        &input.matmul(&weight.tr()),
    );
}

#[test]
fn one_channel_stands_for_three_equal_ones() {
    let store = nn::VarStore::new(Device::Cpu);
    let branch = small::branch("a", small::ATTENTION).build(&store.root());
    let input = random(&[2, 1, 8, 12]);
    let repeated = input.repeat([1, 3, 1, 1]);
    assert_close(
        &branch.encode(&input, ViewKind::Plain),
        &branch.encode(&repeated, ViewKind::Plain),
    );
}

#[test]
fn a_patch_is_mapped_as_by_a_convolution() {
    let store = nn::VarStore::new(Device::Cpu);
    let mut config = small::branch("a", small::ATTENTION);
    config.encoder.depth = 1;
    let branch = config.build(&store.root());
    let mut variables = store.variables();
    // Without a block's change, tokens are norm(patch + position + modality).
    tch::no_grad(|| {
        for name in ["blocks_a.0.attn.proj.weight", "blocks_a.0.mlp.fc2.weight"] {
            let _ = variables.get_mut(name).expect("a parameter").zero_();
        }
    });
    let input = random(&[2, 3, 8, 12]);
    let (weight, bias) =
        (&variables["patch_embed_a.proj.weight"], &variables["patch_embed_a.proj.bias"]);
    let patches = input.conv2d(weight, Some(bias), [4, 4], [0, 0], [1, 1], 1);
    let tokens = patches.flatten(2, 3).transpose(1, 2)
        + &variables["pos_embed_a"]
        + &variables["modality_a"];
    let expected = tokens.layer_norm([8], None::<Tensor>, None::<Tensor>, 1e-5, true);
    assert_close(&branch.encode(&input, ViewKind::Plain), &expected);
}

/// The embeddings of `views`, by as many passes as there are parts.
fn one_by_one(branch: &Branch, store: &nn::VarStore, views: &BranchInput) -> [Tensor; 3] {
    let heads = |kind: &str, width| {
        let other = nn::VarStore::new(Device::Cpu);
        let config = branch.config();
        let config = if kind == "intra" { &config.intra_head } else { &config.inter_head };
        let head = config.build(&(&other.root() / format!("pred_a_{kind}")), width);
        let variables = store.variables();
        for (name, mut variable) in other.variables() {
            tch::no_grad(|| variable.copy_(&variables[&name]));
        }
        move |x: &Tensor| x.apply(&head)
    };
    let (intra, inter) = (heads("intra", 8), heads("inter", 8));
    let plain = branch.encode(&views.plain, ViewKind::Plain);
    let augmented = branch.encode(&views.augmented, ViewKind::Augmented);
    let own = branch.predict(&plain, &views.vectors.unsqueeze(1), None).select(1, 0);
    let sampled = mean(&branch.predict(&plain, &views.centroid, None));
    [intra(&own), intra(&mean(&augmented)), inter(&sampled)]
}

#[test]
fn shared_passes_equal_separate_passes() {
    let store = nn::VarStore::new(Device::Cpu);
    let branch = small::branch("a", small::ATTENTION).build(&store.root());
    let views = views(3, 4);
    let together = branch.forward(&views, Intra::Equivariant, Inter::Centroid);
    let [predicted, augmented, inter] = one_by_one(&branch, &store, &views);
    let pair = together.intra.expect("the variant has a pair");
    assert_close(&pair.predicted, &predicted);
    assert_close(&pair.augmented, &augmented);
    assert_close(&together.inter, &inter);
}

/// Counts the vectors of each call.
#[derive(Debug)]
struct Counting {
    inner: Predictor,
    calls: Arc<Mutex<Vec<i64>>>,
}

impl Predict for Counting {
    fn predict(&self, tokens: &Tensor, vectors: &Tensor, counted: Option<&Tensor>) -> Tensor {
        self.calls.lock().expect("no test panics while it counts").push(vectors.size()[1]);
        self.inner.predict(tokens, vectors, counted)
    }
}

#[test]
fn each_variant_makes_the_passes_it_needs() {
    let store = nn::VarStore::new(Device::Cpu);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let config = small::branch("a", small::ATTENTION);
    let root = store.root();
    let counting = |path: &nn::Path| Counting {
        inner: config.predictor.build(path, "a", 8, 7),
        calls: Arc::clone(&calls),
    };
    let branch = config.builder(&root).predictor(counting).build();
    // A view of a wrong size makes an encoder pass panic; so an unused view may have one.
    let unfit = || random(&[0]);
    for intra in INTRA {
        for inter in INTER {
            let mut views = views(2, 5);
            if intra == Intra::None && inter != Inter::AugmentedPair {
                views.augmented = unfit();
            }
            if intra == Intra::None && inter == Inter::AugmentedPair {
                views.plain = unfit();
            }
            let embeddings = branch.forward(&views, intra, inter);
            assert_eq!(embeddings.inter.size(), [2, 4]);
            assert_eq!(embeddings.intra.is_some(), intra != Intra::None);
            let sampled = match inter {
                Inter::CleanPair | Inter::AugmentedPair => 0,
                Inter::SinglePrediction => 1,
                Inter::Centroid => 5,
            };
            let queries = sampled + i64::from(intra == Intra::Equivariant);
            let expected = if queries > 0 { vec![queries] } else { vec![] };
            let found = std::mem::take(&mut *calls.lock().expect("no test panics while it counts"));
            assert_eq!(found, expected, "{intra:?} {inter:?}");
        }
    }
}

#[test]
fn each_variant_compares_what_it_names() {
    let store = nn::VarStore::new(Device::Cpu);
    let branch = small::branch("a", small::ATTENTION).build(&store.root());
    let views = views(2, 5);
    let inter = |variant| branch.forward(&views, Intra::None, variant).inter;
    let fixed = |vectors: Option<&Tensor>| branch.embed(&views.plain, vectors, None);
    assert_close(&inter(Inter::CleanPair), &fixed(None));
    let first = views.centroid.narrow(0, 0, 1).narrow(1, 0, 1).squeeze_dim(0);
    let single = inter(Inter::SinglePrediction).narrow(0, 0, 1);
    assert_close(&single, &fixed(Some(&first)).narrow(0, 0, 1));
    let swapped = BranchInput {
        plain: views.augmented.shallow_clone(),
        augmented: views.plain.shallow_clone(),
        vectors: views.vectors.shallow_clone(),
        centroid: views.centroid.shallow_clone(),
        material: None,
    };
    // Fresh final norms are equal, so swapping the views swaps the two variants.
    let other = branch.forward(&swapped, Intra::None, Inter::AugmentedPair).inter;
    assert_close(&inter(Inter::CleanPair), &other);
    let pair = branch.forward(&views, Intra::Invariant, Inter::CleanPair).intra;
    let swapped = branch.forward(&swapped, Intra::Invariant, Inter::CleanPair).intra;
    let (pair, swapped) = (pair.expect("a pair"), swapped.expect("a pair"));
    assert_close(&pair.predicted, &swapped.augmented);
    assert_close(&pair.augmented, &swapped.predicted);
}

#[test]
fn a_clip_is_embedded_alike_in_any_company() {
    let store = nn::VarStore::new(Device::Cpu);
    let branch = small::branch("a", small::ATTENTION).build(&store.root());
    let (clips, vectors) = (random(&[4, 3, 8, 12]), random(&[16, 7]));
    let together = branch.embed(&clips, Some(&vectors), None);
    let alone = branch.embed(&clips.narrow(0, 2, 1), Some(&vectors), None);
    assert_close(&together.narrow(0, 2, 1), &alone);
}

#[test]
fn every_parameter_that_a_variant_uses_gets_a_gradient() {
    let store = nn::VarStore::new(Device::Cpu);
    let branch = small::branch("v", small::ATTENTION).build(&store.root());
    let embeddings = branch.forward(&views(2, 3), Intra::Equivariant, Inter::Centroid);
    let pair = embeddings.intra.expect("a pair");
    let sum = [pair.predicted, pair.augmented, embeddings.inter]
        .iter()
        .map(|x| x.sin().sum(Kind::Float))
        .reduce(|a, b| a + b)
        .expect("three embeddings");
    sum.backward();
    for (name, variable) in store.variables() {
        let trained = variable.requires_grad();
        assert_eq!(trained, name != "pos_embed_v", "only the table is fixed: {name}");
        assert_eq!(trained, variable.grad().defined(), "{name}");
    }
}

#[test]
fn parameters_start_as_described() {
    let store = nn::VarStore::new(Device::Cpu);
    let mut config = small::branch("a", small::ATTENTION);
    (config.encoder.width, config.encoder.heads) = (64, 4);
    drop(config.build(&store.root()));
    for (name, variable) in store.variables() {
        let largest = variable.abs().max().double_value(&[]);
        let size = variable.size();
        if name.ends_with(".bias") {
            assert_eq!(largest, 0.0, "{name}");
        } else if name.contains("norm") {
            assert_eq!((&variable - 1).abs().max().double_value(&[]), 0.0, "{name}");
        } else if name.ends_with(".weight") {
            let bound = (6.0 / (size[0] + size[1..].iter().product::<i64>()) as f64).sqrt();
            assert!(largest <= bound && largest > 0.5 * bound, "{name}: {largest} of {bound}");
        }
    }
    let modality = store.variables()["modality_a"].std(true).double_value(&[]);
    assert!((0.01..0.03).contains(&modality), "{modality}");
}

#[test]
fn sizes_that_do_not_fit_are_told_by_key() {
    let error = |change: &dyn Fn(&mut equiav_models::BranchConfig)| {
        let mut config = small::branch("a", small::ATTENTION);
        change(&mut config);
        format!("{:#}", config.check().expect_err("it does not fit"))
    };
    assert_eq!(
        error(&|config| config.encoder.heads = 3),
        "in the encoder: heads = 3 does not divide width = 8"
    );
    assert_eq!(
        error(&|config| config.input.width = 13),
        "in the encoder: patch = 4 does not divide input.width = 13"
    );
    assert_eq!(
        error(&|config| (config.encoder.width, config.encoder.heads) = (6, 2)),
        "in the encoder: width = 6: the position table needs a multiple of 4"
    );
    assert_eq!(error(&|config| config.vector = 0), "vector = 0: expected 1 to 65536");
    assert!(error(&|config| config.suffix = "a.b".to_owned()).starts_with("suffix = \"a.b\""));
}

#[test]
fn variants_and_shapes_are_written_in_kebab_case() {
    assert_eq!(
        serde_json::to_string(&INTRA).expect("JSON"),
        r#"["equivariant","invariant","none"]"#
    );
    assert_eq!(
        serde_json::to_string(&INTER).expect("JSON"),
        r#"["clean-pair","augmented-pair","single-prediction","centroid"]"#
    );
    let text = serde_json::to_string(&small::branch("a", small::ATTENTION)).expect("JSON");
    let back: equiav_models::BranchConfig = serde_json::from_str(&text).expect("it was written so");
    assert_eq!(back, small::branch("a", small::ATTENTION));
    let typo = text.replace("\"depth\"", "\"dept\"");
    assert!(serde_json::from_str::<equiav_models::BranchConfig>(&typo).is_err());
}

#[test]
fn a_transposed_input_does_not_pass() {
    let store = nn::VarStore::new(Device::Cpu);
    let branch = small::branch("a", small::ATTENTION).build(&store.root());
    let encode = |shape: &[i64]| {
        let input = random(shape);
        let call = std::panic::AssertUnwindSafe(|| branch.encode(&input, ViewKind::Plain));
        std::panic::catch_unwind(call).map(|tokens| tokens.size())
    };
    assert_eq!(encode(&[2, 3, 8, 12]).ok(), Some(vec![2, 6, 8]));
    assert!(encode(&[2, 3, 12, 8]).is_err(), "it has as many patches, in another order");
    assert!(encode(&[2, 2, 8, 12]).is_err(), "two channels have no meaning");
}

#[test]
fn augmented_positives_are_told_what_was_done_where_they_are_conditioned() {
    let made = |positives| {
        tch::manual_seed(11);
        let store = nn::VarStore::new(Device::Cpu);
        let mut config = small::branch("a", small::ATTENTION);
        config.augmented_positives = positives;
        let branch = config.build(&store.root());
        (store, branch)
    };
    let views = views(3, 4);
    let other = BranchInput {
        vectors: random(&[3, 7]),
        plain: views.plain.shallow_clone(),
        augmented: views.augmented.shallow_clone(),
        centroid: views.centroid.shallow_clone(),
        material: None,
    };
    let (none, branch) = made(AugmentedPositives::None);
    let plain = branch.forward(&views, Intra::Invariant, Inter::CleanPair);
    assert!(plain.augmented_inter.is_none());
    for positives in [AugmentedPositives::Unconditioned, AugmentedPositives::Conditioned] {
        let (store, branch) = made(positives);
        // What both have in common.
        let own = store.variables();
        for (name, variable) in none.variables() {
            tch::no_grad(|| own[&name].shallow_clone().copy_(&variable));
        }
        // Needed whatever the other variants are.
        let rows = |views, intra| {
            let made = branch.forward(views, intra, Inter::CleanPair);
            assert_close(&made.inter, &plain.inter);
            made.augmented_inter.expect("rows of augmented views")
        };
        let alone = rows(&views, Intra::None);
        assert_close(&alone, &rows(&views, Intra::Invariant));
        let told = !alone.allclose(&rows(&other, Intra::None), 1e-5, 1e-6, false);
        assert_eq!(told, positives == AugmentedPositives::Conditioned);
        match positives {
            AugmentedPositives::Conditioned => {
                alone.sum(Kind::Float).backward();
                let second = own.iter().filter(|(name, _)| name.starts_with("conditioner."));
                assert!(second.clone().count() > 5);
                assert!(second.into_iter().all(|(_, variable)| variable.grad().defined()));
            }
            _ => {
                let tokens = branch.encode(&views.augmented, ViewKind::Augmented);
                assert_close(&alone, &branch.project(&mean(&tokens)));
            }
        }
    }
}

#[test]
fn a_predictor_may_start_at_the_mean() {
    for predictor in small::PREDICTORS {
        let store = nn::VarStore::new(Device::Cpu);
        let mut config = small::branch("a", predictor);
        config.zero_init_predictor = true;
        let branch = config.build(&store.root());
        let views = views(2, 5);
        let tokens = branch.encode(&views.plain, ViewKind::Plain);
        let predictions = branch.predict(&tokens, &views.centroid, None);
        assert_close(&predictions, &mean(&tokens).unsqueeze(1).expand([-1, 5, -1], false));
        // And is not bound to stay there.
        predictions.square().sum(Kind::Float).backward();
        let moved = store.variables().into_iter().filter(|(name, variable)| {
            let of_predictor = ["cross_attn", "linear_pred", "hyper_pred"];
            of_predictor.iter().any(|part| name.starts_with(part))
                && variable.grad().defined()
                && variable.grad().abs().max().double_value(&[]) > 0.0
        });
        assert!(moved.count() > 0, "{config:?}");
    }
}
