//! What a trainer may do to a branch: narrow it, and compute its blocks twice.

#[path = "small/model.rs"]
mod small;

use equiav_models::{Branch, BranchInput, Embeddings, Inter, Intra, ViewKind};
use equiav_torch::{AutocastKind, autocast, checkpoint};
use small::views;
use tch::{Device, Kind, Tensor, nn};

fn forward(branch: &Branch, views: &BranchInput) -> Embeddings {
    branch.forward(views, Intra::Equivariant, Inter::Centroid)
}

/// The three embeddings side by side, `[b, 5 + 5 + 4]`.
fn all(embeddings: &Embeddings) -> Tensor {
    let pair = embeddings.intra.as_ref().expect("an intra-modal pair");
    Tensor::cat(&[&pair.predicted, &pair.augmented, &embeddings.inter], 1)
}

/// Drops the gradients of `store` and gives those of `loss`, by name.
fn gradients(store: &nn::VarStore, loss: &Tensor) -> Vec<(String, Tensor)> {
    let mut variables: Vec<_> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, variable) in &mut variables {
        variable.zero_grad();
    }
    loss.backward();
    let trained = variables.into_iter().filter(|(_, variable)| variable.requires_grad());
    trained.map(|(name, variable)| (name, variable.grad().copy())).collect()
}

#[test]
fn checkpointed_blocks_give_the_same_to_the_bit_under_the_same_names() {
    for predictor in small::PREDICTORS {
        let store = nn::VarStore::new(Device::Cpu);
        let mut branch = small::branch("a", predictor).build(&store.root());
        let (names, views) = (store.variables().len(), views(3, 4));
        let plain = all(&forward(&branch, &views));
        let plain_gradients = gradients(&store, &plain.square().sum(Kind::Float));
        branch.checkpoint_blocks(Some(checkpoint)).expect("blocks");
        let ours = all(&forward(&branch, &views));
        assert_eq!(ours, plain);
        assert_eq!(gradients(&store, &ours.square().sum(Kind::Float)), plain_gradients);
        assert_eq!(store.variables().len(), names);

        branch.checkpoint_blocks(None).expect("blocks");
        let again = all(&forward(&branch, &views));
        assert_eq!(gradients(&store, &again.square().sum(Kind::Float)), plain_gradients);
    }
}

#[test]
fn every_block_goes_through_the_given_function() {
    use std::sync::atomic::{AtomicI64, Ordering};
    static BLOCKS: AtomicI64 = AtomicI64::new(0);
    let store = nn::VarStore::new(Device::Cpu);
    let config = small::branch("a", small::ATTENTION);
    let mut branch = config.build(&store.root());
    branch
        .checkpoint_blocks(Some(|tokens, segment| {
            BLOCKS.fetch_add(1, Ordering::SeqCst);
            segment(tokens)
        }))
        .expect("blocks");
    forward(&branch, &views(2, 1));
    assert_eq!(BLOCKS.load(Ordering::SeqCst), config.encoder.depth, "one pass for both views");
}

#[test]
fn a_narrowed_branch_stays_close_and_keeps_its_stream_in_32_bits() {
    for (kind, tolerance) in [(AutocastKind::BFloat16, 0.3), (AutocastKind::Half, 0.06)] {
        for predictor in small::PREDICTORS {
            for checkpointed in [false, true] {
                let store = nn::VarStore::new(Device::Cpu);
                let mut branch = small::branch("a", predictor.clone()).build(&store.root());
                branch.checkpoint_blocks(checkpointed.then_some(checkpoint)).expect("blocks");
                let views = views(3, 4);
                let exact = all(&forward(&branch, &views));
                let (tokens, ours) = autocast(Device::Cpu, kind, || {
                    (branch.encode(&views.plain, ViewKind::Plain), all(&forward(&branch, &views)))
                });
                assert_eq!((tokens.kind(), ours.kind()), (Kind::Float, Kind::Float));
                let error = (&ours - &exact).abs().max().double_value(&[]);
                assert!(error > 0.0 && error < tolerance, "{kind:?} {predictor:?}: {error}");

                let exact = gradients(&store, &exact.square().sum(Kind::Float));
                let ours = gradients(&store, &ours.square().sum(Kind::Float));
                for ((name, ours), (_, exact)) in ours.iter().zip(&exact) {
                    assert_eq!(ours.kind(), Kind::Float, "{name}");
                    let error = (ours - exact).norm() / exact.norm().clamp_min(0.1);
                    assert!(error.double_value(&[]) < 0.3, "{kind:?} {name}: {error:?}");
                }
            }
        }
    }
}
