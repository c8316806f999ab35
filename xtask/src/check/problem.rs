//! What a check of the tree finds: a place and what is wrong there.

use std::fmt;

use anyhow::{Result, ensure};

use crate::output::outln;

/// One thing to mend.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Problem {
    /// Relative to the repository.
    pub(super) path: String,
    /// Counted from 1; 0 where the whole file is meant.
    pub(super) line: usize,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(path: &str, line: usize, message: impl Into<String>) -> Problem {
        Problem { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Prints `problems`; an error that counts them unless there are none.
pub(super) fn report(what: &str, mut problems: Vec<Problem>) -> Result<()> {
    problems.sort();
    for problem in &problems {
        outln!("{problem}");
    }
    let plural = if problems.len() == 1 { "" } else { "s" };
    ensure!(problems.is_empty(), "{what}: {} problem{plural}, printed above", problems.len());
    Ok(())
}
