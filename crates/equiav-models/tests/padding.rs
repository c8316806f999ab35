//! Tokens that hold padding alone: with `mask_padding` nothing depends on them, neither embeddings nor gradients.

#[path = "small/model.rs"]
mod small;

use equiav_models::{
    BranchConfig, BranchInput, ClassifierConfig, Inter, Intra, MaterialMasks, PredictorConfig,
    TrunkConfig,
};
use equiav_torch::{AutocastKind, autocast};
use small::{ATTENTION, PREDICTORS, assert_close, branch, random, views};
use tch::{Device, Kind, Tensor, nn};

const INTERS: [Inter; 4] =
    [Inter::CleanPair, Inter::AugmentedPair, Inter::SinglePrediction, Inter::Centroid];

fn masked(predictor: PredictorConfig) -> BranchConfig {
    let mut config = branch("a", predictor);
    config.encoder.mask_padding = true;
    config
}

/// `[b, 12]`: the columns of each clip up to `valid` hold material.
fn columns(valid: &[i64]) -> Tensor {
    let all = Tensor::arange(12, (Kind::Int64, Device::Cpu)).unsqueeze(0);
    all.lt_tensor(&Tensor::from_slice(valid).unsqueeze(1))
}

/// The views of two clips: of the plain ones 8 and 5 columns of 12 hold material, of the augmented ones the last 4
/// and all. Tokens are of 4 columns, so 5 columns are two of them.
fn padded() -> BranchInput {
    let mut views = views(2, 3);
    let last = columns(&[8, 0]).logical_not();
    views.material = Some(MaterialMasks { plain: columns(&[8, 5]), augmented: last });
    views
}

/// Other numbers in the place of tokens without material.
fn refilled(views: &BranchInput) -> BranchInput {
    let plain = columns(&[8, 8]).logical_not();
    let augmented = Tensor::cat(&[columns(&[8]), columns(&[0])], 0);
    let refill = |view: &Tensor, padding: Tensor| {
        let padding = padding.unsqueeze(1).unsqueeze(1).expand_as(view);
        (random(&view.size()) * 7.0).where_self(&padding, view)
    };
    let material = views.material.as_ref().expect("padded views");
    BranchInput {
        plain: refill(&views.plain, plain),
        augmented: refill(&views.augmented, augmented),
        vectors: views.vectors.shallow_clone(),
        centroid: views.centroid.shallow_clone(),
        material: Some(MaterialMasks {
            plain: material.plain.shallow_clone(),
            augmented: material.augmented.shallow_clone(),
        }),
    }
}

/// Every embedding of `views`, side by side.
fn embeddings(
    branch: &equiav_models::Branch,
    views: &BranchInput,
    intra: Intra,
    inter: Inter,
) -> Tensor {
    let found = branch.forward(views, intra, inter);
    let mut all: Vec<Tensor> =
        found.intra.map(|pair| vec![pair.predicted, pair.augmented]).unwrap_or_default();
    all.push(found.inter);
    Tensor::cat(&all, 1)
}

#[test]
fn neither_embeddings_nor_gradients_depend_on_what_padding_holds() {
    tch::manual_seed(5);
    for predictor in PREDICTORS {
        let store = nn::VarStore::new(Device::Cpu);
        let branch = masked(predictor).build(&store.root());
        let views = padded();
        let other = refilled(&views);
        for (intra, inter) in INTERS
            .map(|inter| (Intra::Equivariant, inter))
            .into_iter()
            .chain([(Intra::Invariant, Inter::CleanPair), (Intra::None, Inter::Centroid)])
        {
            let gradients = |views: &BranchInput| {
                store.variables().into_values().for_each(|mut variable| variable.zero_grad());
                let found = embeddings(&branch, views, intra, inter);
                found.sin().sum(Kind::Float).backward();
                let named = store.variables().into_iter();
                let gradients = named.filter(|(_, variable)| variable.grad().defined());
                let gradients =
                    gradients.map(|(name, variable)| (name, variable.grad().copy())).collect();
                let gradients: std::collections::BTreeMap<String, Tensor> = gradients;
                (found.detach(), gradients)
            };
            let ((found, own), (again, others)) = (gradients(&views), gradients(&other));
            assert_close(&found, &again);
            assert_eq!(own.len(), others.len());
            own.iter().for_each(|(name, gradient)| assert_close(gradient, &others[name]));
        }
        let vectors = random(&[3, 7]);
        let columns = &views.material.as_ref().expect("material").plain;
        for vectors in [None, Some(&vectors)] {
            let embed = |views: &BranchInput| branch.embed(&views.plain, vectors, Some(columns));
            assert_close(&embed(&views), &embed(&other));
        }
        assert_close(
            &branch.pooled(&views.plain, Some(columns)),
            &branch.pooled(&other.plain, Some(columns)),
        );
    }
}

#[test]
fn padding_gets_no_gradient_and_material_does() {
    tch::manual_seed(6);
    let store = nn::VarStore::new(Device::Cpu);
    let branch = masked(ATTENTION).build(&store.root());
    let mut views = padded();
    views.plain = views.plain.set_requires_grad(true);
    embeddings(&branch, &views, Intra::Equivariant, Inter::Centroid)
        .sin()
        .sum(Kind::Float)
        .backward();
    let reached =
        views.plain.grad().abs().sum_dim_intlist([1i64, 2].as_slice(), false, None).gt(0.0);
    assert!(reached.equal(&columns(&[8, 8])), "a token of which one column is material counts");
}

#[test]
fn without_padding_or_without_the_setting_nothing_changes() {
    tch::manual_seed(7);
    let (with, without) = (nn::VarStore::new(Device::Cpu), nn::VarStore::new(Device::Cpu));
    let (masking, plain) =
        (masked(ATTENTION).build(&with.root()), branch("a", ATTENTION).build(&without.root()));
    let mut names: Vec<String> = with.variables().into_keys().collect();
    let mut expected: Vec<String> = without.variables().into_keys().collect();
    names.sort();
    expected.sort();
    assert_eq!(names, expected, "no parameter is of the setting");
    for (name, mut variable) in with.variables() {
        tch::no_grad(|| variable.copy_(&without.variables()[&name]));
    }
    let mut views = views(2, 3);
    let bare = |views: &BranchInput| embeddings(&plain, views, Intra::Equivariant, Inter::Centroid);
    let own =
        |views: &BranchInput| embeddings(&masking, views, Intra::Equivariant, Inter::Centroid);
    let expected = bare(&views);
    assert!(own(&views).equal(&expected), "no material is told");
    views.material =
        Some(MaterialMasks { plain: columns(&[12, 12]), augmented: columns(&[12, 12]) });
    assert_close(&own(&views), &expected);
    views.material =
        Some(MaterialMasks { plain: columns(&[4, 12]), augmented: columns(&[12, 12]) });
    assert!(bare(&views).equal(&expected), "the setting is off");
    let masked = own(&views);
    assert_close(&masked.narrow(0, 1, 1), &expected.narrow(0, 1, 1));
    assert!((masked - expected).abs().max().double_value(&[]) > 1e-3, "the first clip is padded");
}

#[test]
fn a_padded_clip_is_embedded_as_its_material_alone() {
    // Of a masked clip of 8 columns, what counts are the tokens of 8 columns: those of an encoder of that width, but
    // for the position table, which is that of the wider one's first columns.
    tch::manual_seed(8);
    let store = nn::VarStore::new(Device::Cpu);
    let wide = masked(ATTENTION).build(&store.root());
    let mut config = branch("a", ATTENTION);
    config.input.width = 8;
    let narrow_store = nn::VarStore::new(Device::Cpu);
    let narrow = config.build(&narrow_store.root());
    for (name, mut variable) in narrow_store.variables() {
        let from = &store.variables()[&name];
        let from = match name.starts_with("pos_embed") {
            true => from.unflatten(1, [2, 3]).narrow(2, 0, 2).flatten(1, 2),
            false => from.shallow_clone(),
        };
        tch::no_grad(|| variable.copy_(&from));
    }
    let (clip, vectors) = (random(&[1, 3, 8, 12]), random(&[3, 7]));
    for vectors in [None, Some(&vectors)] {
        let found = wide.embed(&clip, vectors, Some(&columns(&[8])));
        assert_close(&found, &narrow.embed(&clip.narrow(3, 0, 8), vectors, None));
    }
}

#[test]
fn a_view_without_material_counts_as_a_whole_and_narrow_products_mask_too() {
    tch::manual_seed(9);
    let store = nn::VarStore::new(Device::Cpu);
    let branch = masked(ATTENTION).build(&store.root());
    let clip = random(&[1, 3, 8, 12]);
    let nothing = branch.embed(&clip, None, Some(&columns(&[0])));
    assert_close(&nothing, &branch.embed(&clip, None, None));
    let narrow = |clip: &Tensor| {
        let embed = || branch.embed(clip, None, Some(&columns(&[8])));
        autocast(Device::Cpu, AutocastKind::BFloat16, embed).to_kind(Kind::Float)
    };
    let other = Tensor::cat(&[clip.narrow(3, 0, 8), random(&[1, 3, 8, 4]) * 7.0], 3);
    assert_close(&narrow(&clip), &narrow(&other));
}

#[test]
fn a_classifier_does_not_depend_on_padding_either() {
    tch::manual_seed(10);
    let BranchConfig { suffix, input, encoder, .. } = masked(ATTENTION);
    let trunk = TrunkConfig { suffix, input, encoder };
    let config = ClassifierConfig {
        trunks: [("audio".to_owned(), trunk)].into(),
        projection: 6,
        classes: 5,
    };
    let store = nn::VarStore::new(Device::Cpu);
    let classifier = config.build(&store.root());
    let (views, factors) = (padded(), Tensor::full([2, 2, 2], 0.5, (Kind::Float, Device::Cpu)));
    let other = refilled(&views);
    let columns = &views.material.as_ref().expect("material").plain;
    for factors in [None, Some(&factors)] {
        let project = |clips: &Tensor| classifier.project("audio", clips, factors, Some(columns));
        assert_close(&project(&views.plain), &project(&other.plain));
        let all = classifier.project("audio", &views.plain, factors, None);
        assert!((project(&views.plain) - all).abs().max().double_value(&[]) > 1e-3);
    }
}
