//! Which candidates are correct for which queries, as groups of equal keys: never as a list of pairs.

use std::collections::HashMap;
use std::hash::Hash;

/// The relation "is a correct answer" between rows and columns.
///
/// Its memory grows with rows and columns, not with pairs.
#[derive(Clone, Debug)]
pub struct Relevance {
    rows: usize,
    columns: usize,
    keyings: Vec<Keying>,
}

/// Rows and columns by the group of their key.
#[derive(Clone, Debug)]
struct Keying {
    row_groups: Vec<u32>,
    column_groups: Vec<u32>,
    /// Where each group's columns begin in `members`, and where the last one's end.
    starts: Vec<usize>,
    members: Vec<u32>,
}

impl Relevance {
    /// Row `i` and column `i` belong together, of `count` each.
    pub fn same(count: usize) -> Self {
        let each: Vec<usize> = (0..count).collect();
        Self::of_equal_keys(&each, &each)
    }

    /// A row and a column with equal keys belong together: for duplicates, the key of the content; for
    /// classes, the class.
    pub fn of_equal_keys<K: Eq + Hash>(rows: &[K], columns: &[K]) -> Self {
        let keyings = vec![Keying::new(rows, columns)];
        Self { rows: rows.len(), columns: columns.len(), keyings }
    }

    /// What belongs together by this relation or the other.
    ///
    /// # Panics
    ///
    /// If they are of different sizes.
    #[track_caller]
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        assert_eq!(self.size(), other.size(), "answers of different sizes");
        self.keyings.extend(other.keyings);
        self
    }

    /// How many rows and columns it relates.
    pub fn size(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Whether `row` and `column` belong together.
    ///
    /// # Panics
    ///
    /// If there is no such row or column.
    pub fn contains(&self, row: usize, column: usize) -> bool {
        self.keyings.iter().any(|keying| keying.contains(row, column))
    }

    /// The columns that belong to `row`, each once.
    pub(crate) fn columns_of(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        self.keyings.iter().enumerate().flat_map(move |(number, keying)| {
            let earlier = &self.keyings[..number];
            let new = move |column: &usize| !earlier.iter().any(|one| one.contains(row, *column));
            keying.columns_of(row).filter(new)
        })
    }
}

impl Keying {
    fn new<K: Eq + Hash>(rows: &[K], columns: &[K]) -> Self {
        let mut numbers = HashMap::new();
        let mut number = |key| {
            let next = numbers.len() as u32;
            *numbers.entry(key).or_insert(next)
        };
        let row_groups: Vec<u32> = rows.iter().map(&mut number).collect();
        let column_groups: Vec<u32> = columns.iter().map(&mut number).collect();
        let mut starts = vec![0; numbers.len() + 1];
        for group in &column_groups {
            starts[*group as usize + 1] += 1;
        }
        for group in 0..numbers.len() {
            starts[group + 1] += starts[group];
        }
        let (mut next, mut members) = (starts.clone(), vec![0; columns.len()]);
        for (column, group) in column_groups.iter().enumerate() {
            members[next[*group as usize]] = column as u32;
            next[*group as usize] += 1;
        }
        Self { row_groups, column_groups, starts, members }
    }

    fn contains(&self, row: usize, column: usize) -> bool {
        self.row_groups[row] == self.column_groups[column]
    }

    fn columns_of(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let group = self.row_groups[row] as usize;
        let members = &self.members[self.starts[group]..self.starts[group + 1]];
        members.iter().map(|column| *column as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_any_key_each_once() {
        let sounds = Relevance::of_equal_keys(&["a", "b", "a"], &["a", "a", "c", "b"]);
        let pictures = Relevance::of_equal_keys(&[1, 2, 3], &[9, 1, 3, 2]);
        let both = sounds.or(pictures);
        assert_eq!(both.size(), (3, 4));
        let found: Vec<Vec<usize>> = (0..3).map(|row| both.columns_of(row).collect()).collect();
        assert_eq!(found, [vec![0, 1], vec![3], vec![0, 1, 2]]);
        for (row, columns) in found.iter().enumerate() {
            for column in 0..4 {
                assert_eq!(both.contains(row, column), columns.contains(&column));
            }
        }
        let same: Vec<usize> = Relevance::same(3).columns_of(2).collect();
        assert_eq!(same, [2]);
    }
}
