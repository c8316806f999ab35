//! The CCA family: correlations that are known beforehand, functions that no linear map finds, noise, and the members that
//! should and should not decorrelate.

use equiav_augment::random::unit;
use equiav_augment::{Modality, Purpose, stream};
use equiav_cca::LinearCca;
use equiav_models::{Activation, HeadConfig, PoolConfig};
use equiav_train::clips::{ArrayClips, Values};
use equiav_train::engine::seeded;
use equiav_train::methods::cca::{Agreement, Cca, CcaSettings, CodeDecoder, Sum};
use ndarray::{Array2, Axis};
use tch::{Kind, Tensor};

use crate::criterion::{Bar, Criterion};
use crate::measures::{class_map, correlations, largest_off_diagonal};
use crate::training::{Schedule, Shape, embedded, tensor, towers, trained};
use crate::world::{MadeWorld, normal};

const A: Modality = Modality::AUDIO;
const V: Modality = Modality::VISUAL;
/// The correlations of the analytic world.
const RHO: [f32; 4] = [0.95, 0.8, 0.6, 0.3];

/// Every figure of the family.
///
/// # Errors
///
/// If libtorch or the disk fails.
pub(crate) fn figures(seeds: &[u64]) -> anyhow::Result<Vec<Criterion>> {
    let each = |measure: fn(u64) -> anyhow::Result<f64>| -> anyhow::Result<Vec<f64>> {
        seeds.iter().map(|seed| measure(*seed)).collect()
    };
    let by_class = seeds.iter().map(|seed| by_class(*seed)).collect::<anyhow::Result<Vec<_>>>()?;
    let [pairs, mixed] =
        [0, 1].map(|at: usize| by_class.iter().map(|found| found[at]).collect::<Vec<f64>>());
    let ratios = by_class.iter().map(|[pairs, mixed]| mixed / pairs).collect();
    Ok(vec![
        Criterion::new(
            "analytic world (correlations 0.95, 0.8, 0.6, 0.3; sum 2.65), linear encoders: held-out sum over that of linear CCA",
            each(analytic)?,
            Bar::AtLeast(2.64 / 2.649),
        ),
        Criterion::new(
            "angle and twice the angle, linear CCA: largest held-out correlation",
            each(angles_linear)?,
            Bar::AtMost(0.05),
        ),
        Criterion::new(
            "angle and twice the angle, DCCA: mean of two held-out correlations",
            each(angles)?,
            Bar::AtLeast(0.98),
        ),
        Criterion::new(
            "independent data, DCCA of 10 numbers: mean held-out correlation, without sign",
            each(independent)?,
            Bar::AtMost(0.1),
        ),
        Criterion::new(
            "DCCAE with weight 0 of reconstruction against DCCA: largest difference of codes",
            each(dccae_without_reconstruction)?,
            Bar::AtMost(1e-12),
        ),
        Criterion::new(
            "CorrAE, two numbers of one strong latent: correlation of these two",
            each(corrae_off_diagonal)?,
            Bar::AtLeast(0.9),
        ),
        Criterion::new(
            "DCCA, the same: correlation of its two outputs",
            each(dcca_off_diagonal)?,
            Bar::AtMost(0.1),
        ),
        Criterion::new("DCCA, strong instances and weak classes: MAP by class", pairs, Bar::Shown),
        Criterion::new("S-DCCA (0.2 of pairs), the same: MAP by class", mixed, Bar::Shown),
        Criterion::new("S-DCCA over DCCA", ratios, Bar::AtLeast(2.0)),
    ])
}

fn settings(agreement: Agreement) -> CcaSettings {
    CcaSettings { name: "cca".to_owned(), agreement, decoder: None, fit_clips: None }
}

fn correlation(pair_share: f64) -> Agreement {
    Agreement::Correlation { sum: Sum::All, ridge: 1e-4, running: None, pair_share }
}

fn shape(input: usize, layers: &[i64], out: i64) -> Shape {
    Shape {
        input,
        layers: layers.to_vec(),
        activation: Activation::Tanh,
        head: HeadConfig::linear(out),
        readout: Some(out),
        pool: PoolConfig::Mean,
    }
}

/// A method of two towers of one shape.
fn method(seed: u64, settings: CcaSettings, shape: &Shape) -> anyhow::Result<Cca> {
    let towers = towers(seed, &[(A, shape.clone()), (V, shape.clone())]);
    let width = shape.input as i64;
    seeded(seed + 1, || Cca::new(towers, settings, &[(A, width), (V, width)]))
}

/// Rows of two modalities as clips.
fn clips(a: &Array2<f32>, v: &Array2<f32>) -> anyhow::Result<ArrayClips> {
    ArrayClips::new([(A, Values::from(a.clone())), (V, Values::from(v.clone()))].into())
}

/// Correlations of what `method` makes of held-out rows.
fn held_out(method: &Cca, a: &Array2<f32>, v: &Array2<f32>) -> anyhow::Result<Vec<f64>> {
    let rows = embedded(&method.towers, &clips(a, v)?);
    Ok(correlations(&rows[&A], &rows[&V]))
}

/// `x_i = sqrt(rho_i) z_i + sqrt(1 - rho_i) e_i`, the same for y with noise of its own, each mixed by an orthogonal map:
/// canonical correlations are rho exactly.
fn known(seed: u64, part: u64, count: usize) -> [Array2<f32>; 2] {
    let mut rng = stream(seed, part, 0, Purpose::Synthesis);
    let shared = normal((count, RHO.len()), &mut rng);
    [1, 2].map(|side| {
        let own = normal((count, RHO.len()), &mut rng);
        let mut rows = Array2::zeros((count, RHO.len()));
        for (column, rho) in RHO.iter().enumerate() {
            let mixed =
                &shared.column(column) * rho.sqrt() + &own.column(column) * (1.0 - rho).sqrt();
            rows.column_mut(column).assign(&mixed);
        }
        let mixing =
            normal((RHO.len(), RHO.len()), &mut stream(seed, u64::MAX, side, Purpose::Synthesis));
        let (orthogonal, _) = Tensor::linalg_qr(&tensor(&mixing), "reduced");
        let orthogonal: ndarray::ArrayD<f64> = (&orthogonal).try_into().expect("a matrix");
        let orthogonal: Array2<f32> =
            orthogonal.mapv(|value| value as f32).into_dimensionality().expect("two sizes");
        rows.dot(&orthogonal)
    })
}

/// The held-out sum of trained linear encoders over that of the closed form.
fn analytic(seed: u64) -> anyhow::Result<f64> {
    let ([a, v], [test_a, test_v]) = (known(seed, 0, 20_000), known(seed, 1, 20_000));
    let closed = LinearCca::fit(&tensor(&a), &tensor(&v), 0.0)?;
    let closed: f64 = closed.correlations(&tensor(&test_a), &tensor(&test_v)).iter().sum();
    let schedule = Schedule { epochs: 50, batch: 2_000, lr: 1e-2, weights: vec![] };
    let shape = shape(RHO.len(), &[], RHO.len() as i64);
    let method = trained(seed, &schedule, &clips(&a, &v)?, || {
        method(seed, settings(correlation(1.0)), &shape)
    })?;
    Ok(held_out(&method, &test_a, &test_v)?.iter().sum::<f64>() / closed)
}

/// Points of a circle, and of one that is gone round twice as fast.
fn circles(seed: u64, part: u64, count: usize) -> [Array2<f32>; 2] {
    let mut rng = stream(seed, part, 0, Purpose::Synthesis);
    let angles: Vec<f64> = (0..count).map(|_| std::f64::consts::TAU * unit(&mut rng)).collect();
    [1.0, 2.0].map(|times| {
        let at = |(row, column): (usize, usize)| {
            let angle = times * angles[row];
            (if column == 0 { angle.cos() } else { angle.sin() }) as f32
        };
        Array2::from_shape_fn((count, 2), at) + normal((count, 2), &mut rng) * 0.05
    })
}

fn angles_linear(seed: u64) -> anyhow::Result<f64> {
    let ([a, v], [test_a, test_v]) = (circles(seed, 0, 4_000), circles(seed, 1, 4_000));
    let found = LinearCca::fit(&tensor(&a), &tensor(&v), 0.0)?
        .correlations(&tensor(&test_a), &tensor(&test_v));
    Ok(found.into_iter().fold(0.0, |most: f64, value| most.max(value.abs())))
}

fn angles(seed: u64) -> anyhow::Result<f64> {
    let ([a, v], [test_a, test_v]) = (circles(seed, 0, 4_000), circles(seed, 1, 4_000));
    let schedule = Schedule { epochs: 60, batch: 400, lr: 5e-3, weights: vec![] };
    let shape = shape(2, &[64, 64], 2);
    let method = trained(seed, &schedule, &clips(&a, &v)?, || {
        method(seed, settings(correlation(1.0)), &shape)
    })?;
    Ok(held_out(&method, &test_a, &test_v)?.iter().sum::<f64>() / 2.0)
}

fn independent(seed: u64) -> anyhow::Result<f64> {
    let rows = |part| {
        [0, 1].map(|side| normal((4_000, 16), &mut stream(seed, part, side, Purpose::Synthesis)))
    };
    let ([a, v], [test_a, test_v]) = (rows(0), rows(1));
    let schedule = Schedule { epochs: 20, batch: 400, lr: 2e-3, weights: vec![] };
    let shape = shape(16, &[64], 10);
    let method = trained(seed, &schedule, &clips(&a, &v)?, || {
        method(seed, settings(correlation(1.0)), &shape)
    })?;
    let found = held_out(&method, &test_a, &test_v)?;
    Ok(found.iter().map(|value| value.abs()).sum::<f64>() / found.len() as f64)
}

/// How far the codes of DCCAE without reconstruction lie from those of DCCA.
fn dccae_without_reconstruction(seed: u64) -> anyhow::Result<f64> {
    let [a, v] = circles(seed, 0, 1_000);
    let schedule =
        |weights: Vec<(&'static str, f64)>| Schedule { epochs: 3, batch: 200, lr: 5e-3, weights };
    let shape = shape(2, &[16], 2);
    let both = [None, Some(CodeDecoder { layers: vec![16], from: None })].map(|decoder| {
        let weights = match &decoder {
            None => vec![],
            Some(_) => vec![("reconstruction_audio", 0.0), ("reconstruction_visual", 0.0)],
        };
        let settings = CcaSettings { decoder, ..settings(correlation(1.0)) };
        let method =
            trained(seed, &schedule(weights), &clips(&a, &v)?, || method(seed, settings, &shape))?;
        anyhow::Ok(embedded(&method.towers, &clips(&a, &v)?))
    });
    let [plain, with] = both;
    let (plain, with) = (plain?, with?);
    let apart = |modality| (&plain[&modality] - &with[&modality]).abs().max().double_value(&[]);
    Ok(apart(A).max(apart(V)))
}

/// Two latents of which one correlates by far the most.
fn one_strong(seed: u64, part: u64) -> [Array2<f32>; 2] {
    known(seed, part, 4_000).map(|rows| {
        // The analytic world, of which two directions are left.
        rows.select(Axis(1), &[0, 1, 2, 3])
    })
}

/// Codes of two numbers, before any readout, of `agreement` on that world.
fn codes(seed: u64, agreement: Agreement, readout: bool) -> anyhow::Result<Tensor> {
    let ([a, v], [test_a, test_v]) = (one_strong(seed, 0), one_strong(seed, 1));
    let decoder = matches!(agreement, Agreement::PerDimension { .. })
        .then(|| CodeDecoder { layers: vec![], from: None });
    let weights = match &decoder {
        Some(_) => vec![("reconstruction_audio", 1e-3), ("reconstruction_visual", 1e-3)],
        None => vec![],
    };
    let schedule = Schedule { epochs: 40, batch: 400, lr: 1e-2, weights };
    let shape = Shape { readout: readout.then_some(2), ..shape(RHO.len(), &[], 2) };
    let settings = CcaSettings { decoder, ..settings(agreement) };
    let method = trained(seed, &schedule, &clips(&a, &v)?, || method(seed, settings, &shape))?;
    Ok(embedded(&method.towers, &clips(&test_a, &test_v)?)
        .remove(&A)
        .expect("codes")
        .to_kind(Kind::Double))
}

fn corrae_off_diagonal(seed: u64) -> anyhow::Result<f64> {
    Ok(largest_off_diagonal(&codes(seed, Agreement::PerDimension { ridge: 1e-4 }, false)?))
}

fn dcca_off_diagonal(seed: u64) -> anyhow::Result<f64> {
    Ok(largest_off_diagonal(&codes(seed, correlation(1.0), true)?))
}

/// MAP by class of DCCA and of S-DCCA, in a world of strong instances and weak classes.
fn by_class(seed: u64) -> anyhow::Result<[f64; 2]> {
    let world = MadeWorld {
        class_energy: 0.35,
        instance: 10,
        instance_energy: 1.0,
        nuisance_energy: 0.0,
        ..MadeWorld::default()
    };
    let (train, test) =
        (world.clips(seed, 0, 4_000, &[A, V]), world.clips(seed, 1, 1_000, &[A, V]));
    let schedule = Schedule { epochs: 20, batch: 400, lr: 2e-3, weights: vec![] };
    let shape = shape(world.width, &[64], 10);
    let mut found = [0.0; 2];
    for (map, share) in found.iter_mut().zip([1.0, 0.2]) {
        let settings = settings(correlation(share));
        let method = trained(seed, &schedule, &train.arrays(world.classes), || {
            method(seed, settings, &shape)
        })?;
        let rows = embedded(&method.towers, &test.arrays(world.classes));
        *map = class_map(&rows[&A], &rows[&V], [&test.classes, &test.classes]);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reconstruction_that_weighs_nothing_changes_nothing() {
        assert!(dccae_without_reconstruction(3).expect("two runs") <= 1e-12);
    }

    #[test]
    fn what_has_nothing_in_common_correlates_nowhere() {
        let found = independent(3).expect("a run");
        assert!(found < 0.1, "{found}");
    }
}
