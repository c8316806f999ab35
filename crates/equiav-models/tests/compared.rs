//! What a step compares beyond the published variants: the way from the clean pair to the centroid, constants, blocks.

#[path = "small/model.rs"]
mod small;

use equiav_models::{
    Branch, BranchInput, EncodeOptions, ForwardOptions, Inter, Intra, PoolConfig, ViewKind,
    is_predictor,
};
use small::{assert_close, views};
use tch::{Device, Kind, Tensor, nn};

const PUBLISHED: (Intra, Inter) = (Intra::Equivariant, Inter::Centroid);

fn mean(tokens: &Tensor) -> Tensor {
    tokens.mean_dim([1i64].as_slice(), false, None)
}

fn compared() -> ForwardOptions<'static> {
    ForwardOptions::new(PUBLISHED.0, PUBLISHED.1)
}

fn made(aggregate: PoolConfig) -> (nn::VarStore, Branch) {
    let store = nn::VarStore::new(Device::Cpu);
    let mut config = small::branch("a", small::ATTENTION);
    config.aggregate = aggregate;
    let branch = config.build(&store.root());
    (store, branch)
}

#[test]
fn the_way_to_the_centroid_begins_at_the_clean_pair() {
    let (_store, branch) = made(PoolConfig::Mean);
    let views = views(3, 4);
    let at = |centroid_share| {
        branch.compare(&views, &ForwardOptions { centroid_share, ..compared() }).inter
    };
    assert_close(&at(0.0), &branch.forward(&views, PUBLISHED.0, Inter::CleanPair).inter);
    assert_close(&at(1.0), &branch.forward(&views, PUBLISHED.0, PUBLISHED.1).inter);
    let tokens = branch.encode(&views.plain, ViewKind::Plain);
    let centroid = mean(&branch.predict(&tokens, &views.centroid, None));
    let between = mean(&tokens) * 0.75 + centroid * 0.25;
    assert_close(&at(0.25), &branch.project(&between));
}

#[test]
fn constants_leave_the_encoder_untrained_between_modalities() {
    let (store, branch) = made(PoolConfig::Mean);
    let views = views(3, 4);
    let constant = ForwardOptions { detach_tokens: true, ..compared() };
    let embeddings = branch.compare(&views, &constant);
    let published = branch.forward(&views, PUBLISHED.0, PUBLISHED.1);
    assert_close(&embeddings.inter, &published.inter);
    embeddings.inter.square().sum(Kind::Float).backward();
    for (name, variable) in store.variables() {
        let trained = variable.grad().defined();
        let expected = is_predictor(&name) || name.starts_with("pred_a_inter");
        assert_eq!(trained, expected, "{name}");
    }
    let pair = embeddings.intra.expect("a pair");
    pair.predicted.sum(Kind::Float).backward();
    assert!(store.variables()["patch_embed_a.proj.weight"].grad().defined());
}

#[test]
fn a_hidden_vector_hides_what_was_done_and_nothing_else() {
    let (_store, branch) = made(PoolConfig::Mean);
    let told = views(3, 4);
    let told_otherwise = BranchInput {
        plain: told.plain.shallow_clone(),
        augmented: told.augmented.shallow_clone(),
        vectors: &told.vectors + 0.5,
        centroid: told.centroid.shallow_clone(),
        material: None,
    };
    let told_of_one = Tensor::from_slice(&[0f32, 1.0, 0.0]).unsqueeze(1);
    let hidden = ForwardOptions { told: Some(&told_of_one), ..compared() };
    let predicted = |views, options: &ForwardOptions<'_>| {
        let embeddings = branch.compare(views, options);
        (embeddings.intra.expect("a pair").predicted, embeddings.inter)
    };
    let ((own, inter), (otherwise, _)) =
        (predicted(&told, &hidden), predicted(&told_otherwise, &hidden));
    let (known, published) = predicted(&told, &compared());
    assert_close(&inter, &published);
    let apart = |a: &Tensor, b: &Tensor, row| {
        (a.select(0, row) - b.select(0, row)).abs().max().double_value(&[])
    };
    for row in [0, 2] {
        assert!(apart(&own, &otherwise, row) < 1e-5 && apart(&own, &known, row) > 1e-4, "{row}");
    }
    assert!(apart(&own, &otherwise, 1) > 1e-4 && apart(&own, &known, 1) < 1e-5);
}

#[test]
fn a_loss_on_a_block_leaves_what_is_above_to_the_other_modality() {
    for intra in [Intra::Equivariant, Intra::Invariant] {
        let store = nn::VarStore::new(Device::Cpu);
        let config = small::branch("a", small::ATTENTION);
        let root = store.root();
        let branch = config.builder(&root).intra_head(|_| nn::func(Tensor::shallow_clone)).build();
        let views = views(3, 4);
        let options =
            ForwardOptions { intra_block: Some(0), ..ForwardOptions::new(intra, Inter::CleanPair) };
        let embeddings = branch.compare(&views, &options);
        assert_close(&embeddings.inter, &branch.forward(&views, intra, Inter::CleanPair).inter);
        let pair = embeddings.intra.expect("a pair");
        let block = |input: &Tensor, view| {
            let options = EncodeOptions { layers: &[0], ..EncodeOptions::of(view) };
            branch.encoder().encode(input, &options).layers.remove(&0).expect("its output")
        };
        let (plain, augmented) = (
            block(&views.plain, ViewKind::Plain),
            mean(&block(&views.augmented, ViewKind::Augmented)),
        );
        let own = views.vectors.unsqueeze(1);
        let expected = match intra {
            Intra::Equivariant => branch.predict(&plain, &own, None).select(1, 0),
            _ => mean(&plain),
        };
        assert_close(&pair.predicted, &expected);
        assert_close(&pair.augmented, &augmented);
        (pair.predicted + pair.augmented).square().sum(Kind::Float).backward();
        let variables = store.variables();
        let trained = |name: &str| variables[name].grad().defined();
        assert!(trained("blocks_a.0.attn.qkv.weight"));
        assert!(!trained("blocks_a.1.attn.qkv.weight") && !trained("norm_a.weight"));
    }
}

#[test]
fn a_learned_aggregate_weighs_predictions() {
    let (store, branch) = made(PoolConfig::Attention { heads: 2 });
    let (common, usual) = made(PoolConfig::Mean);
    small::copy_common(&store, &common);
    let views = views(3, 4);
    let [learned, published] =
        [&branch, &usual].map(|branch| branch.forward(&views, PUBLISHED.0, PUBLISHED.1));
    let pair = |embeddings: &equiav_models::Embeddings| {
        embeddings.intra.as_ref().expect("a pair").predicted.shallow_clone()
    };
    assert_close(&pair(&learned), &pair(&published)); // what both have in common starts alike
    assert!(!learned.inter.allclose(&published.inter, 1e-4, 1e-5, false));
    learned.inter.square().sum(Kind::Float).backward();
    assert!(store.variables()["aggregate_a.query"].grad().defined());
    // One set of vectors for all clips, as retrieval embeds, gives what a step gives for it.
    let vectors = views.centroid.select(0, 0);
    let same = equiav_models::BranchInput {
        centroid: vectors.unsqueeze(0).expand([3, -1, -1], false).contiguous(),
        ..small::views(3, 4)
    };
    let same = equiav_models::BranchInput { plain: views.plain.shallow_clone(), ..same };
    let step = branch.forward(&same, Intra::None, Inter::Centroid).inter;
    assert_close(&step, &branch.embed(&views.plain, Some(&vectors), None));
}
