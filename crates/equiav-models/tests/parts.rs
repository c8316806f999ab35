//! The parts of a branch: pools against their formulas, outputs of blocks, and parts from outside.

#[path = "small/model.rs"]
mod small;

use equiav_models::{
    AttentionPool, BranchConfig, Encode, EncodeOptions, Features, FirstToken, Inter, Intra,
    MeanPool, Pool, PoolConfig, ViewKind,
};
use small::{ATTENTION, assert_close, branch, random, views};
use tch::nn::Module;
use tch::{Device, Kind, Tensor, nn};

fn attending(heads: i64) -> BranchConfig {
    let mut config = branch("a", ATTENTION);
    config.encoder.pool = PoolConfig::Attention { heads };
    config
}

/// The rows of `[n, width]`, in 64 bits.
fn rows(tensor: &Tensor) -> Vec<Vec<f64>> {
    let rows =
        (0..tensor.size()[0]).map(|row| Vec::try_from(tensor.get(row).to_kind(Kind::Double)));
    rows.collect::<Result<_, _>>().expect("numbers")
}

/// `W x + b` of the linear map called `name`.
fn linear(store: &nn::VarStore, name: &str, x: &[f64]) -> Vec<f64> {
    let variables = store.variables();
    let weight = rows(&variables[&format!("{name}.weight")]);
    let bias = rows(&variables[&format!("{name}.bias")].unsqueeze(0)).remove(0);
    let dot = |row: &Vec<f64>| row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
    weight.iter().zip(bias).map(|(row, bias)| dot(row) + bias).collect()
}

#[test]
fn attention_of_a_pool_equals_its_formula_and_passes_padding_over() {
    tch::manual_seed(3);
    let (n, width, heads) = (5, 8, 2);
    let store = nn::VarStore::new(Device::Cpu);
    let pool = AttentionPool::new(&(&store.root() / "pool_a"), width, heads);
    let tokens = random(&[1, n, width]);
    let kept = [true, true, false, true, false];
    for counted in [None, Some(Tensor::from_slice(&kept).unsqueeze(0))] {
        let found = pool.pool(&tokens, counted.as_ref());
        let attention = found.attention.expect("it attends");
        assert_eq!(attention.size(), [1, heads, n]);
        let query = rows(&store.variables()["pool_a.query"].view([heads, -1]));
        let mut joined = Vec::new();
        for (head, query) in query.iter().enumerate() {
            let part = |map: &str, token: &[f64]| {
                let all = linear(&store, map, token);
                all[head * query.len()..(head + 1) * query.len()].to_vec()
            };
            let tokens = rows(&tokens.get(0));
            let score = |token: &Vec<f64>| {
                let k = part("pool_a.to_k", token);
                let dot: f64 = query.iter().zip(&k).map(|(q, k)| q * k).sum();
                (dot / (query.len() as f64).sqrt()).exp()
            };
            let counts = |at: usize| counted.is_none() || kept[at];
            let weight = |(at, token)| if counts(at) { score(token) } else { 0.0 };
            let weights: Vec<f64> = tokens.iter().enumerate().map(weight).collect();
            let sum: f64 = weights.iter().sum();
            let mut point = vec![0.0; query.len()];
            for (at, (token, weight)) in tokens.iter().zip(&weights).enumerate() {
                let share = attention.double_value(&[0, head as i64, at as i64]);
                assert!((share - weight / sum).abs() < 1e-6, "{head} {at}");
                let v = part("pool_a.to_v", token);
                point.iter_mut().zip(v).for_each(|(sum, v)| *sum += weight * v);
            }
            joined.extend(point.iter().map(|number| number / sum));
        }
        let expected = linear(&store, "pool_a.to_out", &joined);
        assert_close(
            &found.point,
            &Tensor::from_slice(&expected).to_kind(Kind::Float).unsqueeze(0),
        );
    }
}

#[test]
fn mean_and_first_token_are_what_they_say() {
    let tokens = random(&[2, 6, 8]);
    let counted =
        Tensor::from_slice(&[true, false, true, true, false, false]).expand([2, 6], false);
    let mean = MeanPool.pool(&tokens, Some(&counted));
    let expected = (tokens.get_at(0) + tokens.get_at(2) + tokens.get_at(3)) / 3;
    assert_close(&mean.point, &expected);
    assert!(mean.attention.is_none());
    assert!(FirstToken.pool(&tokens, None).point.equal(&tokens.get_at(0)));
}

/// One token of each clip.
trait Token {
    fn get_at(&self, place: i64) -> Tensor;
}

impl Token for Tensor {
    fn get_at(&self, place: i64) -> Tensor {
        self.select(1, place)
    }
}

#[test]
fn a_pool_acts_wherever_a_branch_pools_and_the_mean_has_no_parameters() {
    tch::manual_seed(4);
    let store = nn::VarStore::new(Device::Cpu);
    let branch = attending(2).build(&store.root());
    let names = store.variables();
    let own: Vec<&String> = names.keys().filter(|name| name.starts_with("pool_a.")).collect();
    assert_eq!(own.len(), 7, "{own:?}");
    let views = views(3, 4);
    let forward = |intra, inter| branch.forward(&views, intra, inter);
    let before = [
        forward(Intra::None, Inter::CleanPair).inter,
        forward(Intra::None, Inter::AugmentedPair).inter,
        forward(Intra::Invariant, Inter::CleanPair).intra.expect("a pair").predicted,
        forward(Intra::Equivariant, Inter::Centroid).intra.expect("a pair").augmented,
        branch.embed(&views.plain, None, None),
        branch.pooled(&views.plain, None),
    ];
    let predicted = || forward(Intra::None, Inter::Centroid).inter;
    let centroid = predicted();
    let attention = branch.pool(&branch.features(&views.plain, None, &[])).attention;
    assert_eq!(attention.expect("it attends").size(), [3, 2, 6]);
    let _ = tch::no_grad(|| names["pool_a.to_out.bias"].shallow_clone().fill_(1.0));
    let after = [
        forward(Intra::None, Inter::CleanPair).inter,
        forward(Intra::None, Inter::AugmentedPair).inter,
        forward(Intra::Invariant, Inter::CleanPair).intra.expect("a pair").predicted,
        forward(Intra::Equivariant, Inter::Centroid).intra.expect("a pair").augmented,
        branch.embed(&views.plain, None, None),
        branch.pooled(&views.plain, None),
    ];
    for (place, (before, after)) in before.iter().zip(&after).enumerate() {
        assert!((before - after).abs().max().double_value(&[]) > 1e-3, "{place}");
    }
    assert!(centroid.equal(&predicted()), "predictions are not pooled from tokens");
}

#[test]
fn recipes_without_a_pool_stay_as_they_are() {
    let text = serde_json::to_string(&branch("a", ATTENTION)).expect("JSON");
    assert!(!text.contains("pool"), "{text}");
    let text = serde_json::to_string(&attending(2)).expect("JSON");
    assert!(text.contains(r#""pool":{"kind":"attention","heads":2}"#), "{text}");
    assert_eq!(serde_json::from_str::<BranchConfig>(&text).expect("as written"), attending(2));
    let error = format!("{:#}", attending(3).check().expect_err("3 does not divide 8"));
    assert_eq!(error, "in the encoder: pool.heads = 3 does not divide width = 8");
}

#[test]
fn outputs_of_blocks_are_those_of_shallower_encoders() {
    let store = nn::VarStore::new(Device::Cpu);
    let config = branch("a", ATTENTION);
    let deep = config.encoder.build(&store.root(), "a", config.input);
    let input = random(&[2, 3, 8, 12]);
    let options = EncodeOptions { layers: &[0, 1], ..EncodeOptions::of(ViewKind::Plain) };
    let features = deep.encode(&input, &options);
    assert_eq!(features.grid, Some([2, 3]));
    assert!(features.tokens.equal(&deep.forward(&input, ViewKind::Plain)));
    assert!(features.layers.keys().eq(&[0, 1]));
    // Fresh norms neither scale nor shift.
    let normed =
        |tokens: &Tensor| tokens.layer_norm([8], None::<Tensor>, None::<Tensor>, 1e-5, true);
    assert_close(&normed(&features.layers[&1]), &features.tokens);

    let other = nn::VarStore::new(Device::Cpu);
    let mut shallow = config.encoder.clone();
    shallow.depth = 1;
    let shallow = shallow.build(&other.root(), "a", config.input);
    let own = store.variables();
    for (name, mut variable) in other.variables() {
        tch::no_grad(|| variable.copy_(&own[&name]));
    }
    let expected = shallow.forward(&input, ViewKind::Plain);
    assert_close(&normed(&features.layers[&0]), &expected);
    let missing = std::panic::AssertUnwindSafe(|| {
        deep.encode(&input, &EncodeOptions { layers: &[2], ..EncodeOptions::of(ViewKind::Plain) })
    });
    assert!(std::panic::catch_unwind(missing).is_err(), "there are two blocks");
}

/// Every column of the input is a token; with nothing but what [`Encode`] asks for.
#[derive(Debug)]
struct Columns(nn::Linear);

impl Encode for Columns {
    fn width(&self) -> i64 {
        16
    }

    fn encode(&self, input: &Tensor, _: &EncodeOptions<'_>) -> Features {
        Features::new(input.mean_dim([1i64].as_slice(), false, None).transpose(1, 2).apply(&self.0))
    }
}

#[test]
fn an_encoder_from_outside_is_joined_by_parts_of_its_width() {
    let store = nn::VarStore::new(Device::Cpu);
    let (root, config) = (store.root(), attending(2));
    let linear = |path: &nn::Path| Columns(nn::linear(path / "map", 8, 16, Default::default()));
    let mut branch = config.builder(&root).encoder(linear).build();
    let embeddings = branch.forward(&views(2, 3), Intra::Equivariant, Inter::Centroid);
    assert_eq!(embeddings.inter.size(), [2, 4]);
    let names = store.variables();
    assert!(names.contains_key("encoder_a.map.weight"));
    assert!(!names.contains_key("modality_a"), "nothing is made that is not used");
    assert_eq!(names["pool_a.to_k.weight"].size(), [16, 16]);
    assert_eq!(branch.grid(), None);
    branch.checkpoint_blocks(None).expect("nothing is asked for");
    let refused = branch.checkpoint_blocks(Some(|tokens, segment| segment(tokens)));
    let error = refused.expect_err("it has no blocks").to_string();
    assert!(error.contains("compute.recompute_blocks"), "{error}");
}

#[test]
fn heads_from_outside_stand_in_their_places() {
    let store = nn::VarStore::new(Device::Cpu);
    let (root, config) = (store.root(), branch("a", ATTENTION));
    let negative = |_: &nn::Path| nn::func(|points: &Tensor| points.neg());
    let branch = config.builder(&root).inter_head(negative).build();
    let views = views(2, 3);
    let expected = negative(&root).forward(&branch.pooled(&views.plain, None));
    assert!(branch.embed(&views.plain, None, None).equal(&expected));
    let pair = branch.forward(&views, Intra::Invariant, Inter::CleanPair).intra.expect("a pair");
    assert_eq!(pair.predicted.size(), [2, 5], "the other head is the configured one");
}
