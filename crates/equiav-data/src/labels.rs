//! The label table of CAV-MAE: `index,mid,display_name`, one class a line.

use std::collections::HashMap;
use std::path::Path;

use crate::DataError;
use crate::whole::write_whole;

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

    /// Reads the table at `path`; its lines may come in any order.
    ///
    /// # Errors
    ///
    /// If it cannot be read, a line is not `index,mid,display_name`, an index or a machine name
    /// comes twice, or the indices are not 0 to the number of classes.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let text = std::fs::read_to_string(path).map_err(|error| DataError::io(path, error))?;
        parse(&text).map_err(|reason| DataError::manifest(path, reason))
    }

    /// Writes the table to `path`, complete or not at all.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        let mut text = "index,mid,display_name\n".to_owned();
        for (index, label) in self.labels.iter().enumerate() {
            text.push_str(&format!("{index},{},{}\n", quoted(&label.mid), quoted(&label.name)));
        }
        write_whole(path, text.as_bytes()).map_err(|error| DataError::io(path, error))
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
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let head = lines.next().map(|(_, line)| line.trim().trim_start_matches('\u{feff}'));
    if head != Some("index,mid,display_name") {
        return Err("line 1: expected the heading `index,mid,display_name`".to_owned());
    }
    let mut labels: HashMap<usize, Label> = HashMap::new();
    let mut mids = HashMap::new();
    for (number, line) in lines {
        let number = number + 1;
        let (index, label) = parse_line(line).map_err(|why| format!("line {number}: {why}"))?;
        if let Some(first) = mids.insert(label.mid.clone(), number) {
            return Err(format!("line {number}: mid `{}` stands in line {first} too", label.mid));
        }
        if labels.insert(index, label).is_some() {
            return Err(format!("line {number}: index {index} comes a second time"));
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

fn parse_line(line: &str) -> Result<(usize, Label), String> {
    let fields = split(line)?;
    let [index, mid, name] = fields.as_slice() else {
        return Err(format!("expected index,mid,display_name, found {} fields", fields.len()));
    };
    let index = index.trim().parse().map_err(|_| format!("index `{index}` is no number"))?;
    if mid.trim().is_empty() {
        return Err("mid is empty".to_owned());
    }
    Ok((index, Label { mid: mid.trim().to_owned(), name: name.trim().to_owned() }))
}

/// The fields of one line of CSV; quotes hold commas and doubled quotes.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut quote = false;
    let mut characters = line.trim_end_matches('\r').chars().peekable();
    while let Some(character) = characters.next() {
        let last = fields.len() - 1;
        match character {
            '"' if quote && characters.peek() == Some(&'"') => {
                characters.next();
                fields[last].push('"');
            }
            '"' => quote = !quote,
            ',' if !quote => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    if quote { Err("a quote is not closed".to_owned()) } else { Ok(fields) }
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
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
    }
}
