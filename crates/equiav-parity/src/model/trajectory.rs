//! The description of a dump: configuration, optimizer, schedule, and what was logged of each step.

use equiav_models::{
    AugmentedPositives, BranchConfig, EncoderConfig, HeadConfig, InputConfig, MlpConfig,
    PoolConfig, PredictorConfig,
};
use equiav_torch::AdamWConfig;
use serde::Deserialize;

/// A whole dump.
#[derive(Deserialize)]
pub(crate) struct Trajectory {
    pub(crate) seed: u64,
    pub(crate) batch: i64,
    pub(crate) centroid: i64,
    pub(crate) tau: f64,
    pub(crate) weight: [f64; 3],
    pub(crate) optimizer: Optimizer,
    pub(crate) schedule: Schedule,
    pub(crate) model: Model,
    pub(crate) steps: Vec<Step>,
}

/// AdamW and clipping.
#[derive(Deserialize)]
pub(crate) struct Optimizer {
    pub(crate) betas: (f64, f64),
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
    pub(crate) clip_norm: f64,
}

/// Linear warm-up, then half a cosine.
#[derive(Deserialize)]
pub(crate) struct Schedule {
    pub(crate) warmup_steps: u64,
    pub(crate) start_lr: f64,
    pub(crate) ref_lr: f64,
    pub(crate) final_lr: f64,
    pub(crate) total_steps: u64,
}

/// Sizes of the model, the same for both modalities.
#[derive(Deserialize)]
pub(crate) struct Model {
    pub(crate) embed_dim: i64,
    pub(crate) modality_specific_depth: i64,
    pub(crate) num_heads: i64,
    pub(crate) proj_hidden_dim: i64,
    pub(crate) inter_proj_out_dim: i64,
    pub(crate) intra_proj_out_dim: i64,
    pub(crate) aug_emb_dim: i64,
}

/// What the published implementation logged of one step.
#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) step: u64,
    pub(crate) lr: f64,
    pub(crate) loss: f64,
    pub(crate) inter: f64,
    pub(crate) intra_a: f64,
    pub(crate) intra_v: f64,
    pub(crate) acc_inter: f64,
    pub(crate) acc_intra_a: f64,
    pub(crate) acc_intra_v: f64,
    pub(crate) grad_norm: f64,
}

impl Model {
    /// The branch of the modality with that `suffix`.
    pub(crate) fn branch(&self, suffix: &str, input: InputConfig, vector: i64) -> BranchConfig {
        let mlp = MlpConfig::Gelu { ratio: 4 };
        let hidden = self.aug_emb_dim;
        let head = |out| HeadConfig::projector(self.proj_hidden_dim, out);
        BranchConfig {
            augmented_positives: AugmentedPositives::None,
            aggregate: PoolConfig::Mean,
            zero_init_predictor: false,
            readout: None,
            suffix: suffix.to_owned(),
            input,
            vector,
            encoder: EncoderConfig {
                width: self.embed_dim,
                depth: self.modality_specific_depth,
                heads: self.num_heads,
                patch: 16,
                mlp,
                mask_padding: false,
                pool: PoolConfig::Mean,
                shared_from: None,
            },
            predictor: PredictorConfig::Attention { hidden, heads: 8, head_width: 64, mlp },
            intra_head: head(self.intra_proj_out_dim),
            inter_head: head(self.inter_proj_out_dim),
        }
    }
}

impl Optimizer {
    /// The constants of AdamW.
    pub(crate) fn config(&self) -> AdamWConfig {
        AdamWConfig { betas: self.betas, eps: self.eps, weight_decay: self.weight_decay }
    }
}

impl Schedule {
    /// The learning rate of `step`, counted from 0.
    pub(crate) fn learning_rate(&self, step: u64) -> f64 {
        let warmup = self.warmup_steps;
        if step < warmup {
            let part = step as f64 / warmup as f64;
            return self.start_lr + part * (self.ref_lr - self.start_lr);
        }
        let part = (step - warmup) as f64 / (self.total_steps - warmup).max(1) as f64;
        let falling = 0.5 * (1.0 + (std::f64::consts::PI * part).cos());
        self.final_lr + falling * (self.ref_lr - self.final_lr)
    }
}
