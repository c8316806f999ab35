//! Encoders, transformation predictors and heads of EquiAV on libtorch.
