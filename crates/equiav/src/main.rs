//! The command line of EquiAV.

fn main() {}
