//! Says that a test has nothing to test on this machine; tests of other crates take this file in by its path.

use std::io::Write;

/// Names a file to which tests add what they have skipped, a line each.
const LIST: &str = "EQUIAV_SKIPPED_TESTS";

/// Says that `test` is skipped, and why, in one line.
#[allow(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
pub(crate) fn skipped(test: &str, reason: &str) {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = format!("skipped: {test}: {reason}");
    eprintln!("{line}");
    let Some(list) = std::env::var_os(LIST) else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&list);
    // One write, so that lines of tests that run at once do not mix.
    let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", list.display()));
}
