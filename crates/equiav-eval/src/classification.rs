//! Classification: how well scores tell classes apart. One file a kind of figure: [`precision`] for classes that
//! may overlap, [`accuracy`] for classes of which each clip has one, [`calibration`] for probabilities.

pub(crate) mod accuracy;
pub(crate) mod calibration;
mod normal;
pub(crate) mod precision;
