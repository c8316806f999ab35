//! AdamW over named parameters, in one fused kernel, with a state that can be saved and restored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, nn};

use crate::{TorchError, border};

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
/// A parameter without a gradient is left alone, decay included, and its `t` stands still.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    names: Vec<String>,
    parameters: Vec<Tensor>,
    exp_avgs: Vec<Tensor>,
    exp_avg_sqs: Vec<Tensor>,
    steps: Vec<Tensor>,
}

/// A saved state that does not belong to these parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// The state lacks this tensor.
    Missing(String),
    /// The state holds this tensor, which no parameter has.
    Unexpected(String),
    /// The tensor has another shape than its parameter asks for.
    Shape {
        /// Which tensor.
        name: String,
        /// The shape in the saved state.
        found: Vec<i64>,
        /// The shape it must have.
        expected: Vec<i64>,
    },
}

impl AdamW {
    /// An optimiser of `parameters` that has not made a step.
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
        Self { config, names, parameters, exp_avgs, exp_avg_sqs, steps }
    }

    /// An optimiser of every trainable variable of `store`.
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

    /// Forgets every gradient, so that the next backward pass starts from none.
    pub fn zero_grad(&mut self) {
        for parameter in &mut self.parameters {
            parameter.zero_grad();
        }
    }

    /// Updates the parameters by their gradients, with the learning rate `lr`.
    ///
    /// # Errors
    ///
    /// If libtorch fails, for example because the parameters lie on different devices.
    pub fn step(&mut self, lr: f64) -> Result<(), TorchError> {
        let AdamWConfig { betas: (beta1, beta2), eps, weight_decay } = self.config;
        let lists = border::Lists {
            parameters: &self.parameters,
            exp_avgs: &self.exp_avgs,
            exp_avg_sqs: &self.exp_avg_sqs,
            steps: &self.steps,
        };
        border::adamw_step(&lists, &border::Settings { lr, beta1, beta2, eps, weight_decay })
    }

    /// The state by name: `NAME.exp_avg`, `NAME.exp_avg_sq` and `NAME.step` of each parameter.
    ///
    /// The tensors share their memory with the optimiser: save or copy them before the next step.
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
        let own = self.state();
        for (name, tensor) in &own {
            let found = state.get(name).ok_or_else(|| StateError::Missing(name.clone()))?.size();
            let expected = tensor.size();
            if found != expected {
                return Err(StateError::Shape { name: name.clone(), found, expected });
            }
        }
        if let Some(name) = state.keys().find(|name| !own.contains_key(*name)) {
            return Err(StateError::Unexpected(name.clone()));
        }
        for (name, mut tensor) in own {
            tch::no_grad(|| tensor.copy_(&state[&name]));
        }
        Ok(())
    }

    fn parts(&self, place: usize) -> [(&'static str, &Tensor); 3] {
        [
            ("exp_avg", &self.exp_avgs[place]),
            ("exp_avg_sq", &self.exp_avg_sqs[place]),
            ("step", &self.steps[place]),
        ]
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

impl std::fmt::Display for StateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "the optimizer state lacks `{name}`"),
            Self::Unexpected(name) => {
                write!(f, "the optimizer state holds `{name}`, which no parameter has")
            }
            Self::Shape { name, found, expected } => write!(
                f,
                "the optimizer state's `{name}` has shape {found:?}, expected {expected:?}"
            ),
        }
    }
}

impl std::error::Error for StateError {}
