//! Groups of parameters.

use tch::{Kind, nn};

use super::*;
use crate::clips::{DeviceBatch, EvaluationLists};
use crate::engine::gather::Gathered;
use crate::engine::method::{Named, Needs, ParamGroup, Term};
use crate::metrics::Metrics;
use crate::recipe::{Recipe, Sections};

/// Three numbers, of which each is in a group of its own.
struct Three(nn::VarStore);

impl Method for Three {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn variables(&self) -> &nn::VarStore {
        &self.0
    }

    fn embed(&self, _: &DeviceBatch) -> anyhow::Result<Named> {
        Ok(Named::new())
    }

    fn terms(&mut self, _: &Named, _: &Gathered, _: &StepContext<'_>) -> anyhow::Result<Vec<Term>> {
        Ok(Vec::new())
    }

    fn groups(&self) -> Vec<ParamGroup> {
        let group = |part: &'static str, lr_factor, weight_decay, frozen| ParamGroup {
            matches: Box::new(move |name| name.starts_with(part)),
            lr_factor,
            weight_decay,
            frozen,
        };
        vec![group("fast", 10.0, Some(0.5), false), group("fixed", 1.0, None, true)]
    }

    fn evaluate(&self, _: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        Ok(Metrics::default())
    }
}

#[test]
fn a_group_has_its_own_rate_and_decay_and_what_is_frozen_has_no_state() {
    let changes = ["optimizer.weight_decay=0.25".parse().expect("KEY=VALUE")];
    let text = include_str!("../../../../../recipes/quick.toml");
    let recipe = Recipe::parse(text, &changes).expect("a recipe");
    let store = nn::VarStore::new(Device::Cpu);
    let value = |name: &str| store.root().var(name, &[1], nn::Init::Const(1.0));
    let [usual, fast, fixed] = ["usual", "fast", "fixed"].map(value);
    let world = World::alone();
    let mut state = TrainState::new(Three(store), recipe.shared(), &world).expect("a state");
    assert_eq!(state.optimizer.names(), ["fast", "usual"]);
    let named = state.optimizer.state();
    assert!(named.keys().all(|name| !name.starts_with("fixed")), "{named:?}");
    // A gradient of 0 moves nothing, so that decay alone is seen: p ← p − lr · factor · decay · p.
    let loss = ((&usual + &fast) * 0.0).sum(Kind::Float);
    loss.backward();
    let _ = state.update(&loss, 0.01, None).expect("an update");
    let [usual, fast, fixed] = [usual, fast, fixed].map(|value| value.double_value(&[0]));
    assert!((usual - (1.0 - 0.01 * 0.25)).abs() < 1e-6, "{usual}");
    assert!((fast - (1.0 - 0.1 * 0.5)).abs() < 1e-6, "{fast}");
    assert_eq!(fixed, 1.0);
}
