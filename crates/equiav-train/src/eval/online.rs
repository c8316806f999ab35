//! What is measured of embeddings while training: how many directions they use, what their neighbors and a linear map
//! tell of classes, and how they lie. Each evaluation measures those that retrieval has made anyway; between two of them,
//! every so many steps, those of a few held-out clips.

use equiav_augment::random::shuffle;
use equiav_augment::{Modality, Purpose, stream};
use equiav_data::Clips;
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

use crate::clips::HeldOut;
use crate::distributed::ShardedRows;
use crate::engine::Named;
use crate::eval::batch_measures;
use crate::eval::embeddings::Embedded;
use crate::metrics::Metric;

/// How many neighbors vote.
const NEIGHBORS: i64 = 10;
/// Parts of which each is told by what was learned on the others.
const FOLDS: i64 = 2;
/// Rows that are looked at, the first ones: neighbors take memory by their square.
const MOST_ROWS: usize = 4096;
/// The penalty of the linear map for each clip that it learns from; features have variance 1.
const PENALTY: f64 = 0.1;

/// What is measured of `embedded`, the embeddings of `clips`: `rank_me` of each modality, and where clips have one label
/// each, `knn_top1` and `linear_top1`.
///
/// # Errors
///
/// If libtorch fails.
pub(crate) fn metrics(embedded: &Embedded, clips: &Clips) -> anyhow::Result<Vec<Metric>> {
    labeled(embedded, |clip| match clips.labels(clip)[..] {
        [label] => Some(label),
        _ => None,
    })
}

/// What is measured of a few held-out clips between two evaluations: of `all` of them the rows `inter_MODALITY`, which
/// stand for a clip, and beside them `predicted_MODALITY` and `augmented_MODALITY` where a method has such. Nothing of
/// rows that are not finite.
///
/// - `MODALITY/rank_me`, `MODALITY/knn_top1`, `MODALITY/linear_top1`: as of an evaluation
/// - `similarity_MODALITY`, `uniformity_MODALITY`, `spread_MODALITY`, `alignment`: as of a training batch
///
/// `spaces` are the modalities; alignment is that of two whose rows lie in one space.
///
/// # Errors
///
/// If libtorch fails.
pub fn measures(
    all: ShardedRows,
    held_out: &HeldOut<'_>,
    spaces: &[Vec<Modality>],
) -> anyhow::Result<Vec<Metric>> {
    if all.rows.values().flatten().any(|number| !number.is_finite()) {
        return Ok(Vec::new());
    }
    let single = |rows: &Array2<f32>| tensor(rows).to_kind(Kind::Float);
    let named: Named = all.rows.iter().map(|(name, rows)| (name.clone(), single(rows))).collect();
    let lying = spaces.iter().flat_map(|space| batch_measures(&named, space.iter().copied()));
    let mut metrics: Vec<Metric> =
        lying.map(|(name, value)| Metric::new(name, value.double_value(&[]))).collect();
    let ShardedRows { clips, skipped, mut rows } = all;
    let modalities = spaces.iter().flatten();
    let inter = modalities
        .filter_map(|modality| Some((*modality, rows.remove(&format!("inter_{modality}"))?)));
    let embedded = Embedded { clips, skipped, rows: inter.collect() };
    metrics.extend(labeled(&embedded, |clip| held_out.label(clip))?);
    Ok(metrics)
}

/// As [`metrics`], where `label` gives the one label of a clip.
fn labeled<'a>(
    embedded: &Embedded,
    label: impl Fn(usize) -> Option<&'a str>,
) -> anyhow::Result<Vec<Metric>> {
    let mut names: Vec<&str> = Vec::new();
    let mut class = |clip: &usize| {
        let label = label(*clip)?;
        let known = names.iter().position(|name| *name == label);
        Some(known.unwrap_or_else(|| {
            names.push(label);
            names.len() - 1
        }))
    };
    let named: Vec<Option<usize>> = embedded.clips.iter().map(&mut class).collect();
    let of = |(modality, rows): (&Modality, &Array2<f32>)| {
        let rank = Metric::new("rank_me", rank_me(rows)?);
        let all = [rank].into_iter().chain(classes(rows, &named)?);
        let path =
            |metric: Metric| Metric { name: format!("{modality}/{}", metric.name), ..metric };
        Ok(all.map(path).collect::<Vec<_>>())
    };
    let each: Vec<Vec<Metric>> = embedded.rows.iter().map(of).collect::<anyhow::Result<_>>()?;
    Ok(each.concat())
}

/// RankMe (Garrido et al., arXiv 2210.02885): the exponential of the entropy of the singular values, from 1 for a single
/// direction to `min(n, width)` for equal ones.
///
/// ```text
/// p_k = σ_k / Σ σ + 1e-7        RankMe = exp(-Σ p_k ln p_k)
/// ```
///
/// # Shapes
///
/// - `rows`: `[n, width]`
///
/// # Errors
///
/// If libtorch fails, as where a value is not finite.
pub fn rank_me(rows: &Array2<f32>) -> anyhow::Result<f64> {
    let first = tensor(rows).narrow(0, 0, rows.nrows().min(MOST_ROWS) as i64);
    let singular = first.f_svd(true, false)?.1;
    let share = &singular / singular.sum(Kind::Double).clamp_min(f64::MIN_POSITIVE) + 1e-7;
    let entropy = -(&share * share.log()).sum(Kind::Double);
    Ok(entropy.exp().double_value(&[]))
}

/// Top-1 of classes in [0, 1] from `rows` `[n, width]`, as `knn_top1`, each clip by its nearest others, and
/// `linear_top1`, each half of the clips by a ridge map of the other half; `classes` has the class of each row, and rows
/// without one are passed over. None where fewer than two classes have clips.
///
/// # Errors
///
/// If libtorch fails.
pub(super) fn classes(
    rows: &Array2<f32>,
    classes: &[Option<usize>],
) -> anyhow::Result<Vec<Metric>> {
    let known: Vec<(i64, i64)> = classes
        .iter()
        .enumerate()
        .take(MOST_ROWS)
        .filter_map(|(row, class)| Some((row as i64, (*class)? as i64)))
        .collect();
    let (places, named): (Vec<i64>, Vec<i64>) = known.into_iter().unzip();
    let count = named.iter().max().map_or(0, |most| most + 1);
    if named.iter().collect::<std::collections::BTreeSet<_>>().len() < 2 {
        return Ok(Vec::new());
    }
    let rows = tensor(rows).index_select(0, &Tensor::from_slice(&places));
    let length = rows.norm_scalaropt_dim(2.0, [1i64].as_slice(), true).clamp_min(1e-12);
    let (unit, named) = (rows / length, Tensor::from_slice(&named));
    let one_hot = named.one_hot(count).to_kind(Kind::Double);
    let right = |scores: &Tensor, named: &Tensor| {
        scores
            .argmax(1, false)
            .eq_tensor(named)
            .to_kind(Kind::Double)
            .mean(Kind::Double)
            .double_value(&[])
    };
    let knn = right(&neighbors(&unit, &one_hot)?, &named);
    Ok(vec![
        Metric::new("knn_top1", knn),
        Metric::new("linear_top1", linear(&unit, &one_hot, &named, right)?),
    ])
}

/// The votes of each row's nearest others, by cosine, `[n, classes]`.
fn neighbors(unit: &Tensor, one_hot: &Tensor) -> anyhow::Result<Tensor> {
    let n = unit.size()[0];
    let own = Tensor::eye(n, (Kind::Bool, Device::Cpu));
    let cosines = unit.f_matmul(&unit.tr())?.masked_fill(&own, f64::NEG_INFINITY);
    let (nearest, places) = cosines.topk(NEIGHBORS.min(n - 1), 1, true, true);
    let votes = one_hot.index_select(0, &places.flatten(0, 1)).view([n, -1, one_hot.size()[1]]);
    // Cosines from -1 to 1 weigh from 0 to 1.
    let weights = ((nearest + 1.0) / 2.0).unsqueeze(-1);
    Ok((votes * weights).sum_dim_intlist([1i64].as_slice(), false, Kind::Double))
}

/// Top-1 of a ridge map that was learned on the other folds, over all folds.
fn linear(
    unit: &Tensor,
    one_hot: &Tensor,
    named: &Tensor,
    right: impl Fn(&Tensor, &Tensor) -> f64,
) -> anyhow::Result<f64> {
    let n = unit.size()[0];
    // In no order: lists often have their classes in turn, and every other clip would be of every other class.
    let mut order: Vec<i64> = (0..n).collect();
    let mut rng = stream(0, 0, 0, Purpose::Split);
    shuffle(&mut order, &mut rng);
    let fold = Tensor::from_slice(&order).remainder(FOLDS);
    let mut sum = 0.0;
    for part in 0..FOLDS {
        let [own, others] =
            [fold.eq(part), fold.ne(part)].map(|which| which.nonzero().squeeze_dim(1));
        let pick = |all: &Tensor, places: &Tensor| all.index_select(0, places);
        let (x, y) = (pick(unit, &others), pick(one_hot, &others));
        let mean = x.mean_dim([0i64].as_slice(), true, Kind::Double);
        let scale = x.std_dim([0i64].as_slice(), false, true).clamp_min(1e-9);
        let standard = |rows: Tensor| (rows - &mean) / &scale;
        let x = standard(x);
        let map = ridge(&x, &y)?;
        let scores = standard(pick(unit, &own)).f_matmul(&map)?
            + y.mean_dim([0i64].as_slice(), true, Kind::Double);
        sum += right(&scores, &pick(named, &own)) * own.size()[0] as f64;
    }
    Ok(sum / n as f64)
}

/// `(XᵀX + λI)⁻¹ XᵀY = Xᵀ (XXᵀ + λI)⁻¹ Y`, by the smaller of both systems: `[width, classes]`, of `x` `[n, width]` and `y`
/// `[n, classes]`.
fn ridge(x: &Tensor, y: &Tensor) -> Result<Tensor, tch::TchError> {
    let (n, width) = (x.size()[0], x.size()[1]);
    let penalty = Tensor::eye(n.min(width), (Kind::Double, Device::Cpu)) * (PENALTY * n as f64);
    let across = x.tr();
    if n < width {
        let gram = x.f_matmul(&across)? + penalty;
        return across.f_matmul(&Tensor::f_linalg_solve(&gram, y, true)?);
    }
    let gram = across.f_matmul(x)? + penalty;
    Tensor::f_linalg_solve(&gram, &across.f_matmul(y)?, true)
}

/// The rows in double precision.
pub(super) fn tensor(rows: &Array2<f32>) -> Tensor {
    let shape = [rows.nrows() as i64, rows.ncols() as i64];
    let values: Vec<f32> = rows.iter().copied().collect();
    Tensor::from_slice(&values).view(shape).to_kind(Kind::Double)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(row: usize, column: usize) -> f32 {
        let mixed = ((row * 131 + column) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((mixed ^ (mixed >> 29)) >> 40) as f32 / 8_388_608.0 - 1.0
    }

    #[test]
    fn directions_are_counted() {
        let rank = |rows: Array2<f32>| rank_me(&rows).expect("finite");
        let even =
            Array2::from_shape_fn((8, 4), |(row, column)| f32::from(u8::from(row % 4 == column)));
        assert!((rank(even) - 4.0).abs() < 1e-3);
        let one =
            Array2::from_shape_fn((50, 8), |(row, column)| (row as f32 + 1.0) * column as f32);
        assert!((rank(one) - 1.0).abs() < 1e-3);
        let many = rank(Array2::from_shape_fn((400, 8), |(row, column)| noise(row, column)));
        assert!(many > 7.5 && many <= 8.001, "{many}");
    }

    #[test]
    fn both_systems_of_a_ridge_map_give_one_map() {
        tch::manual_seed(1);
        for (n, width) in [(20, 50), (50, 20)] {
            let random = |columns| Tensor::randn([n, columns], (Kind::Double, Device::Cpu));
            let (x, y) = (random(width), random(3));
            let identity = Tensor::eye(width, (Kind::Double, Device::Cpu)) * (PENALTY * n as f64);
            let plain = (x.tr().matmul(&x) + identity).inverse().matmul(&x.tr()).matmul(&y);
            let apart = (ridge(&x, &y).expect("a map") - plain).abs().max().double_value(&[]);
            assert!(apart < 1e-12, "{n} rows of {width}: {apart}");
        }
    }

    #[test]
    fn classes_are_told_where_rows_know_them_and_by_chance_elsewhere() {
        let named = |row: usize| (row % 7 != 3).then_some(row % 4);
        let all: Vec<Option<usize>> = (0..400).map(named).collect();
        let told = |signal: f32| {
            let rows = Array2::from_shape_fn((400, 12), |(row, column)| {
                noise(row, column) + if named(row) == Some(column) { signal } else { 0.0 }
            });
            let metrics = classes(&rows, &all).expect("metrics");
            [metrics[0].value, metrics[1].value]
        };
        assert!(told(3.0).iter().all(|top1| *top1 > 0.97), "{:?}", told(3.0));
        assert!(told(0.0).iter().all(|top1| (0.15..0.38).contains(top1)), "{:?}", told(0.0));
        // Classes in turn, as lists have them.
        let turns: Vec<Option<usize>> = (0..400).map(|row| Some(row % 4)).collect();
        let rows = Array2::from_shape_fn((400, 12), |(row, column)| {
            noise(row, column) + if row % 4 == column { 3.0 } else { 0.0 }
        });
        let metrics = classes(&rows, &turns).expect("metrics");
        assert!(metrics.iter().all(|metric| metric.value > 0.97), "{metrics:?}");
        let one = vec![Some(2); 400];
        assert_eq!(classes(&Array2::zeros((400, 12)), &one).expect("metrics"), []);
    }
}
