//! From a manifest to batches: decoding, filterbank, frames, sampler and loader.
