//! Corpora that a user need not own: a procedural one and the real stamps.
