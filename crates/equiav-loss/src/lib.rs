//! The contrastive losses of EquiAV as functions of tensors.
