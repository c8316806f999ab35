//! Criterion benches of every stage; see the `benches` folder.
