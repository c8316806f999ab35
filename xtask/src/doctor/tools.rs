//! Programs: Rust, the C++ compiler, Python, and those that later parts can use.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::Finding;
use super::Verdict::{Advice, Missing};
use crate::setup::{ffmpeg, libtorch, python};
use crate::workspace::Workspace;
use crate::{jpeg, process};

pub(super) fn findings(workspace: &Workspace) -> Result<Vec<Finding>> {
    let manifest = workspace.read("Cargo.toml")?;
    let wanted = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let wanted = wanted.unwrap_or_default().trim_matches('"').to_owned();
    let has_libtorch = libtorch::inspect(&workspace.link()).is_ok();
    Ok(vec![
        rust(&wanted),
        component("rustfmt", "fmt"),
        component("clippy", "clippy"),
        compiler(),
        python(has_libtorch),
        optional(
            "git",
            &["git", "--version"],
            "lists files for `cargo xtask tidy`",
            install("git"),
        ),
        video(),
        pictures(&jpeg::tools()),
    ])
}

fn rust(wanted: &str) -> Finding {
    let line = process::first_line("rustc", &["--version"]).unwrap_or_default();
    let found = line.split_whitespace().nth(1).unwrap_or("none").to_owned();
    let finding = Finding::fine("rust", found.clone(), format!("{wanted} or later"));
    let is_old = numbers(&found) < numbers(wanted);
    if is_old { finding.but(Missing, "rustup update stable") } else { finding }
}

fn numbers(version: &str) -> Vec<u32> {
    version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}

/// A program that some commands need; without it, `mend` brings it.
fn optional(what: &'static str, command: &[&str], expected: &str, mend: String) -> Finding {
    match process::first_line(command[0], &command[1..]) {
        Some(line) => Finding::fine(what, short(&line), expected),
        None => Finding::fine(what, "none", expected).but(Advice, mend),
    }
}

fn component(what: &'static str, command: &str) -> Finding {
    let mend = format!("rustup component add {what}");
    optional(what, &["cargo", command, "--version"], "any: for `cargo xtask check`", mend)
}

/// The compiler that the build scripts will call, tried out on what libtorch's headers need.
fn compiler() -> Finding {
    let program = std::env::var("CXX").ok().filter(|name| !name.is_empty());
    let program = program.unwrap_or_else(|| "c++".to_owned());
    let expected = "one that compiles C++17";
    let Some(line) = process::first_line(&program, &["--version"]) else {
        return Finding::fine("c++", "none", expected).but(Missing, install("g++"));
    };
    let finding = Finding::fine("c++", line, expected);
    if compiles_cpp17(&program) { finding } else { finding.but(Missing, install("g++")) }
}

fn compiles_cpp17(program: &str) -> bool {
    let source = b"#include <optional>\n#include <string_view>\n\
                   int main() { if (std::optional<std::string_view> x; x) return 1; return 0; }\n";
    let mut command = Command::new(program);
    command.args(["-std=c++17", "-fsyntax-only", "-x", "c++", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let written = child.stdin.take().is_some_and(|mut input| input.write_all(source).is_ok());
    child.wait().is_ok_and(|status| status.success()) && written
}

/// Python is needed to fetch libtorch; once that is there it is not.
fn python(has_libtorch: bool) -> Finding {
    let (major, minor) = python::OLDEST_PIP;
    let expected = format!("python 3.8, pip {major}.{minor} or later: fetches libtorch");
    let found = python::version();
    let shown = found.as_ref().map_or("none".to_owned(), |version| format!("python {version}"));
    let verdict = if has_libtorch { Advice } else { Missing };
    if found.as_deref().is_none_or(|version| numbers(version) < vec![3, 8]) {
        return Finding::fine("python3", shown, expected).but(verdict, python::install_python());
    }
    match python::pip() {
        Ok(pip) => Finding::fine("python3", format!("{shown}, pip {pip}"), expected),
        Err(why) => {
            Finding::fine("python3", shown, expected).but(verdict, command_in(&why.to_string()))
        }
    }
}

/// The command between backticks that a message ends in.
fn command_in(message: &str) -> String {
    message.split('`').nth(1).unwrap_or(message).to_owned()
}

/// FFmpeg: the machine's own or the one that xtask fetches.
fn video() -> Finding {
    let expected = "optional: for videos";
    match ffmpeg::find() {
        Some(line) => Finding::fine("ffmpeg", line, expected),
        None => Finding::fine("ffmpeg", "none", expected).but(Advice, "cargo xtask ffmpeg"),
    }
}

/// The decoder of jpgs that optimized builds get, and what would make it the better one.
fn pictures(tools: &[(&'static str, Option<String>)]) -> Finding {
    let expected = "optional: cmake and nasm, for libjpeg-turbo: exact and faster";
    let missing = jpeg::missing(tools);
    if missing.is_empty() {
        let versions = tools.iter().filter_map(|(_, line)| line.as_deref().map(short));
        let versions: Vec<String> = versions.collect();
        let found = format!("libjpeg-turbo, built with {}", versions.join(", "));
        return Finding::fine("jpg decoder", found, expected);
    }
    let found = format!("zune-jpeg, rarely more than 4 levels off: no {}", missing.join(", no "));
    Finding::fine("jpg decoder", found, expected).but(Advice, install(&missing.join(" ")))
}

/// The line without the years of its copyright or the day it was compiled.
fn short(line: &str) -> String {
    let rest = line.split(" Copyright").next().unwrap_or(line);
    rest.split(" compiled on").next().unwrap_or(rest).to_owned()
}

/// The command that installs a package on this system.
fn install(package: &str) -> String {
    if cfg!(target_os = "macos") && package == "g++" {
        return "xcode-select --install".to_owned();
    }
    let managers = [
        ("apt-get", "sudo apt-get install", "g++"),
        ("dnf", "sudo dnf install", "gcc-c++"),
        ("pacman", "sudo pacman -S", "gcc"),
        ("zypper", "sudo zypper install", "gcc-c++"),
        ("brew", "brew install", "g++"),
    ];
    let is_there = |program: &str| process::first_line(program, &["--version"]).is_some();
    match managers.into_iter().find(|(program, ..)| is_there(program)) {
        Some((_, install, compiler)) if package == "g++" => format!("{install} {compiler}"),
        Some((_, install, _)) => format!("{install} {package}"),
        None => format!("install {package} with the system's package manager"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(numbers("1.9.0") < numbers("1.90"));
        assert!(numbers("1.95.0-nightly") > numbers("1.90"));
        assert!(numbers("none") < numbers("1.90"));
    }

    #[test]
    fn an_old_rust_is_found() {
        assert_eq!(rust("999.0").verdict, Missing);
        assert_eq!(rust("1.0").verdict, Verdict::Fine);
    }

    #[test]
    fn a_compiler_that_is_none_is_found() {
        assert!(!compiles_cpp17("false"));
        assert!(!compiles_cpp17("no-such-compiler"));
    }

    #[test]
    fn the_decoder_and_what_it_lacks_are_named() {
        let cmake = ("cmake", Some("cmake version 3.25.1".to_owned()));
        let nasm = ("nasm", Some("NASM version 2.16.01 compiled on Oct  4".to_owned()));
        let finding = pictures(&[cmake.clone(), nasm]);
        assert_eq!(finding.verdict, Verdict::Fine);
        assert_eq!(
            finding.found,
            "libjpeg-turbo, built with cmake version 3.25.1, NASM version 2.16.01"
        );
        let finding = pictures(&[cmake, ("nasm", None)]);
        assert_eq!(finding.verdict, Advice);
        assert_eq!(finding.found, "zune-jpeg, rarely more than 4 levels off: no nasm");
        assert!(finding.mend.contains("nasm") && !finding.mend.contains("cmake"));
    }

    #[test]
    fn the_command_is_taken_out_of_a_message() {
        assert_eq!(command_in("python3 has no pip: install it with `apt x`"), "apt x");
    }
}
