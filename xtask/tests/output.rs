//! Output that nobody reads, or that finds no room, ends a command without a panic.

use std::fs::File;
use std::io;
use std::process::{Command, Output};

fn told(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_is_printed_meets_closed_and_full_streams() {
    for arguments in [&["help"][..], &["help", "check"], &["tidy", "--help"], &["test", "-h"], &[]]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let (code, errors) = told(&command.args(arguments).stdout(writer).output().expect("over"));
        assert_eq!((code, errors.as_str()), (Some(141), ""), "{arguments:?}");
        let full = File::options().write(true).open("/dev/full").expect("a device that is full");
        let (code, errors) = told(&command.stdout(full).output().expect("over"));
        let expected = "error: standard output: No space left on device (os error 28)\n";
        assert_eq!((code, errors.as_str()), (Some(1), expected), "{arguments:?}");
    }
    let full = File::options().write(true).open("/dev/full").expect("a device that is full");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let status = command.arg("pirouette").stderr(full).status().expect("over");
    assert_eq!(status.code(), Some(1), "an error that cannot be told");
}
