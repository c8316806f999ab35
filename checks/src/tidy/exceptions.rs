//! What the rules of `tidy` pass over: lists that only get shorter.

use std::collections::BTreeSet;

use crate::problem::Problem;

/// Files that may be longer: none, since cutting one has always helped its reader.
pub(super) const LONG: &[&str] = &[];

/// Levels with more modules, until they are moved into rooms.
pub(super) const WIDE: &[&str] = &[];

/// Names that several public types have, until each idea has its own.
pub(super) const TWICE: &[&str] = &[];

/// Identifiers in British spelling, until they are renamed.
pub(super) const BRITISH: &[&str] = &[];

/// The problem of every exception in `allowed` that `found` has no use for.
pub(super) fn unused(allowed: &[&str], found: &BTreeSet<&str>) -> Vec<Problem> {
    let stale = allowed.iter().filter(|name| !found.contains(*name));
    let problem = |name: &&str| {
        let message = format!("`{name}` no longer needs its exception: remove it");
        Problem::new("checks/src/tidy/exceptions.rs", 0, message)
    };
    stale.map(problem).collect()
}
