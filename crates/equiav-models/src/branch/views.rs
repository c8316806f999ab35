//! What goes into a branch and what comes out: plain structs of tensors.

use tch::Tensor;

/// The views of one modality of a batch.
#[derive(Debug)]
pub struct BranchInput {
    /// As recorded, `[b, c, height, width]`, of 1 or 3 channels.
    pub plain: Tensor,
    /// Transformed, the same shape.
    pub augmented: Tensor,
    /// The parameter vectors of those transformations, `[b, vector]`.
    pub vectors: Tensor,
    /// Sampled parameter vectors of which no view was made, `[b, S, vector]`.
    pub centroid: Tensor,
    /// Which columns of the views hold material; absent, all. An encoder that masks no padding does not ask.
    pub material: Option<MaterialMasks>,
}

/// Which columns of both views hold material, `[b, width]`, true where they do; the others hold padding alone.
#[derive(Debug)]
pub struct MaterialMasks {
    /// Of the plain views.
    pub plain: Tensor,
    /// Of the augmented views.
    pub augmented: Tensor,
}

/// The embeddings of one modality of a batch.
#[derive(Debug)]
pub struct Embeddings {
    /// What the intra-modal loss compares; nothing without one.
    pub intra: Option<IntraPair>,
    /// What is compared with the other modality, z̄ in the paper, `[b, out]`.
    pub inter: Tensor,
    /// That of the augmented view, `[b, out]`, where the branch has one, see [`AugmentedPositives`](crate::AugmentedPositives).
    pub augmented_inter: Option<Tensor>,
    /// The plain view's tokens, `[b, n, width]`, where it was encoded; [`Branch::project`](crate::Branch::project) makes
    /// inter-modal embeddings of them.
    pub tokens: Option<Tensor>,
}

/// The two embeddings that the intra-modal loss pulls together.
#[derive(Debug)]
pub struct IntraPair {
    /// Where the augmented view should land, ẑ in the paper, `[b, out]`; without equivariance, where
    /// the plain view lands.
    pub predicted: Tensor,
    /// Where the augmented view lands, z' in the paper, `[b, out]`.
    pub augmented: Tensor,
}
