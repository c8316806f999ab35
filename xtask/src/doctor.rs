//! `doctor`: checks the environment and suggests fixes.

mod hardware;
mod libraries;
mod tools;

use anyhow::{Result, ensure};

use crate::args::Args;
use crate::output::{columns, green, outln, red, yellow};
use crate::workspace::Workspace;

pub(crate) const HELP: &str = "\
usage: cargo xtask doctor

Prints what this machine has beside what is expected, and for each problem the one command that
mends it. Ends with an error where something is missing without which nothing can be built.
";

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// As expected.
    Fine,
    /// Something can be done better, or later.
    Advice,
    /// Nothing can be built or run so.
    Missing,
}

/// One line of the table.
#[derive(Clone, Debug)]
struct Finding {
    what: &'static str,
    found: String,
    expected: String,
    verdict: Verdict,
    /// One command; empty where nothing is to be mended.
    mend: String,
}

impl Finding {
    fn fine(what: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Finding {
        let (found, expected) = (found.into(), expected.into());
        Finding { what, found, expected, verdict: Verdict::Fine, mend: String::new() }
    }

    /// The same with another verdict and what mends it.
    fn but(self, verdict: Verdict, mend: impl Into<String>) -> Finding {
        Finding { verdict, mend: mend.into(), ..self }
    }
}

/// `cargo xtask doctor`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    Args::new("doctor", arguments).finish()?;
    let mut findings = tools::findings(workspace)?;
    findings.extend(libraries::findings(workspace));
    findings.extend(hardware::findings(workspace));
    for line in table(&findings) {
        outln!("{line}");
    }
    conclude(&findings)
}

fn table(findings: &[Finding]) -> Vec<String> {
    let mut rows = vec![["", "", "found", "expected"].map(str::to_owned).to_vec()];
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Fine => green("ok"),
            Verdict::Advice => yellow("--"),
            Verdict::Missing => red("!!"),
        };
        let (found, expected) = (finding.found.clone(), finding.expected.clone());
        rows.push(vec![verdict, finding.what.to_owned(), found, expected]);
    }
    let mut lines = columns(&rows);
    for finding in findings.iter().filter(|finding| !finding.mend.is_empty()) {
        lines.push(format!("{}: {}", finding.what, finding.mend));
    }
    lines
}

fn conclude(findings: &[Finding]) -> Result<()> {
    let missing = findings.iter().filter(|finding| finding.verdict == Verdict::Missing);
    let names: Vec<&str> = missing.map(|finding| finding.what).collect();
    let missing = names.join(", ");
    ensure!(
        names.is_empty(),
        "needed, and missing or wrong: {missing}; the commands above mend it"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_does_not_fail_and_a_missing_part_does() {
        let advice = Finding::fine("ffmpeg", "none", "any").but(Verdict::Advice, "get ffmpeg");
        assert!(conclude(std::slice::from_ref(&advice)).is_ok());
        let missing = Finding::fine("libtorch", "none", "2.11").but(Verdict::Missing, "set up");
        let lines = table(std::slice::from_ref(&missing));
        assert!(lines[1].contains("none") && lines[1].contains("2.11"), "{lines:?}");
        assert_eq!(lines[2], "libtorch: set up");
        let error = conclude(&[advice, missing]).unwrap_err().to_string();
        assert!(error.contains("libtorch") && !error.contains("ffmpeg"), "{error}");
    }
}
