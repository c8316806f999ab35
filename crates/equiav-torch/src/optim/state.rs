//! Named tensors that a run saves and restores, and what may be wrong with saved ones.

use std::collections::BTreeMap;

use tch::Tensor;

/// A saved state that does not belong to what it is loaded into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// The state lacks this tensor.
    Missing(String),
    /// The state holds this tensor, which nothing takes.
    Unexpected(String),
    /// The tensor has another shape than it must have.
    Shape {
        /// Which tensor.
        name: String,
        /// The shape in the saved state.
        found: Vec<i64>,
        /// The shape it must have.
        expected: Vec<i64>,
    },
}

/// Copies the tensors of `saved` into those of `own`, which share memory with their owner; nothing is
/// changed unless the two fit.
pub(crate) fn restore(
    own: BTreeMap<String, Tensor>,
    saved: &BTreeMap<String, Tensor>,
) -> Result<(), StateError> {
    for (name, tensor) in &own {
        let found = saved.get(name).ok_or_else(|| StateError::Missing(name.clone()))?.size();
        let expected = tensor.size();
        if found != expected {
            return Err(StateError::Shape { name: name.clone(), found, expected });
        }
    }
    if let Some(name) = saved.keys().find(|name| !own.contains_key(*name)) {
        return Err(StateError::Unexpected(name.clone()));
    }
    for (name, mut tensor) in own {
        tch::no_grad(|| tensor.copy_(&saved[&name]));
    }
    Ok(())
}

impl std::fmt::Display for StateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "the saved state lacks `{name}`"),
            Self::Unexpected(name) => {
                write!(f, "the saved state holds `{name}`, which nothing here takes")
            }
            Self::Shape { name, found, expected } => {
                write!(f, "the saved state's `{name}` has shape {found:?}, expected {expected:?}")
            }
        }
    }
}

impl std::error::Error for StateError {}
