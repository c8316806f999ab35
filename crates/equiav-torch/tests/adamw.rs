//! AdamW against its formula in plain numbers, and its state across an interruption.

use std::collections::BTreeMap;

use equiav_torch::{AdamW, AdamWConfig, GroupConfig, StateError};
use tch::{Device, Kind, Tensor, nn};

const CONFIG: AdamWConfig = AdamWConfig { betas: (0.9, 0.95), eps: 1e-8, weight_decay: 0.01 };

/// A parameter with these values.
fn parameter(values: &[f64], kind: Kind) -> Tensor {
    Tensor::from_slice(values).to_kind(kind).set_requires_grad(true)
}

/// Gives `parameter` the gradient `Σ cᵢ (2 pᵢ + 1)` of step `step`.
fn differentiate(parameter: &Tensor, step: usize) {
    let count = parameter.numel();
    let factors: Vec<f64> = (0..count).map(|i| ((i + 3 * step) as f64).sin()).collect();
    let factors = Tensor::from_slice(&factors).to_kind(parameter.kind());
    ((parameter * parameter + parameter) * factors).sum(parameter.kind()).backward();
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double)).expect("a row")
}

#[test]
fn a_step_equals_its_formula() {
    let start = [0.5, -1.5, 2.0, 0.0, 3e-3];
    let tensor = parameter(&start, Kind::Double);
    let mut optimizer = AdamW::new([("p".to_owned(), tensor.shallow_clone())], CONFIG);
    let (mut p, mut m, mut v) = (start.to_vec(), [0.0; 5], [0.0; 5]);
    let ((beta1, beta2), eps, decay) = (CONFIG.betas, CONFIG.eps, CONFIG.weight_decay);
    for step in 0..5 {
        let lr = 0.1 / (step + 1) as f64;
        optimizer.zero_grad();
        differentiate(&tensor, step);
        optimizer.step(lr).expect("a step");

        let t = (step + 1) as i32;
        for i in 0..p.len() {
            let gradient = ((i + 3 * step) as f64).sin() * (2.0 * p[i] + 1.0);
            p[i] -= lr * decay * p[i];
            m[i] = beta1 * m[i] + (1.0 - beta1) * gradient;
            v[i] = beta2 * v[i] + (1.0 - beta2) * gradient * gradient;
            let mean: f64 = m[i] / (1.0 - beta1.powi(t));
            let square: f64 = v[i] / (1.0 - beta2.powi(t));
            p[i] -= lr * mean / (square.sqrt() + eps);
        }
        for (ours, theirs) in p.iter().zip(values(&tensor)) {
            assert!((ours - theirs).abs() < 1e-12, "step {step}: {ours} {theirs}");
        }
    }
}

/// Two parameters after `steps` steps, the state being saved and restored before each step in `stops`.
fn run(steps: usize, stops: &[usize]) -> Vec<Vec<f64>> {
    let start = || {
        let tensors =
            [parameter(&[1.0, -2.0, 0.25], Kind::Float), parameter(&[0.1; 7], Kind::Float)];
        ["a", "b"].map(str::to_owned).into_iter().zip(tensors).collect::<Vec<_>>()
    };
    let mut optimizer = AdamW::new(start(), CONFIG);
    for step in 0..steps {
        if stops.contains(&step) {
            let state: BTreeMap<String, Tensor> =
                optimizer.state().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
            let mut fresh = AdamW::new(start(), CONFIG);
            for (new, old) in fresh.parameters().iter().zip(optimizer.parameters()) {
                tch::no_grad(|| new.shallow_clone().copy_(old));
            }
            fresh.load_state(&state).expect("the state fits");
            optimizer = fresh;
        }
        optimizer.zero_grad();
        optimizer.parameters().iter().for_each(|tensor| differentiate(tensor, step));
        optimizer.step(0.01).expect("a step");
    }
    optimizer.parameters().iter().map(values).collect()
}

#[test]
fn an_interrupted_run_equals_a_straight_one() {
    assert_eq!(run(9, &[]), run(9, &[1, 4, 5]));
    assert_ne!(run(9, &[]), run(8, &[]));
}

#[test]
fn a_parameter_without_gradient_stands_still() {
    let (used, idle) = (parameter(&[1.0], Kind::Float), parameter(&[1.0], Kind::Float));
    let named = [("used", &used), ("idle", &idle)];
    let named = named.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
    let mut optimizer = AdamW::new(named, CONFIG);
    differentiate(&used, 1);
    optimizer.step(0.1).expect("a step");
    assert_eq!(values(&idle), [1.0]);
    assert_ne!(values(&used), [1.0]);
    let state = optimizer.state();
    let count = |name: &str| state[name].double_value(&[]);
    assert_eq!((count("idle.step"), count("used.step")), (0.0, 1.0));
}

/// Whatever an update may change: parameters, both moments, counts.
fn everything(optimizer: &AdamW) -> Vec<Tensor> {
    let parameters = optimizer.parameters().iter().map(Tensor::detach);
    parameters.chain(optimizer.state().into_values()).map(|tensor| tensor.copy()).collect()
}

#[test]
fn a_raised_flag_leaves_everything_as_it_was() {
    // One parameter is larger than what one thread of the kernel takes.
    let large = Tensor::linspace(-1.0, 1.0, 100_003, (Kind::Float, Device::Cpu));
    for flag in [1.0, 3.0, f64::NAN] {
        let tensors = [parameter(&[1.0, -2.0], Kind::Float), large.copy().set_requires_grad(true)];
        let named = ["a", "b"].map(str::to_owned).into_iter().zip(tensors);
        let mut optimizer = AdamW::new(named, CONFIG);
        let mut update = |flag: f64, poison: f64| {
            for tensor in optimizer.parameters() {
                (tensor * poison).sum(Kind::Float).backward();
            }
            let flag = Tensor::from_slice(&[flag]).to_kind(Kind::Float);
            optimizer.step_unless(0.01, &flag).expect("a step");
            optimizer.zero_grad();
            everything(&optimizer)
        };
        let before = update(0.0, 1.0);
        assert_eq!(update(flag, f64::NAN), before, "{flag}");
        assert_eq!(update(flag, 1.0), before, "{flag}");
        let after = update(0.0, 1.0);
        assert!(after.iter().zip(&before).all(|(after, before)| after != before));
    }
}

#[test]
fn a_lowered_flag_is_as_good_as_none() {
    let run = |flagged: bool| {
        let tensor = parameter(&[1.0, -2.0, 0.25], Kind::Float);
        let mut optimizer = AdamW::new([("p".to_owned(), tensor)], CONFIG);
        for step in 0..4 {
            optimizer.zero_grad();
            differentiate(&optimizer.parameters()[0], step);
            if flagged {
                optimizer.step_unless(0.01, &Tensor::from_slice(&[0f32])).expect("a step");
            } else {
                optimizer.step(0.01).expect("a step");
            }
        }
        everything(&optimizer)
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn gradients_are_dropped_rather_than_zeroed() {
    let mut optimizer = AdamW::new([("p".to_owned(), parameter(&[1.0], Kind::Float))], CONFIG);
    differentiate(&optimizer.parameters()[0], 1);
    assert!(optimizer.parameters()[0].grad().defined());
    optimizer.zero_grad();
    assert!(!optimizer.parameters()[0].grad().defined());
    optimizer.zero_grad();
}

#[test]
fn a_transposed_gradient_is_put_in_order() {
    let update = |transposed: bool| {
        let tensor = parameter(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], Kind::Float);
        let matrix = tensor.detach().view([2, 3]).set_requires_grad(true);
        let mut optimizer = AdamW::new([("p".to_owned(), matrix.shallow_clone())], CONFIG);
        let factors = Tensor::arange(6, (Kind::Float, Device::Cpu));
        let loss = if transposed {
            matrix.tr() * factors.view([2, 3]).tr().contiguous()
        } else {
            &matrix * factors.view([2, 3])
        };
        loss.sum(Kind::Float).backward();
        optimizer.step(0.1).expect("a step");
        values(&matrix.view([6]))
    };
    assert_eq!(update(true), update(false));
}

#[test]
fn only_trainable_variables_are_optimized() {
    let store = nn::VarStore::new(Device::Cpu);
    let root = store.root();
    let _ = (root.zeros("b", &[2]), root.zeros("a", &[3]), root.zeros_no_train("table", &[4]));
    let optimizer = AdamW::of_store(&store, CONFIG);
    assert_eq!(optimizer.names(), ["a", "b"]);
    let names: Vec<String> = optimizer.state().into_keys().collect();
    let expected = ["a.exp_avg", "a.exp_avg_sq", "a.step", "b.exp_avg", "b.exp_avg_sq", "b.step"];
    assert_eq!(names, expected);
}

#[test]
fn a_foreign_state_is_refused_by_name() {
    let mut optimizer = AdamW::new([("p".to_owned(), parameter(&[1.0; 3], Kind::Float))], CONFIG);
    let changed = |change: &dyn Fn(&mut BTreeMap<String, Tensor>), optimizer: &mut AdamW| {
        let mut state = optimizer.state();
        change(&mut state);
        optimizer.load_state(&state)
    };
    let missing = changed(&|state| drop(state.remove("p.step")), &mut optimizer);
    assert_eq!(missing, Err(StateError::Missing("p.step".to_owned())));
    let extra = |state: &mut BTreeMap<String, Tensor>| {
        let _ = state.insert("q.step".to_owned(), Tensor::from(0f32));
    };
    let unexpected = changed(&extra, &mut optimizer);
    assert_eq!(unexpected, Err(StateError::Unexpected("q.step".to_owned())));
    let short = |state: &mut BTreeMap<String, Tensor>| {
        let _ = state.insert("p.exp_avg".to_owned(), Tensor::from_slice(&[0f32; 2]));
    };
    let text = changed(&short, &mut optimizer).expect_err("another shape").to_string();
    assert_eq!(text, "the saved state's `p.exp_avg` has shape [2], expected [3]");
}

#[test]
fn a_failure_inside_libtorch_is_an_error() {
    let whole = Tensor::from_slice(&[1i64, 2]);
    let tensor = parameter(&[1.0, 2.0], Kind::Float);
    let mut optimizer = AdamW::new([("p".to_owned(), tensor.shallow_clone())], CONFIG);
    differentiate(&tensor, 1);
    // The state of another kind than its parameter: the fused kernel refuses it.
    for (name, mut state) in optimizer.state() {
        if name.ends_with("exp_avg") {
            state.set_data(&whole);
        }
    }
    let error = optimizer.step(0.1).expect_err("kinds differ").to_string();
    assert!(!error.is_empty() && !error.contains("Exception raised from"), "{error}");
}

#[test]
fn a_factor_multiplies_the_learning_rate_of_its_parameters() {
    let start = [0.5, -1.5, 2.0];
    let moved = |factor: Option<f64>, lr: f64| {
        let [body, head] = [parameter(&start, Kind::Double), parameter(&start, Kind::Double)];
        let named = [("body", &body), ("head", &head)];
        let named = named.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
        let mut optimizer = AdamW::new(named, CONFIG);
        if let Some(factor) = factor {
            optimizer = optimizer.with_groups(|name| {
                let factor = if name == "head" { factor } else { 1.0 };
                GroupConfig { factor, weight_decay: CONFIG.weight_decay }
            });
        }
        for step in 0..3 {
            optimizer.zero_grad();
            [&body, &head].into_iter().for_each(|tensor| differentiate(tensor, step));
            optimizer.step(lr).expect("a step");
        }
        let state = optimizer.state();
        assert_eq!(state["head.step"].double_value(&[]), 3.0, "one state for all groups");
        (values(&body), values(&head))
    };
    let plain = moved(None, 0.01);
    let (body, head) = moved(Some(50.0), 0.01);
    assert_eq!(plain.0, plain.1, "both are alike without factors");
    assert_eq!(body, plain.0, "the others learn as without factors");
    assert_eq!(head, moved(None, 0.5).1, "as at 50 times the learning rate");
    assert_eq!(moved(Some(0.0), 0.01).1, start, "a factor of 0 keeps them");
}

#[test]
fn a_group_has_a_decay_of_its_own() {
    let start = [0.5, -1.5, 2.0];
    let moved = |config: AdamWConfig, own: Option<f64>| {
        let [body, head] = [parameter(&start, Kind::Double), parameter(&start, Kind::Double)];
        let named = [("body", &body), ("head", &head)];
        let named = named.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
        let mut optimizer = AdamW::new(named, config);
        if let Some(own) = own {
            optimizer = optimizer.with_groups(|name| {
                let weight_decay = if name == "head" { own } else { config.weight_decay };
                GroupConfig { factor: 1.0, weight_decay }
            });
        }
        for step in 0..3 {
            optimizer.zero_grad();
            [&body, &head].into_iter().for_each(|tensor| differentiate(tensor, step));
            optimizer.step(0.01).expect("a step");
        }
        (values(&body), values(&head))
    };
    let plain = moved(CONFIG, None);
    for decay in [0.0, 0.7] {
        let (body, head) = moved(CONFIG, Some(decay));
        assert_eq!(body, plain.0, "the others decay as before");
        let all = moved(AdamWConfig { weight_decay: decay, ..CONFIG }, None);
        assert_eq!(head, all.1, "as where all decay by {decay}");
        assert_ne!(head, plain.1);
    }
}
