//! Other programs: started, waited for, and their failure in one line.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs `command` with its output on ours.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", show(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", show(command));
    }
    Ok(())
}

/// Runs `command` and returns what it printed; an error carries the last line of its error output.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start `{}`", show(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("it said nothing");
        bail!("`{}` failed ({}): {last}", show(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first line that `program args` prints, if it can be run at all.
pub(crate) fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let text = capture(Command::new(program).args(args)).ok()?;
    text.lines().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
}

/// `command` as one would type it; long arguments (scripts) are cut.
fn show(command: &Command) -> String {
    let name = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    let program = name(command.get_program());
    let mut words = vec![program.rsplit('/').next().unwrap_or(&program).to_owned()];
    for arg in command.get_args().map(name) {
        let is_script = arg.contains('\n') || arg.len() > 200;
        words.push(if is_script { "...".to_owned() } else { arg });
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_in_one_line() {
        let script = "echo first; echo why >&2; exit 3";
        let error = capture(Command::new("sh").args(["-c", script])).unwrap_err().to_string();
        assert!(error.ends_with("failed (exit status: 3): why"), "{error}");
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `no-such-program-here`");
    }
}
