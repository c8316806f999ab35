//! A running average of the weights, which often measures better than the weights themselves.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use tch::{Tensor, nn};

/// The exponential moving average of every variable of a store that is trained; what is fitted or frozen is as it is.
///
/// ```text
/// average ← decay · average + (1 − decay) · weight        after every update
/// ```
#[derive(Debug)]
pub struct Ema {
    decay: f64,
    tensors: BTreeMap<String, Tensor>,
}

impl Ema {
    /// An average that begins with the present weights of `store`.
    pub fn new(store: &nn::VarStore, decay: f64) -> Self {
        let mut average = Self { decay, tensors: BTreeMap::new() };
        average.restart(store);
        average
    }

    /// Begins again with the present weights of `store`.
    pub fn restart(&mut self, store: &nn::VarStore) {
        let trained = store.variables().into_iter().filter(|(_, tensor)| tensor.requires_grad());
        self.tensors = trained.map(|(name, tensor)| (name, tensor.detach().copy())).collect();
    }

    /// Takes the present weights of `store` in.
    pub fn update(&mut self, store: &nn::VarStore) {
        let weights = store.variables();
        tch::no_grad(|| {
            for (name, average) in &mut self.tensors {
                let _ = average.lerp_(&weights[name], 1.0 - self.decay);
            }
        });
    }

    /// Has those of `names` begin again with their present weights in `store`.
    pub(super) fn restart_of(&mut self, names: &[String], store: &nn::VarStore) {
        let weights = store.variables();
        for name in names {
            if let Some(average) = self.tensors.get_mut(name) {
                *average = weights[name].detach().copy();
            }
        }
    }

    /// The averaged weights, by name.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }

    /// Takes `saved` averages up.
    ///
    /// # Errors
    ///
    /// If a variable is missing from them or has another shape.
    pub fn load(&mut self, saved: &BTreeMap<String, Tensor>) -> anyhow::Result<()> {
        for (name, average) in &mut self.tensors {
            let tensor = saved.get(name).with_context(|| format!("`{name}` is missing"))?;
            ensure!(tensor.size() == average.size(), "`{name}` has shape {:?}", tensor.size());
            tch::no_grad(|| average.copy_(tensor));
        }
        Ok(())
    }

    /// Does `work` while `store` holds the averaged weights; its own are back afterwards.
    pub fn instead<T>(&self, store: &nn::VarStore, work: impl FnOnce() -> T) -> T {
        let weights = store.variables();
        let own: Vec<(&String, Tensor)> =
            self.tensors.keys().map(|name| (name, weights[name].detach().copy())).collect();
        let put = |name: &String, value: &Tensor| {
            let mut weight = weights[name].shallow_clone();
            tch::no_grad(|| weight.copy_(value));
        };
        self.tensors.iter().for_each(|(name, average)| put(name, average));
        let result = work();
        own.iter().for_each(|(name, value)| put(name, value));
        result
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn follows_its_formula_and_lends_itself() {
        let store = nn::VarStore::new(Device::Cpu);
        let mut weight = store.root().ones("w", &[2]);
        let mut average = Ema::new(&store, 0.75);
        tch::no_grad(|| weight.copy_(&Tensor::from_slice(&[5.0f32, 1.0])));
        average.update(&store);
        average.update(&store);
        // 1 → 0.75 + 0.25 · 5 = 2 → 0.75 · 2 + 0.25 · 5 = 2.75
        let expected = Tensor::from_slice(&[2.75f32, 1.0]);
        assert!(average.tensors()["w"].equal(&expected));
        average.instead(&store, || assert!(store.variables()["w"].equal(&expected)));
        assert!(weight.equal(&Tensor::from_slice(&[5.0f32, 1.0])), "the weights are back");

        let mut other = Ema::new(&store, 0.75);
        other.load(&average.tensors()).expect("the same names");
        assert!(other.tensors()["w"].equal(&expected));
        let error = other.load(&BTreeMap::new()).expect_err("nothing is there");
        assert_eq!(error.to_string(), "`w` is missing");
    }
}
