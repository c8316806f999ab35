//! The label table of CAV-MAE: `index,mid,display_name`, one class a line.

use std::collections::HashMap;
use std::path::Path;

use crate::error::DataError;
use crate::io::atomic::atomic_write;
use crate::manifest::table::{self, Row};
use crate::manifest::text::text;

/// The columns of a table.
const COLUMNS: [&str; 3] = ["index", "mid", "display_name"];

/// One class.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Its machine name, as manifests give it.
    pub mid: String,
    /// Its name for people.
    pub name: String,
}

/// All classes, by index.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    labels: Vec<Label>,
    indices: HashMap<String, usize>,
}

impl Labels {
    /// A table of `labels` in the order of their indices.
    ///
    /// # Panics
    ///
    /// If a machine name comes twice.
    #[track_caller]
    pub fn new(labels: Vec<Label>) -> Self {
        let indices: HashMap<String, usize> =
            labels.iter().enumerate().map(|(index, label)| (label.mid.clone(), index)).collect();
        assert_eq!(indices.len(), labels.len(), "Labels::new: a machine name comes twice");
        Self { labels, indices }
    }

    /// Reads the table at `path`, as RFC 4180 has it: fields quoted or not, separated by commas,
    /// semicolons or tabs. Its lines and columns may come in any order; other columns are passed over.
    ///
    /// # Errors
    ///
    /// If it cannot be read, a line is not `index,mid,display_name`, an index or a machine name
    /// comes twice, or the indices are not 0 to the number of classes.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = std::fs::read(path).map_err(|error| DataError::io(path, error))?;
        let labels = text(&bytes).and_then(|text| parse(&text));
        labels.map_err(|reason| DataError::manifest(path, reason))
    }

    /// Writes the table to `path`, complete or not at all.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut write = |row: [&str; 3]| writer.write_record(row).expect("memory takes it");
        write(COLUMNS);
        for (index, label) in self.labels.iter().enumerate() {
            write([&index.to_string(), &label.mid, &label.name]);
        }
        let text = writer.into_inner().expect("memory takes it");
        atomic_write(path, &text).map_err(|error| DataError::io(path, error))
    }

    /// The index of machine name `mid`.
    pub fn index_of(&self, mid: &str) -> Option<usize> {
        self.indices.get(mid).copied()
    }

    /// The class at `index`.
    pub fn get(&self, index: usize) -> Option<&Label> {
        self.labels.get(index)
    }

    /// Every class, by index.
    pub fn iter(&self) -> impl Iterator<Item = &Label> {
        self.labels.iter()
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no class; never of a table that was read.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

fn parse(text: &str) -> Result<Labels, String> {
    let mut rows = table::rows(text)?.into_iter();
    let head = rows.next().map(|row| row.fields).unwrap_or_default();
    let column = |name: &str| head.iter().position(|field| field == name);
    let columns: Option<Vec<usize>> = COLUMNS.into_iter().map(column).collect();
    let columns = columns.ok_or("line 1: expected the heading `index,mid,display_name`")?;
    let mut labels: HashMap<usize, Label> = HashMap::new();
    let mut mids = HashMap::new();
    for Row { line, fields } in rows {
        let (index, label) = parse_row(&fields, &columns, head.len())
            .map_err(|why| format!("line {line}: {why}"))?;
        if let Some(first) = mids.insert(label.mid.clone(), line) {
            return Err(format!("line {line}: mid `{}` stands in line {first} too", label.mid));
        }
        if labels.insert(index, label).is_some() {
            return Err(format!("line {line}: index {index} comes a second time"));
        }
    }
    let count = labels.len();
    let ordered: Option<Vec<Label>> = (0..count).map(|index| labels.remove(&index)).collect();
    match ordered {
        Some(ordered) if count > 0 => Ok(Labels::new(ordered)),
        Some(_) => Err("there is no class in it".to_owned()),
        None => Err(format!("{count} classes need the indices 0 to {}", count - 1)),
    }
}

/// Index and label of one row, whose [`COLUMNS`] stand at `columns` of `width`.
fn parse_row(fields: &[String], columns: &[usize], width: usize) -> Result<(usize, Label), String> {
    if fields.len() != width {
        let (found, wanted) = (fields.len(), COLUMNS.join(","));
        return Err(match width == COLUMNS.len() {
            true => format!("expected {wanted}, found {found} fields"),
            false => format!("expected {width} fields as in the heading, found {found}"),
        });
    }
    let [index, mid, name] = [0, 1, 2].map(|column| &fields[columns[column]]);
    let index = index.parse().map_err(|_| format!("index `{index}` is no number"))?;
    if mid.is_empty() {
        return Err("mid is empty".to_owned());
    }
    Ok((index, Label { mid: mid.clone(), name: name.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[(&str, &str)], &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        match (Labels::read(&path), expected) {
            (Ok(labels), Ok(expected)) => {
                let found: Vec<_> =
                    labels.iter().map(|label| (label.mid.as_str(), label.name.as_str())).collect();
                assert_eq!(found, expected);
                for (index, (mid, _)) in expected.iter().enumerate() {
                    assert_eq!(labels.index_of(mid), Some(index));
                }
                let again = folder.path().join("again.csv");
                labels.write(&again).unwrap();
                assert_eq!(Labels::read(&again).unwrap(), labels, "written and read");
            }
            (Err(error), Err(expected)) => {
                let message = error.to_string();
                assert_eq!(message, format!("{}: {expected}", path.display()));
            }
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn tables_are_read_and_faults_name_their_line() {
        let head = "index,mid,display_name";
        check(
            &format!("{head}\n1,/m/b,\"Cat, \"\"big\"\"\"\n0,/m/a,Dog\n"),
            Ok(&[("/m/a", "Dog"), ("/m/b", "Cat, \"big\"")]),
        );
        check("mid,index\n", Err("line 1: expected the heading `index,mid,display_name`"));
        check(&format!("{head}\n"), Err("there is no class in it"));
        check(&format!("{head}\nx,/m/a,Dog\n"), Err("line 2: index `x` is no number"));
        check(
            &format!("{head}\n0,/m/a\n"),
            Err("line 2: expected index,mid,display_name, found 2 fields"),
        );
        check(&format!("{head}\n0,a,A\n2,b,B\n"), Err("2 classes need the indices 0 to 1"));
        check(&format!("{head}\n0,a,A\n0,b,B\n"), Err("line 3: index 0 comes a second time"));
        check(&format!("{head}\n0,a,A\n1,a,B\n"), Err("line 3: mid `a` stands in line 2 too"));
        check(&format!("{head}\n0,a,\"A\n"), Err("line 2: a quote is not closed"));
        check(
            "index,mid,display_name,more\n0,a,A\n",
            Err("line 2: expected 4 fields as in the heading, found 3"),
        );
        check(&format!("{head}\n0, ,A\n"), Err("line 2: mid is empty"));
    }

    #[test]
    fn tables_of_other_programs_are_read_the_same() {
        let case = |name: &str| {
            let cases =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases/24-labels");
            Labels::read(&cases.join(name)).unwrap_or_else(|error| panic!("{error}"))
        };
        let plain = case("plain.csv");
        assert_eq!(plain.get(0).unwrap().mid, "male speech, man speaking");
        assert_eq!(plain.get(1).unwrap().name, "Dog \"Big\" Barking");
        for name in [
            "all-quoted.csv",
            "bom-crlf.csv",
            "cr-only.csv",
            "pandas.csv",
            "semicolon.csv",
            "spaces.csv",
        ] {
            assert_eq!(case(name), plain, "{name}");
        }
        assert_eq!(case("more-classes.csv").len(), 5);
    }
}
