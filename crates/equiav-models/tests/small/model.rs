//! A small branch and small views for tests.
#![allow(dead_code)] // Each test file uses its part.

use equiav_models::{
    AugmentedPositives, BranchConfig, BranchInput, EncoderConfig, HeadConfig, InputConfig,
    MlpConfig, PoolConfig, PredictorConfig,
};
use tch::{Device, Kind, Tensor};

pub(crate) const MLP: MlpConfig = MlpConfig::Gelu { ratio: 2 };

pub(crate) const ATTENTION: PredictorConfig =
    PredictorConfig::Attention { hidden: 6, heads: 2, head_width: 5, mlp: MLP };

pub(crate) const PREDICTORS: [PredictorConfig; 3] =
    [ATTENTION, PredictorConfig::Linear, PredictorConfig::Hypernetwork { hidden: 6, rank: 2 }];

/// A branch of width 8 on inputs of 8 x 12 with patches of 4, and vectors of 7 numbers.
pub(crate) fn branch(suffix: &str, predictor: PredictorConfig) -> BranchConfig {
    BranchConfig {
        suffix: suffix.to_owned(),
        input: InputConfig { height: 8, width: 12 },
        vector: 7,
        encoder: EncoderConfig {
            width: 8,
            depth: 2,
            heads: 2,
            patch: 4,
            mlp: MLP,
            mask_padding: false,
            pool: PoolConfig::Mean,
            shared_from: None,
        },
        predictor,
        intra_head: HeadConfig::projector(9, 5),
        inter_head: HeadConfig::projector(10, 4),
        augmented_positives: AugmentedPositives::None,
        aggregate: PoolConfig::Mean,
        zero_init_predictor: false,
        readout: None,
    }
}

pub(crate) fn random(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

/// BranchInput of `b` clips for [`branch`], with `s` sampled vectors each.
pub(crate) fn views(b: i64, s: i64) -> BranchInput {
    BranchInput {
        plain: random(&[b, 3, 8, 12]),
        augmented: random(&[b, 3, 8, 12]),
        vectors: random(&[b, 7]),
        centroid: random(&[b, s, 7]),
        material: None,
    }
}

/// Fails unless the tensors differ by at most 1e-5: the order of a sum is all that may differ.
#[track_caller]
pub(crate) fn assert_close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.size(), b.size());
    let largest = (a - b).abs().max().double_value(&[]);
    assert!(largest <= 1e-5, "the tensors differ by {largest}");
}

/// Gives the variables of `to` the values that those of the same names have in `from`. Seeds do not: tests of one process draw from
/// one generator.
#[allow(dead_code, reason = "not every program of tests compares two networks")]
pub(crate) fn copy_common(from: &tch::nn::VarStore, to: &tch::nn::VarStore) {
    let values = from.variables();
    for (name, mut variable) in to.variables() {
        tch::no_grad(|| variable.copy_(&values[&name]));
    }
}
