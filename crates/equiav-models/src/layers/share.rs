//! Further handles on the same parameters, for whoever must own a layer: a checkpointed block outlives the
//! call, and may run on another thread.

use tch::nn;

/// A layer of which there can be several handles.
pub(crate) trait Share {
    /// The same layer once more: the same parameters, the same gradients.
    fn share(&self) -> Self;
}

impl Share for nn::Linear {
    fn share(&self) -> Self {
        let bias = self.bs.as_ref().map(tch::Tensor::shallow_clone);
        Self { ws: self.ws.shallow_clone(), bs: bias }
    }
}
