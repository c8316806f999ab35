//! Recipes, the training step, runs, checkpoints and retrieval: where the other crates meet.
