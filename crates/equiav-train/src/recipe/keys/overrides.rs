//! Changes of single recipe keys: `optimizer.lr=3e-4`.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use toml::{Table, Value};

use super::aliases;

/// One `KEY=VALUE` of the command line; the key is dotted, the value is TOML or a bare word.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    path: Vec<String>,
    /// What is put there; nothing takes the key out.
    value: Option<Value>,
}

impl FromStr for Override {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (key, value) = text
            .split_once('=')
            .with_context(|| format!("`{text}` is no KEY=VALUE, such as optimizer.lr=3e-4"))?;
        let path = path_of(key.trim());
        ensure!(path.iter().all(|part| !part.is_empty()), "`{key}` is no dotted key");
        Ok(Self { path, value: Some(parse(value.trim())) })
    }
}

impl Override {
    /// The path `value` under `key`, whatever its characters mean in TOML.
    pub fn text(key: &str, value: &Path) -> Self {
        let value = Value::String(value.to_string_lossy().into_owned());
        Self { path: path_of(key), value: Some(value) }
    }

    /// Takes `key` out.
    pub fn absent(key: &str) -> Self {
        Self { path: path_of(key), value: None }
    }

    /// Puts the value into `recipe`, making sections that are not there; or takes the key out.
    ///
    /// # Errors
    ///
    /// If a part of the key before the last one is not a section.
    pub fn apply(&self, recipe: &mut Table) -> anyhow::Result<()> {
        let Some((last, sections)) = self.path.split_last() else { bail!("an empty key") };
        let mut table = recipe;
        for name in sections {
            let inner = table.entry(name.clone()).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = inner else {
                bail!("--set {}: `{name}` is a value, not a section", self.path.join("."));
            };
            table = inner;
        }
        match &self.value {
            Some(value) => table.insert(last.clone(), value.clone()),
            None => table.remove(last),
        };
        Ok(())
    }
}

/// The parts of the dotted `key`, under its present name.
fn path_of(key: &str) -> Vec<String> {
    aliases::present(key).split('.').map(str::to_owned).collect()
}

/// Reads `text` as a TOML value, else as a string.
fn parse(text: &str) -> Value {
    let table: Result<Table, _> = toml::from_str(&format!("value = {text}"));
    let value = table.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(recipe: &str, change: &str) -> String {
        let mut table: Table = toml::from_str(recipe).unwrap();
        change.parse::<Override>().unwrap().apply(&mut table).unwrap();
        table.to_string()
    }

    #[test]
    fn values_keep_their_types() {
        assert_eq!(applied("", "a.b=1"), applied("a.b = 1", "a.b=1"));
        assert_eq!(applied("a = 1", "a=0.5"), "a = 0.5\n");
        assert_eq!(applied("", "a=cuda"), "a = \"cuda\"\n");
        assert_eq!(applied("", "a=[1, 2]"), "a = [1, 2]\n");
    }

    #[test]
    fn paths_stay_text_and_keys_can_be_taken_out() {
        let mut table: Table = toml::from_str("a.b = 1").unwrap();
        Override::text("a.c", Path::new("1")).apply(&mut table).unwrap();
        Override::absent("a.b").apply(&mut table).unwrap();
        assert_eq!(table.to_string(), "[a]\nc = \"1\"\n");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!("lr".parse::<Override>().is_err());
        assert!("a..b=1".parse::<Override>().is_err());
        let mut table: Table = toml::from_str("a = 1").unwrap();
        let error = "a.b=2".parse::<Override>().unwrap().apply(&mut table).unwrap_err();
        assert_eq!(error.to_string(), "--set a.b: `a` is a value, not a section");
    }
}
