//! What a check of the tree finds: a place and what is wrong there.

use std::fmt;

use crate::output::outln;

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

/// Prints `problems`; an error that counts them unless there are none.
pub(crate) fn report(what: &str, mut problems: Vec<Problem>) -> Result<(), String> {
    problems.sort();
    for problem in &problems {
        outln!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err(format!("{what}: 1 problem, printed above")),
        n => Err(format!("{what}: {n} problems, printed above")),
    }
}
