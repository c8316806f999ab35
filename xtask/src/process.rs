//! Other programs: started, waited for, and their failure in one line.

use std::process::{Command, Stdio};

/// Runs `command` with its output on ours.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    let status = command.status().map_err(|e| format!("cannot start `{shown}`: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})")) }
}

/// Runs `command` and returns what it printed; an error carries the end of its error output.
pub(crate) fn capture(command: &mut Command) -> Result<String, String> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start `{shown}`: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or("it said nothing");
    Err(format!("`{shown}` failed ({}): {last}", output.status))
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
    fn a_failure_carries_the_last_line_of_error_output() {
        let message = capture(Command::new("sh").args(["-c", "echo first; echo why >&2; exit 3"]));
        let message = message.unwrap_err();
        assert!(message.contains("why") && message.contains('3'), "{message}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let message = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(message.starts_with("cannot start `no-such-program-here`"), "{message}");
    }
}
