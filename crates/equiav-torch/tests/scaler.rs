//! The loss scaler against the documented rules of `torch.amp.GradScaler`, in plain numbers.

use std::collections::BTreeMap;

use equiav_torch::{AdamW, AdamWConfig, LossScaler, LossScalerConfig, StateError, clip_grad_norm};
use tch::{Device, Kind, Tensor};

const QUICK: LossScalerConfig =
    LossScalerConfig { start: 1024.0, growth: 2.0, backoff: 0.5, interval: 3 };
const ADAMW: AdamWConfig = AdamWConfig { betas: (0.9, 0.95), eps: 1e-8, weight_decay: 0.01 };

fn flag(raised: bool) -> Tensor {
    Tensor::from_slice(&[f32::from(u8::from(raised))])
}

fn parameter() -> Tensor {
    Tensor::from_slice(&[1.0f32, -2.0, 0.25]).set_requires_grad(true)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach()).expect("a row")
}

/// The documented rule: what scale and count of finite updates become.
fn rule(scale: f64, finite: i64, raised: bool) -> (f64, i64) {
    match (raised, finite + 1 == QUICK.interval) {
        (true, _) => (scale * QUICK.backoff, 0),
        (false, true) => (scale * QUICK.growth, 0),
        (false, false) => (scale, finite + 1),
    }
}

#[test]
fn the_scale_grows_and_backs_off_by_the_rule() {
    let mut scaler = LossScaler::new(QUICK, Device::Cpu);
    let (mut scale, mut finite) = (QUICK.start, 0);
    let raised = [0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1];
    for (update, raised) in raised.into_iter().map(|raised| raised == 1).enumerate() {
        scaler.update(&flag(raised)).expect("an update");
        (scale, finite) = rule(scale, finite, raised);
        assert_eq!(scaler.current(), scale, "after update {update}");
        assert_eq!(scaler.state()["growth_tracker"].int64_value(&[]), finite, "update {update}");
    }
    assert_eq!(scale, QUICK.start / 2.0, "four times down, three times up");
}

#[test]
fn scaled_and_unscaled_again_the_gradient_is_the_plain_one() {
    let scaler = LossScaler::new(LossScalerConfig::PYTORCH, Device::Cpu);
    assert_eq!(scaler.current(), 65536.0);
    let gradient = |scaled: bool| {
        let parameter = parameter();
        let loss = (&parameter * &parameter).sum(Kind::Float);
        let loss = if scaled { scaler.scale(&loss) } else { loss };
        loss.backward();
        if scaled {
            assert_eq!(values(&parameter.grad())[0], 2.0 * 65536.0);
            let found = scaler.unscale(&[parameter.shallow_clone()]).expect("unscaled");
            assert_eq!((found.size(), found.double_value(&[0])), (vec![1], 0.0));
        }
        values(&parameter.grad())
    };
    assert_eq!(gradient(true), gradient(false));
}

#[test]
fn a_poisoned_update_changes_nothing_but_the_scale() {
    for poison in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        let (healthy, poisoned) = (parameter(), parameter());
        let named = [("healthy", &healthy), ("poisoned", &poisoned)]
            .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
        let mut optimizer = AdamW::new(named, ADAMW);
        let mut scaler = LossScaler::new(QUICK, Device::Cpu);
        let mut update = |factor: f32| {
            let factors = Tensor::from_slice(&[1.0, factor, 1.0]);
            let loss =
                (&healthy * &healthy).sum(Kind::Float) + (&poisoned * factors).sum(Kind::Float);
            scaler.scale(&loss).backward();
            let found = scaler.unscale(optimizer.parameters()).expect("unscaled");
            let _ = clip_grad_norm(optimizer.parameters(), Some(0.1)).expect("clipped");
            optimizer.step_unless(0.1, &found).expect("a step");
            scaler.update(&found).expect("an update");
            optimizer.zero_grad();
            let mut all = optimizer.state();
            all.insert("healthy".to_owned(), healthy.detach());
            all.insert("poisoned".to_owned(), poisoned.detach());
            all.into_iter().map(|(name, tensor)| (name, tensor.copy())).collect()
        };
        let before: BTreeMap<String, Tensor> = update(1.0);
        let skipped: BTreeMap<String, Tensor> = update(poison);
        assert_eq!(before, skipped, "{poison}");
        let after: BTreeMap<String, Tensor> = update(1.0);
        assert_eq!(after["healthy.step"].double_value(&[]), 2.0);
        assert_ne!(before["poisoned"], after["poisoned"]);
        assert_eq!(scaler.current(), QUICK.start * QUICK.backoff);
    }
}

#[test]
fn a_saved_state_goes_on_where_it_was() {
    let mut scaler = LossScaler::new(QUICK, Device::Cpu);
    for raised in [true, false, false] {
        scaler.update(&flag(raised)).expect("an update");
    }
    let saved: BTreeMap<String, Tensor> =
        scaler.state().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
    let names: Vec<&str> = saved.keys().map(String::as_str).collect();
    assert_eq!(names, ["growth_tracker", "scale"]);
    let mut fresh = LossScaler::new(QUICK, Device::Cpu);
    fresh.load_state(&saved).expect("the state fits");
    for scaler in [&mut scaler, &mut fresh] {
        scaler.update(&flag(false)).expect("an update");
        assert_eq!(scaler.current(), QUICK.start, "halved, then doubled by the third finite one");
    }
    let lacking = [("scale".to_owned(), Tensor::from(1f32))].into();
    assert_eq!(fresh.load_state(&lacking), Err(StateError::Missing("growth_tracker".to_owned())));
}
