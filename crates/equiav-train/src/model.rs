//! A trained model: its networks, its folder, its fingerprint.

mod exported;
mod fingerprint;
pub mod import;
mod loaded_model;
mod network;

pub use fingerprint::Fingerprint;
pub use loaded_model::LoadedModel;
pub use network::Network;
