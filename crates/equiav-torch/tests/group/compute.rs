//! Processes that compute together, against what one process computes from all of it.

use std::sync::Arc;

use equiav_torch::{
    GradientAverage, Group, GroupError, Reduce, Solo, UnusedParameters, gather_with_gradient,
    gather_without_gradient,
};
use tch::{Device, Kind, Tensor};

use super::launch::{Failure, PATIENT, join};

const ROWS: i64 = 3;
const WIDTH: i64 = 5;

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach().flatten(0, -1).to_kind(Kind::Float)).expect("numbers")
}

/// Every collective, in every kind that travels, against its definition.
pub(crate) fn collectives() -> Result<(), Failure> {
    let group = join(PATIENT)?;
    let (rank, world) = (group.rank() as i64, group.world() as i64);
    for kind in [Kind::Float, Kind::Double, Kind::Int64, Kind::BFloat16] {
        let own = Tensor::from_slice(&[rank as f32, -1.0, 2.0 * rank as f32]).to_kind(kind);
        let ranks = (world * (world - 1) / 2) as f32;
        let mut sum = own.copy();
        group.all_reduce(&mut sum, Reduce::Sum, "sum")?;
        assert_eq!(values(&sum), [ranks, -world as f32, 2.0 * ranks], "{kind:?}");
        let mut most = own.copy();
        group.all_reduce(&mut most, Reduce::Max, "most")?;
        assert_eq!(values(&most), [world as f32 - 1.0, -1.0, 2.0 * (world as f32 - 1.0)]);
        let mut from_last = own.copy();
        group.broadcast(&mut from_last, group.world() - 1, "broadcast")?;
        assert_eq!(values(&from_last), values(&most));
    }

    let mut across = Tensor::arange(6, (Kind::Float, Device::Cpu)).reshape([2, 3]).tr();
    group.all_reduce(&mut across, Reduce::Sum, "not in one piece")?;
    let all = [0.0, 3.0, 1.0, 4.0, 2.0, 5.0].map(|number| number * world as f32);
    assert_eq!(values(&across), all);

    let own = Tensor::full([2, 1], rank, (Kind::Int64, Device::Cpu));
    let gathered = group.all_gather(&own, "ranks")?;
    let expected: Vec<f32> = (0..world).flat_map(|rank| [rank as f32; 2]).collect();
    assert_eq!((gathered.size(), values(&gathered)), (vec![2 * world, 1], expected));

    uneven(group.as_ref())?;
    group.barrier("end")?;
    Ok(())
}

/// Rank r brings r rows, r bytes and a text.
fn uneven(group: &dyn Group) -> Result<(), Failure> {
    let (rank, world) = (group.rank(), group.world());
    let own = Tensor::full([rank as i64, 2], rank as f64, (Kind::Float, Device::Cpu));
    let rows = group.gather_rows(&own, "rows")?;
    let bytes = group.gather_bytes(&vec![rank as u8; rank], "bytes")?;
    let texts = group.gather_text(&format!("número {rank}"), "text")?;
    for other in 0..world {
        assert_eq!(rows[other].size(), [other as i64, 2]);
        assert_eq!(values(&rows[other]), vec![other as f32; 2 * other]);
        assert_eq!(bytes[other], vec![other as u8; other]);
        assert_eq!(texts[other], format!("número {other}"));
    }
    let none = group.gather_bytes(b"", "nothing")?;
    assert_eq!(none, vec![Vec::<u8>::new(); world]);
    Ok(())
}

/// Two encoders and a temperature.
struct Model {
    parameters: Vec<Tensor>,
}

impl Model {
    fn new() -> Self {
        let weight = |seed: f64, size: &[i64]| {
            let count: i64 = size.iter().product();
            let numbers = (Tensor::arange(count, (Kind::Float, Device::Cpu)) * seed).sin();
            numbers.reshape(size).set_requires_grad(true)
        };
        let sizes: [&[i64]; 4] = [&[WIDTH, 4], &[4], &[WIDTH, 4], &[1]];
        let parameters = sizes.iter().zip([0.7, 1.3, 2.9, 0.4]);
        Self { parameters: parameters.map(|(size, seed)| weight(seed, size)).collect() }
    }

    fn embed(&self, audio: &Tensor, visual: &Tensor) -> [Tensor; 2] {
        let unit = |x: Tensor| {
            let norm = x.norm_scalaropt_dim(2.0, [1i64], true);
            x / norm
        };
        let [audio_weight, bias, visual_weight, _] = self.parameters.as_slice() else { panic!() };
        [unit(audio.matmul(audio_weight) + bias), unit(visual.matmul(visual_weight))]
    }

    /// InfoNCE both ways, of rows whose own keys begin at `first`.
    fn loss(&self, own: &[Tensor; 2], keys: &[Tensor; 2], first: i64) -> Tensor {
        let targets = Tensor::arange(own[0].size()[0], (Kind::Int64, Device::Cpu)) + first;
        let temperature = self.parameters[3].exp();
        let way = |queries: &Tensor, keys: &Tensor| {
            let scores = queries.matmul(&keys.tr()) * &temperature;
            scores.cross_entropy_for_logits(&targets)
        };
        (way(&own[0], &keys[1]) + way(&own[1], &keys[0])) / 2.0
    }

    fn gradients(&self) -> Vec<f32> {
        self.parameters.iter().flat_map(|parameter| values(&parameter.grad())).collect()
    }
}

/// All rows of both modalities.
fn clips(world: i64) -> [Tensor; 2] {
    let numbers = Tensor::arange(world * ROWS * WIDTH, (Kind::Float, Device::Cpu));
    [1.7, 0.9].map(|seed| (&numbers * seed).cos().reshape([-1, WIDTH]))
}

/// How one step comes to its averaged gradient.
#[derive(Clone, Copy, Debug)]
enum Way {
    Overlapped,
    Afterwards,
    InParts,
}

/// Averaged gradients of W processes equal the gradient of one with all rows, and each other to the bit.
pub(crate) fn gradients() -> Result<(), Failure> {
    let group = join(PATIENT)?;
    let (rank, world) = (group.rank() as i64, group.world() as i64);
    let all = clips(world);
    let whole = Model::new();
    let embedded = whole.embed(&all[0], &all[1]);
    whole.loss(&embedded, &embedded, 0).backward();
    let expected = whole.gradients();

    let mine = [0, 1].map(|way: usize| all[way].narrow(0, rank * ROWS, ROWS));
    for way in [Way::Overlapped, Way::Afterwards, Way::InParts] {
        let model = Model::new();
        let mut average =
            GradientAverage::new(group.clone(), &model.parameters, UnusedParameters::Never)?;
        for step in 0..3 {
            for parameter in &model.parameters {
                parameter.shallow_clone().zero_grad();
            }
            let own = model.embed(&mine[0], &mine[1]);
            let keys = gather_both(&group, &own)?;
            let loss = model.loss(&own, &keys, rank * ROWS);
            match way {
                Way::Overlapped => average.backward(&loss)?,
                Way::Afterwards => {
                    average.accumulate(&loss)?;
                    average.average()?;
                }
                Way::InParts => {
                    average.accumulate(&(&loss * 0.25))?;
                    let own = model.embed(&mine[0], &mine[1]);
                    let keys = gather_both(&group, &own)?;
                    average.backward(&(model.loss(&own, &keys, rank * ROWS) * 0.75))?;
                }
            }
            compare(&format!("{way:?}, step {step}"), &model.gradients(), &expected);
            same_everywhere(group.as_ref(), &model.gradients())?;
        }
    }
    gradient_of_gathered(&group)
}

fn gather_both(group: &Arc<dyn Group>, own: &[Tensor; 2]) -> Result<[Tensor; 2], Failure> {
    Ok([
        gather_with_gradient(group, &own[0], "audio")?,
        gather_with_gradient(group, &own[1], "visual")?,
    ])
}

#[track_caller]
fn compare(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{what}: {found} for {expected}");
    }
}

fn same_everywhere(group: &dyn Group, numbers: &[f32]) -> Result<(), Failure> {
    let all = values(&group.all_gather(&Tensor::from_slice(numbers), "comparison")?);
    assert!(all.chunks(numbers.len()).all(|other| other == numbers), "the ranks differ");
    Ok(())
}

/// Without gradient all rows of a gather are constants, this rank's own too; with it each row has the
/// gradients of all ranks. Rank r gives the gathered rows the factor r + 1, and its own rows 10.
fn gradient_of_gathered(group: &Arc<dyn Group>) -> Result<(), Failure> {
    let (rank, world) = (group.rank() as i64, group.world() as i64);
    let numbers = || Tensor::arange(ROWS * 2, (Kind::Float, Device::Cpu)) + 100 * rank;
    let all: Vec<f32> = (0..world)
        .flat_map(|r| (0..ROWS * 2).map(move |i| i + 100 * r))
        .map(|n| n as f32)
        .collect();
    let gradient = |gather: &dyn Fn(&Tensor) -> Result<Tensor, GroupError>| {
        let own = numbers().reshape([ROWS, 2]).set_requires_grad(true);
        let gathered = gather(&own)?;
        assert_eq!((gathered.size(), values(&gathered)), (vec![world * ROWS, 2], all.clone()));
        ((gathered * (rank + 1) as f64).sum(Kind::Float) + (&own * 10.0).sum(Kind::Float))
            .backward();
        Ok::<_, Failure>(values(&own.grad()))
    };
    let constant = gradient(&|own| gather_without_gradient(group.as_ref(), own, "constants"))?;
    assert_eq!(constant, [10.0; 2 * ROWS as usize], "the gradient stops at the gather");
    let of_all = gradient(&|own| gather_with_gradient(group, own, "rows"))?;
    let ranks = (world * (world + 1) / 2) as f32;
    assert_eq!(of_all, [10.0 + ranks; 2 * ROWS as usize], "every rank's gradient reaches its row");
    Ok(())
}

/// A lone process gathers nothing: its rows keep their gradient, as in the published code.
pub(crate) fn gathered_alone() {
    let own = Tensor::ones([ROWS, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let same = gather_without_gradient(&Solo, &own, "alone").expect("rows");
    (same * 3.0).sum(Kind::Float).backward();
    assert_eq!(values(&own.grad()), [3.0; 2 * ROWS as usize]);
}

/// Parameters that some ranks, some steps or nobody uses.
pub(crate) fn unused() -> Result<(), Failure> {
    let group = join(PATIENT)?;
    let (rank, world) = (group.rank() as i64, group.world() as f32);
    let parameters: Vec<Tensor> = (0..3)
        .map(|_| Tensor::ones([2], (Kind::Float, Device::Cpu)).set_requires_grad(true))
        .collect();
    let sum = |index: usize, factor: f64| (&parameters[index] * factor).sum(Kind::Float);

    let mut average = GradientAverage::new(group.clone(), &parameters, UnusedParameters::Possible)?;
    // Rank 0 alone uses the second parameter, nobody the third; in an early part, then in the last.
    let first_alone = if rank == 0 { sum(0, 1.0) + sum(1, 4.0) } else { sum(0, 1.0) };
    average.backward(&first_alone)?;
    assert_eq!(values(&parameters[0].grad()), [1.0, 1.0]);
    assert_eq!(values(&parameters[1].grad()), [4.0 / world; 2]);
    assert!(!parameters[2].grad().defined(), "nobody's");

    forget(&parameters);
    if rank == 0 {
        average.accumulate(&sum(1, 8.0))?;
    }
    average.backward(&sum(0, 3.0))?;
    assert_eq!(values(&parameters[0].grad()), [3.0, 3.0]);
    assert_eq!(values(&parameters[1].grad()), [8.0 / world; 2], "of an early part");
    drop(average);

    forget(&parameters);
    let mut average = GradientAverage::new(group.clone(), &parameters, UnusedParameters::Possible)?;
    average.accumulate(&first_of(rank, sum(0, 1.0), sum(1, 4.0)))?;
    average.average()?;
    assert_eq!(values(&parameters[0].grad()), [1.0 / world; 2]);
    assert_eq!(values(&parameters[1].grad()), [4.0 * (world - 1.0) / world; 2]);
    assert!(!parameters[2].grad().defined() || values(&parameters[2].grad()) == [0.0, 0.0]);
    drop(average);

    forget(&parameters);
    let mut strict = GradientAverage::new(group, &parameters, UnusedParameters::Never)?;
    let error = strict.backward(&sum(0, 1.0)).expect_err("two parameters are left out");
    assert!(error.to_string().contains("UnusedParameters::Never"), "{error}");
    Ok(())
}

fn first_of(rank: i64, first: Tensor, other: Tensor) -> Tensor {
    if rank == 0 { first } else { other }
}

fn forget(parameters: &[Tensor]) {
    for parameter in parameters {
        parameter.shallow_clone().zero_grad();
    }
}
