//! Retrieval and classification metrics from plain arrays.
