//! The layers that encoders, predictors and heads are made of, and how their parameters start.

pub(crate) mod attention;
pub(crate) mod init;
pub(crate) mod mlp;
pub(crate) mod norm;
pub(crate) mod share;
