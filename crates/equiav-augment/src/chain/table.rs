//! A chain as a table of a recipe: how it is read, resolved and written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::{Chain, FamilyRegistry, Ladder, Link, length};
use crate::{Profile, View};

/// The keys of a chain's table that are no families.
pub(super) const OWN_KEYS: [&str; 2] = ["profile", "vector"];

/// Why a recipe's table is no chain.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{key}: {message}")]
pub struct ChainError {
    /// The dotted key, from the chain's table on.
    pub key: String,
    /// What is wrong with it, in the words of a parser.
    pub message: String,
}

/// Tables of a recipe whose families are not known yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RawTables {
    tables: BTreeMap<String, Value>,
    /// Whether the recipe left the vector's length to the specification.
    default_length: bool,
}

impl RawTables {
    /// Whether there is a table of that name.
    pub(super) fn has(&self, key: &str) -> bool {
        self.tables.contains_key(key)
    }
}

impl<X: Ladder> Chain<X> {
    /// Turns tables that are no built-in family's into families of `registry`, at the end of the
    /// chain and in the order of the registry. Their numbers are finite: `inf` and `nan` are read as
    /// keys without a value.
    ///
    /// # Errors
    ///
    /// If a table is no family's, a family refuses its table, the vector has a length at which no
    /// family ends, or its length was left out where another family has a table: the default ends
    /// before it. The chain stays as it was.
    pub fn resolve(&mut self, registry: &FamilyRegistry<X>) -> Result<(), ChainError> {
        let mut chain = self.clone();
        let RawTables { mut tables, default_length } = std::mem::take(&mut chain.raw);
        for link in registry.links() {
            if let Some(table) = tables.remove(link.key()) {
                chain.augmented.push(read_link(link, &table)?);
            }
        }
        if let Some(key) = tables.keys().next() {
            let keys: Vec<&str> =
                self.keys().chain(registry.links().iter().map(Link::key)).collect();
            return Err(unknown(key, &keys));
        }
        if default_length && chain.length < chain.n_slots() {
            let message = format!(
                "the default of {} ends before the last family; help: vector = {}",
                chain.length,
                chain.n_slots()
            );
            return Err(ChainError { key: "vector".to_owned(), message });
        }
        chain
            .check_length()
            .map_err(|error| ChainError { key: "vector".to_owned(), message: error.to_string() })?;
        *self = chain;
        Ok(())
    }
}

impl<X: View> Chain<X> {
    /// Checks that every table of the recipe is a family's: for those who know no other families
    /// than the built-in ones, and those who have [resolved](Self::resolve) the others.
    ///
    /// # Errors
    ///
    /// Names a key that is no family's and the known ones.
    pub fn check(&self) -> Result<(), ChainError> {
        match self.raw.tables.keys().next() {
            Some(key) => Err(unknown(key, &self.keys().collect::<Vec<_>>())),
            None => Ok(()),
        }
    }

    #[track_caller]
    pub(super) fn assert_resolved(&self) {
        if let Err(error) = self.check() {
            panic!("a chain draws once `resolve` or `check` has passed: {error}");
        }
    }
}

/// The family of `link` with the settings of `table`.
fn read_link<X: View>(link: &Link<X>, table: &Value) -> Result<Link<X>, ChainError> {
    let mut link = link.clone();
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(table, &mut track);
    let read = link.read(&mut <dyn erased_serde::Deserializer>::erase(tracked));
    read.map_err(|message| {
        let key = match track.path().to_string().as_str() {
            "" | "." => link.key().to_owned(),
            path => format!("{}.{path}", link.key()),
        };
        ChainError { key, message }
    })?;
    Ok(link)
}

/// What serde says of a key that is none of `known`.
fn unknown(key: &str, known: &[&str]) -> ChainError {
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let message = format!("unknown field `{key}`, expected one of {}", known.join(", "));
    ChainError { key: key.to_owned(), message }
}

impl<'de, X: Ladder> Deserialize<'de> for Chain<X> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table(PhantomData))
    }
}

/// Reads a chain's table.
struct Table<X>(PhantomData<X>);

impl<'de, X: Ladder> Visitor<'de> for Table<X> {
    type Value = Chain<X>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a table of {} augmentations", X::MODALITY)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Chain<X>, A::Error> {
        let mut chain = Chain::new(Profile::default(), X::SPEC);
        let mut tables = BTreeMap::new();
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "profile" => chain.profile = map.next_value()?,
                "vector" => chain.length = map.next_value_seed(Length::<X>(PhantomData))?,
                _ => match chain.link_mut(&key) {
                    Some(link) => map.next_value_seed(Settings(link))?,
                    None => drop(tables.insert(key.clone(), map.next_value()?)),
                },
            }
            if let Some(key) = seen.replace(key) {
                return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
            }
        }
        if tables.is_empty() {
            chain.check_length().map_err(de::Error::custom)?;
        }
        let default_length = !tables.is_empty() && !seen.contains("vector");
        chain.raw = RawTables { tables, default_length };
        Ok(chain)
    }
}

/// Reads the length of a vector; one beyond the built-in families may end behind others, which are
/// not known here.
struct Length<X>(PhantomData<X>);

impl<'de, X: Ladder> DeserializeSeed<'de> for Length<X> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        let length = usize::deserialize(deserializer)?;
        let built_in: Vec<usize> = X::LENGTHS.iter().map(|choice| choice.length()).collect();
        match built_in.contains(&length) || built_in.iter().all(|choice| *choice < length) {
            true => Ok(length),
            false => Err(de::Error::custom(length::refusal::<X>(length, &built_in))),
        }
    }
}

/// Reads the settings of a family.
struct Settings<'a, X: View>(&'a mut Link<X>);

impl<'de, X: View> DeserializeSeed<'de> for Settings<'_, X> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let mut erased = <dyn erased_serde::Deserializer>::erase(deserializer);
        self.0.read(&mut erased).map_err(de::Error::custom)
    }
}

impl<X: View> Serialize for Chain<X> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("profile", &self.profile)?;
        if !self.raw.default_length {
            map.serialize_entry("vector", &self.length)?;
        }
        for link in self.links() {
            map.serialize_entry(link.key(), link.settings())?;
        }
        for (key, table) in &self.raw.tables {
            map.serialize_entry(key, table)?;
        }
        map.end()
    }
}
