//! Who trains together: ranks and their world, devices, and how a list is shared out.

mod device;
mod rank_indices;
mod world;

pub use device::{DeviceChoice, device};
pub use rank_indices::ShardedRows;
pub(crate) use rank_indices::own_positions;
pub use world::World;
