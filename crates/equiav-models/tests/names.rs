//! The checkpoint format: every parameter's name and shape.

#[path = "small/model.rs"]
mod small;

use std::collections::BTreeMap;
use std::fmt::Write;

use equiav_models::{MlpConfig, PredictorConfig};
use expect_test::{Expect, expect};
use tch::{Device, nn};

fn check(predictor: PredictorConfig, part: &[&str], expected: Expect) {
    let store = nn::VarStore::new(Device::Cpu);
    drop(small::branch("a", predictor).build(&store.root()));
    let named: BTreeMap<_, _> = store.variables().into_iter().collect();
    let mut lines = String::new();
    for (name, tensor) in named {
        if part.iter().any(|start| name.starts_with(start)) {
            writeln!(lines, "{name} {:?}", tensor.size()).expect("a string takes everything");
        }
    }
    expected.assert_eq(&lines);
}

#[test]
fn the_branch_of_the_paper_has_the_published_names() {
    check(
        small::ATTENTION,
        &[""],
        expect![[r#"
        aug_encoder_a.0.bias [6]
        aug_encoder_a.0.weight [6, 7]
        aug_encoder_a.2.bias [6]
        aug_encoder_a.2.weight [6, 6]
        aug_encoder_a.4.bias [6]
        aug_encoder_a.4.weight [6, 6]
        blocks_a.0.attn.proj.bias [8]
        blocks_a.0.attn.proj.weight [8, 8]
        blocks_a.0.attn.qkv.bias [24]
        blocks_a.0.attn.qkv.weight [24, 8]
        blocks_a.0.mlp.fc1.bias [16]
        blocks_a.0.mlp.fc1.weight [16, 8]
        blocks_a.0.mlp.fc2.bias [8]
        blocks_a.0.mlp.fc2.weight [8, 16]
        blocks_a.0.norm1.bias [8]
        blocks_a.0.norm1.weight [8]
        blocks_a.0.norm2.bias [8]
        blocks_a.0.norm2.weight [8]
        blocks_a.1.attn.proj.bias [8]
        blocks_a.1.attn.proj.weight [8, 8]
        blocks_a.1.attn.qkv.bias [24]
        blocks_a.1.attn.qkv.weight [24, 8]
        blocks_a.1.mlp.fc1.bias [16]
        blocks_a.1.mlp.fc1.weight [16, 8]
        blocks_a.1.mlp.fc2.bias [8]
        blocks_a.1.mlp.fc2.weight [8, 16]
        blocks_a.1.norm1.bias [8]
        blocks_a.1.norm1.weight [8]
        blocks_a.1.norm2.bias [8]
        blocks_a.1.norm2.weight [8]
        cross_attn_a.attn.to_k.bias [10]
        cross_attn_a.attn.to_k.weight [10, 8]
        cross_attn_a.attn.to_out.weight [8, 10]
        cross_attn_a.attn.to_q.bias [10]
        cross_attn_a.attn.to_q.weight [10, 6]
        cross_attn_a.attn.to_v.bias [10]
        cross_attn_a.attn.to_v.weight [10, 8]
        cross_attn_a.mlp.fc1.bias [16]
        cross_attn_a.mlp.fc1.weight [16, 8]
        cross_attn_a.mlp.fc2.bias [8]
        cross_attn_a.mlp.fc2.weight [8, 16]
        cross_attn_a.norm.bias [8]
        cross_attn_a.norm.weight [8]
        cross_attn_a.norm_aug.bias [6]
        cross_attn_a.norm_aug.weight [6]
        modality_a [1, 1, 8]
        norm_a.bias [8]
        norm_a.weight [8]
        norm_a_aug.bias [8]
        norm_a_aug.weight [8]
        patch_embed_a.proj.bias [8]
        patch_embed_a.proj.weight [8, 3, 4, 4]
        pos_embed_a [1, 6, 8]
        pred_a_inter.fc1.bias [10]
        pred_a_inter.fc1.weight [10, 8]
        pred_a_inter.fc2.bias [10]
        pred_a_inter.fc2.weight [10, 10]
        pred_a_inter.fc3.bias [4]
        pred_a_inter.fc3.weight [4, 10]
        pred_a_inter.norm1.bias [10]
        pred_a_inter.norm1.weight [10]
        pred_a_inter.norm2.bias [10]
        pred_a_inter.norm2.weight [10]
        pred_a_inter.norm3.bias [4]
        pred_a_inter.norm3.weight [4]
        pred_a_intra.fc1.bias [9]
        pred_a_intra.fc1.weight [9, 8]
        pred_a_intra.fc2.bias [9]
        pred_a_intra.fc2.weight [9, 9]
        pred_a_intra.fc3.bias [5]
        pred_a_intra.fc3.weight [5, 9]
        pred_a_intra.norm1.bias [9]
        pred_a_intra.norm1.weight [9]
        pred_a_intra.norm2.bias [9]
        pred_a_intra.norm2.weight [9]
        pred_a_intra.norm3.bias [5]
        pred_a_intra.norm3.weight [5]
    "#]],
    );
}

#[test]
fn the_other_predictors_have_names_of_their_own() {
    let part = ["linear_pred", "hyper_pred", "aug_encoder", "cross_attn"];
    check(
        PredictorConfig::Linear,
        &part,
        expect![[r#"
        linear_pred_a.bias [8]
        linear_pred_a.weight [8, 15]
    "#]],
    );
    check(
        PredictorConfig::Hypernetwork { hidden: 6, rank: 2 },
        &part,
        expect![[r#"
        aug_encoder_a.0.bias [6]
        aug_encoder_a.0.weight [6, 7]
        aug_encoder_a.2.bias [6]
        aug_encoder_a.2.weight [6, 6]
        aug_encoder_a.4.bias [6]
        aug_encoder_a.4.weight [6, 6]
        hyper_pred_a.bias [40]
        hyper_pred_a.weight [40, 6]
    "#]],
    );
}

#[test]
fn another_feed_forward_network_has_other_names() {
    let mlp = MlpConfig::SwiGlu { ratio: 2 };
    let predictor = PredictorConfig::Attention { hidden: 6, heads: 2, head_width: 5, mlp };
    check(
        predictor,
        &["cross_attn_a.mlp"],
        expect![[r#"
        cross_attn_a.mlp.down.bias [8]
        cross_attn_a.mlp.down.weight [8, 16]
        cross_attn_a.mlp.gate.bias [16]
        cross_attn_a.mlp.gate.weight [16, 8]
        cross_attn_a.mlp.up.bias [16]
        cross_attn_a.mlp.up.weight [16, 8]
    "#]],
    );
}
