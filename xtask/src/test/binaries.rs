//! The test programs that cargo has built.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use tinyjson::JsonValue;

use crate::process;
use crate::workspace::Workspace;

/// One of them.
#[derive(Debug, PartialEq)]
pub(crate) struct Binary {
    /// Its target, such as `gradients`, or the crate's own name for the tests inside of it.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    /// The crate's folder, in which cargo starts it.
    folder: PathBuf,
}

impl Binary {
    /// The program, started as cargo starts it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder);
        command
    }

    /// The crate's name, which is its folder's.
    pub(crate) fn package(&self) -> &str {
        self.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }
}

/// Those of the packages that `selection`, options of `cargo test`, picks; built where they are not.
pub(crate) fn built(workspace: &Workspace, selection: &[&str]) -> Result<Vec<Binary>> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--no-run", "--message-format", "json-render-diagnostics"]).args(selection);
    let text = process::capture(cargo.stderr(Stdio::inherit()))?;
    let binaries: Vec<Binary> = text.lines().filter_map(binary).collect();
    ensure!(!binaries.is_empty(), "cargo named no test programs");
    Ok(binaries)
}

/// The test program that a line of cargo's tells of, if it does.
fn binary(line: &str) -> Option<Binary> {
    let json: JsonValue = line.parse().ok()?;
    (string(&json, "reason")? == "compiler-artifact").then_some(())?;
    let is_test = *field(field(&json, "profile")?, "test")?.get::<bool>()?;
    is_test.then_some(())?;
    Some(Binary {
        name: string(field(&json, "target")?, "name")?,
        program: PathBuf::from(string(&json, "executable")?),
        folder: Path::new(&string(&json, "manifest_path")?).parent()?.to_owned(),
    })
}

/// A field of an object.
fn field<'a>(json: &'a JsonValue, name: &str) -> Option<&'a JsonValue> {
    json.get::<HashMap<String, JsonValue>>()?.get(name)
}

/// A field that is text.
fn string(json: &JsonValue, name: &str) -> Option<String> {
    field(json, name)?.get::<String>().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_told_from_what_else_is_built() {
        let line = |test: bool, executable: &str| {
            format!(
                r#"{{"reason": "compiler-artifact", "manifest_path": "/w/crates/equiav-loss/Cargo.toml",
                "target": {{"name": "memory", "kind": ["test"]}}, "profile": {{"test": {test}}},
                "executable": {executable}}}"#
            )
            .replace('\n', " ")
        };
        let found = binary(&line(true, r#""/t/memory-12""#)).unwrap();
        assert_eq!((found.package(), found.name.as_str()), ("equiav-loss", "memory"));
        assert_eq!(found.program, Path::new("/t/memory-12"));
        assert_eq!(binary(&line(false, r#""/t/equiav""#)), None);
        assert_eq!(binary(&line(true, "null")), None);
        assert_eq!(binary(r#"{"reason": "build-finished", "success": true}"#), None);
        assert_eq!(binary("warning: something"), None);
    }
}
