//! The crate from outside: real files in temporary folders, whole and broken.

mod compressed;
mod corpus;
mod examples;
mod foreign;
mod foreign_tars;
mod hostile;
mod jpegs;
mod labeled;
mod limits;
mod loading;
mod manifests;
mod measuring;
mod overlap;
mod pictures;
mod shards;
mod sounds;
mod streaming;
mod tars;
