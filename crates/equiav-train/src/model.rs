//! A trained model: its networks, its folder, its fingerprint.

mod encoders;
mod exported;
mod fingerprint;
pub mod import;
mod loaded_model;
mod network;

pub use encoders::encoders;
pub use fingerprint::Fingerprint;
pub use loaded_model::LoadedModel;
pub use network::Network;
