//! The crate from outside: real files in temporary folders, whole and broken.

mod corpus;
mod examples;
mod hostile;
mod loading;
mod manifests;
mod measuring;
