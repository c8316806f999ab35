//! Set-up, checks and the commands of a working day.

fn main() {}
