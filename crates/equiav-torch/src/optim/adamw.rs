//! AdamW over named parameters, in one fused kernel, with a state that can be saved and restored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, nn};

use super::state::{self, StateError};
use crate::{TorchError, ffi};

/// The numbers of AdamW that stay the same during a run.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay rates of the mean and of the mean square of the gradients, each in [0, 1).
    pub betas: (f64, f64),
    /// The addend of the denominator, above 0.
    pub eps: f64,
    /// The decoupled weight decay, on every parameter, at least 0.
    pub weight_decay: f64,
}

/// AdamW (Loshchilov and Hutter, arXiv 1711.05101) over named parameters.
///
/// ```text
/// t ← t + 1               p ← p − lr · weight_decay · p
/// m ← β₁ m + (1 − β₁) g   v ← β₂ v + (1 − β₂) g²
/// p ← p − lr · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + eps)
/// ```
///
/// A parameter without a gradient is left alone, decay included, and its `t` stands still. Parameters may
/// learn at a multiple of the learning rate, or with a decay of their own, see [`with_groups`](Self::with_groups).
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    names: Vec<String>,
    parameters: Vec<Tensor>,
    exp_avgs: Vec<Tensor>,
    exp_avg_sqs: Vec<Tensor>,
    steps: Vec<Tensor>,
    groups: Vec<Group>,
}

/// How parameters are trained that need not be trained as the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupConfig {
    /// What the learning rate is multiplied by, that of the decay included, at least 0.
    pub factor: f64,
    /// The decoupled weight decay, at least 0.
    pub weight_decay: f64,
}

/// Parameters that learn alike; its tensors are those of the optimizer.
#[derive(Debug)]
struct Group {
    config: GroupConfig,
    parameters: Vec<Tensor>,
    exp_avgs: Vec<Tensor>,
    exp_avg_sqs: Vec<Tensor>,
    steps: Vec<Tensor>,
}

impl AdamW {
    /// An optimizer of `parameters` that has not made a step.
    ///
    /// # Panics
    ///
    /// If a name occurs twice, a parameter takes no gradient, or `config` is out of its ranges.
    #[track_caller]
    pub fn new(
        parameters: impl IntoIterator<Item = (String, Tensor)>,
        config: AdamWConfig,
    ) -> Self {
        config.check();
        let mut sorted = BTreeMap::new();
        for (name, parameter) in parameters {
            assert!(parameter.requires_grad(), "AdamW: parameter `{name}` takes no gradient");
            let twice = sorted.insert(name.clone(), parameter).is_some();
            assert!(!twice, "AdamW: two parameters are called `{name}`");
        }
        let (names, parameters): (Vec<String>, Vec<Tensor>) = sorted.into_iter().unzip();
        let zeros = || parameters.iter().map(|tensor| tensor.zeros_like().detach()).collect();
        let (exp_avgs, exp_avg_sqs) = (zeros(), zeros());
        let step = |tensor: &Tensor| Tensor::zeros([0i64; 0], (Kind::Float, tensor.device()));
        let steps = parameters.iter().map(step).collect();
        let groups = Vec::new();
        let all = Self { config, names, parameters, exp_avgs, exp_avg_sqs, steps, groups };
        all.with_groups(|_| GroupConfig { factor: 1.0, weight_decay: config.weight_decay })
    }

    /// Has each parameter learn as `config` of its name says; those of equal configurations are updated together.
    ///
    /// Configurations of groups are no part of the state.
    ///
    /// # Panics
    ///
    /// If a factor or a weight decay is below 0 or not finite.
    #[track_caller]
    pub fn with_groups(mut self, config: impl Fn(&str) -> GroupConfig) -> Self {
        let mut places: Vec<(GroupConfig, Vec<usize>)> = Vec::new();
        for (place, name) in self.names.iter().enumerate() {
            let config = config(name);
            config.check(name);
            match places.iter_mut().find(|(known, _)| *known == config) {
                Some((_, places)) => places.push(place),
                None => places.push((config, vec![place])),
            }
        }
        self.groups =
            places.into_iter().map(|(config, places)| self.group(config, &places)).collect();
        self
    }

    fn group(&self, config: GroupConfig, places: &[usize]) -> Group {
        let take = |list: &[Tensor]| places.iter().map(|at| list[*at].shallow_clone()).collect();
        Group {
            config,
            parameters: take(&self.parameters),
            exp_avgs: take(&self.exp_avgs),
            exp_avg_sqs: take(&self.exp_avg_sqs),
            steps: take(&self.steps),
        }
    }

    /// An optimizer of every trainable variable of `store`.
    ///
    /// # Panics
    ///
    /// If `config` is out of its ranges.
    #[track_caller]
    pub fn of_store(store: &nn::VarStore, config: AdamWConfig) -> Self {
        let trainable = store.variables().into_iter().filter(|(_, tensor)| tensor.requires_grad());
        Self::new(trainable, config)
    }

    /// The parameters, in the order of their names.
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    /// The names of the parameters, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Drops every gradient, so that the next backward pass starts from none.
    ///
    /// The pass then keeps each gradient that it computes instead of adding it to one of zeros, and a
    /// parameter that it does not reach has no gradient at all. Between two steps the memory is free
    /// for activations: call it right after [`step`](Self::step).
    pub fn zero_grad(&mut self) {
        ffi::drop_gradients(&self.parameters).expect("dropping asks for nothing");
    }

    /// Updates the parameters by their gradients, with the learning rate `lr`.
    ///
    /// # Errors
    ///
    /// If libtorch fails, for example because the parameters lie on different devices.
    pub fn step(&mut self, lr: f64) -> Result<(), TorchError> {
        self.update(lr, None)
    }

    /// As [`step`](Self::step) where `found_inf`, of one element, is 0; else nothing changes: neither
    /// parameters nor moments nor counts.
    ///
    /// The device decides; this thread does not wait for it. What the gradients are then does not
    /// matter. [`found_inf`](crate::found_inf) or [`LossScaler::unscale`](crate::LossScaler::unscale)
    /// makes the flag; several ranks must agree on it first, by its maximum or sum.
    ///
    /// # Errors
    ///
    /// If libtorch fails, for example because `found_inf` has more than one element.
    pub fn step_unless(&mut self, lr: f64, found_inf: &Tensor) -> Result<(), TorchError> {
        self.update(lr, Some(found_inf))
    }

    fn update(&mut self, lr: f64, found_inf: Option<&Tensor>) -> Result<(), TorchError> {
        let AdamWConfig { betas: (beta1, beta2), eps, .. } = self.config;
        for group in &self.groups {
            let lists = ffi::Lists {
                parameters: &group.parameters,
                exp_avgs: &group.exp_avgs,
                exp_avg_sqs: &group.exp_avg_sqs,
                steps: &group.steps,
            };
            let GroupConfig { factor, weight_decay } = group.config;
            let lr = lr * factor;
            let settings = ffi::Settings { lr, beta1, beta2, eps, weight_decay };
            ffi::adamw_step(&lists, &settings, found_inf)?;
        }
        Ok(())
    }

    /// The state by name: `NAME.exp_avg`, `NAME.exp_avg_sq` and `NAME.step` of each parameter.
    ///
    /// The tensors share their memory with the optimizer: save or copy them before the next step.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        for (place, name) in self.names.iter().enumerate() {
            for (part, tensor) in self.parts(place) {
                state.insert(format!("{name}.{part}"), tensor.shallow_clone());
            }
        }
        state
    }

    /// Continues from a saved [`state`](Self::state), exactly.
    ///
    /// # Errors
    ///
    /// If `state` lacks a tensor, holds one too many, or holds one of another shape; nothing has been
    /// changed then.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<(), StateError> {
        state::restore(self.state(), state)
    }

    /// Forgets the moments and the steps of the parameters of `names`, as if they had just been made.
    ///
    /// # Panics
    ///
    /// If there is no parameter of a name.
    #[track_caller]
    pub fn reset(&mut self, names: &[String]) {
        for name in names {
            let Ok(place) = self.names.binary_search(name) else {
                panic!("AdamW: there is no parameter `{name}`")
            };
            for (_, tensor) in self.parts(place) {
                let _ = tensor.shallow_clone().zero_();
            }
        }
    }

    fn parts(&self, place: usize) -> [(&'static str, &Tensor); 3] {
        [
            ("exp_avg", &self.exp_avgs[place]),
            ("exp_avg_sq", &self.exp_avg_sqs[place]),
            ("step", &self.steps[place]),
        ]
    }
}

impl GroupConfig {
    #[track_caller]
    fn check(self, name: &str) {
        let Self { factor, weight_decay } = self;
        assert!(factor.is_finite() && factor >= 0.0, "AdamW: {factor} is no factor of `{name}`");
        let decays = weight_decay.is_finite() && weight_decay >= 0.0;
        assert!(decays, "AdamW: {weight_decay} is no weight decay of `{name}`");
    }
}

impl AdamWConfig {
    #[track_caller]
    fn check(&self) {
        let (beta1, beta2) = self.betas;
        for beta in [beta1, beta2] {
            assert!((0.0..1.0).contains(&beta), "AdamW: {beta} is no decay rate");
        }
        assert!(self.eps > 0.0, "AdamW: {} is no eps", self.eps);
        assert!(self.weight_decay >= 0.0, "AdamW: {} is no weight decay", self.weight_decay);
    }
}
