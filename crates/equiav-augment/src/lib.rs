//! Augmentations of sound and picture with the parameter vectors that feed the predictor.
