//! What a check of the tree finds: a place and what is wrong there.

use std::fmt;
use std::io::{Write as _, stdout};

use anyhow::{Result, ensure};

/// One thing to mend.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Problem {
    /// Relative to the repository.
    pub(crate) path: String,
    /// Counted from 1; 0 where the whole file is meant.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(path: &str, line: usize, message: impl Into<String>) -> Problem {
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

/// Prints `problems` and returns an error that counts them; prints `fine` where there are none.
pub(crate) fn report(what: &str, fine: &str, mut problems: Vec<Problem>) -> Result<()> {
    let mut out = stdout().lock();
    problems.sort();
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    let plural = if problems.len() == 1 { "" } else { "s" };
    ensure!(problems.is_empty(), "{what}: {} problem{plural}, printed above", problems.len());
    writeln!(out, "{what}: {fine}")?;
    Ok(out.flush()?)
}
