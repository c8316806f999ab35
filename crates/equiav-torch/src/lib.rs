//! What tch lacks: fused AdamW with named state, matrix product precision, CUDA at run time.
