//! What became of an import: loaded, missing, unexpected, wrong shape.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::ensure;

/// How many names of one sort are written out before the rest is counted.
const NAMES: usize = 8;

/// What became of every parameter of the model and of every tensor of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Parameters of the model that now hold the file's values.
    pub loaded: Vec<String>,
    /// Parameters of the model that the file does not have; they keep their values.
    pub missing: Vec<String>,
    /// Tensors of the file that belong nowhere in the model.
    pub unexpected: Vec<String>,
    /// Parameters of the model for which the file has another shape; they keep their values.
    pub wrong_shape: Vec<WrongShape>,
    /// Tensors of the file that are known and left out on purpose.
    pub unused: Vec<String>,
}

/// A parameter for which the file has another shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongShape {
    /// The parameter's name in the model.
    pub name: String,
    /// The shape in the file.
    pub found: Vec<i64>,
    /// The shape in the model.
    pub expected: Vec<i64>,
}

impl ImportReport {
    /// Checks that every patch embedding and every block of the model was loaded.
    ///
    /// # Errors
    ///
    /// If not; the message is the table of this report.
    pub fn ensure_covered(&self) -> anyhow::Result<()> {
        let bare = self.missing.iter().chain(self.wrong_shape.iter().map(|wrong| &wrong.name));
        let bare = bare.filter(|name| is_backbone(name)).count();
        let covered = self.loaded.iter().filter(|name| is_backbone(name)).count();
        ensure!(
            bare == 0 && covered > 0,
            "the file covers {covered} of the encoders' {} parameters, nothing was loaded\n{self}",
            covered + bare
        );
        Ok(())
    }

    /// Counts of the five sorts by the first part of the name.
    fn rows(&self) -> BTreeMap<&str, [usize; 5]> {
        let mut rows = BTreeMap::new();
        let wrong: Vec<&String> = self.wrong_shape.iter().map(|wrong| &wrong.name).collect();
        let columns = [
            self.loaded.iter().collect(),
            self.missing.iter().collect(),
            self.unexpected.iter().collect(),
            wrong,
            self.unused.iter().collect(),
        ];
        for (column, names) in columns.into_iter().enumerate() {
            for name in names {
                let part = name.split('.').next().unwrap_or(name);
                rows.entry(part).or_insert([0; 5])[column] += 1;
            }
        }
        rows
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let width = rows.keys().map(|part| part.len()).max().unwrap_or(0).max("total".len());
        writeln!(
            f,
            "{:width$}  {:>7}  {:>7}  {:>10}  {:>11}  {:>6}",
            "part", "loaded", "missing", "unexpected", "wrong shape", "unused"
        )?;
        let sum = |column: usize| rows.values().map(|row| row[column]).sum();
        let total = [0, 1, 2, 3, 4].map(sum);
        for (part, row) in rows.iter().map(|(part, row)| (*part, row)).chain([("total", &total)]) {
            let [loaded, missing, unexpected, wrong, unused] = row;
            writeln!(
                f,
                "{part:width$}  {loaded:>7}  {missing:>7}  {unexpected:>10}  {wrong:>11}  {unused:>6}"
            )?;
        }
        for wrong in self.wrong_shape.iter().take(NAMES) {
            let WrongShape { name, found, expected } = wrong;
            writeln!(f, "wrong shape: {name} is {found:?} in the file, {expected:?} in the model")?;
        }
        list(f, "missing", &self.missing)?;
        list(f, "unexpected", &self.unexpected)
    }
}

fn list(f: &mut fmt::Formatter<'_>, sort: &str, names: &[String]) -> fmt::Result {
    let Some((shown, rest)) = names.split_at_checked(names.len().min(NAMES)) else { return Ok(()) };
    if shown.is_empty() {
        return Ok(());
    }
    write!(f, "{sort}: {}", shown.join(", "))?;
    if !rest.is_empty() {
        write!(f, " and {} more", rest.len())?;
    }
    writeln!(f)
}

/// Whether a parameter belongs to the part of an encoder that cannot be left to chance.
fn is_backbone(name: &str) -> bool {
    name.starts_with("blocks_") || name.starts_with("patch_embed_")
}
