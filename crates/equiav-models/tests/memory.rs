//! What checkpointed blocks save. A process of its own, since it is the whole process whose memory is
//! measured.
#![cfg(target_os = "linux")]

#[path = "small/model.rs"]
mod small;

use equiav_models::{EncoderConfig, InputConfig, PoolConfig, ViewKind};
use equiav_torch::{checkpoint, peak_resident};
use tch::{Device, Kind, nn};

const MEBIBYTE: u64 = 1 << 20;

#[test]
fn checkpointed_blocks_remember_little_more_than_their_inputs() {
    // One thread: on a busy machine two wait for one another at every small operation.
    tch::set_num_threads(1);
    let encoder = EncoderConfig {
        width: 64,
        depth: 8,
        heads: 2,
        patch: 4,
        mlp: small::MLP,
        mask_padding: false,
        pool: PoolConfig::Mean,
        shared_from: None,
    };
    let store = nn::VarStore::new(Device::Cpu);
    let mut encoder = encoder.build(&store.root(), "a", InputConfig { height: 64, width: 64 });
    let mut growth = |clips: i64, checkpointed: bool| {
        let input = small::random(&[clips, 3, 64, 64]);
        encoder.checkpoint_blocks(checkpointed.then_some(checkpoint));
        let before = peak_resident().expect("Linux tells");
        encoder.forward(&input, ViewKind::Plain).square().mean(Kind::Float).backward();
        (peak_resident().expect("Linux tells") - before) / MEBIBYTE
    };
    growth(1, true); // libtorch's own code and buffers
    // The peak never falls, so the smaller one comes first.
    let checkpointed = growth(12, true);
    let plain = checkpointed + growth(12, false);
    assert!(checkpointed * 2 < plain, "{checkpointed} MiB, {plain} without");
}
