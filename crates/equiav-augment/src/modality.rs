//! Which of a clip's views a thing belongs to: an open key, for there may be more than sound and picture.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error as ThisError;

/// The name of one modality of a clip, such as `audio`; in order of their letters.
///
/// What is made of a clip under that name is the recipe's to say, not the name's.
///
/// ```
/// use equiav_augment::Modality;
///
/// let text = Modality::new("text")?;
/// assert_eq!(text, Modality::new("text")?);
/// assert!(Modality::AUDIO < text && text < Modality::VISUAL);
/// # Ok::<(), equiav_augment::ModalityError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Modality(&'static str);

/// Why a name was refused.
#[derive(Clone, Debug, Eq, PartialEq, ThisError)]
#[error("`{0}` is no name of a modality: expected lower-case letters, digits, `-` and `_`")]
pub struct ModalityError(String);

impl Modality {
    /// What is heard.
    pub const AUDIO: Self = Self("audio");
    /// What is seen.
    pub const VISUAL: Self = Self("visual");
    /// Sound and picture, which every recipe has unless it says otherwise, in the order in which batches and reports
    /// list them.
    pub const AUDIO_VISUAL: [Self; 2] = [Self::AUDIO, Self::VISUAL];

    /// The modality called `name`.
    ///
    /// # Errors
    ///
    /// If the name is empty or has other characters than lower-case letters, digits, `-` and `_`.
    pub fn new(name: &str) -> Result<Self, ModalityError> {
        let fine = |letter: char| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter)
        };
        if name.is_empty() || !name.chars().all(fine) {
            return Err(ModalityError(name.to_owned()));
        }
        let known = Self::AUDIO_VISUAL.into_iter().find(|known| known.0 == name);
        Ok(known.unwrap_or_else(|| Self(interned(name))))
    }

    /// The name in recipes, logs and batches, such as `audio`.
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// `name` for as long as the program runs. Memory is given up once for each distinct name, of which a recipe has a few;
/// in return the key is copied and compared without ado.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    name
}

impl fmt::Display for Modality {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Serialize for Modality {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Modality {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_place_in_memory() {
        let new = |name: &str| Modality::new(name).expect("a name");
        let (a, b) = (new("context-2"), new(&format!("context-{}", 1 + 1)));
        assert_eq!(a, b);
        assert!(std::ptr::eq(a.name(), b.name()));
        assert_ne!(a, new("context-3"));
        assert_eq!([new("audio"), new("visual")], Modality::AUDIO_VISUAL);
    }

    #[test]
    fn other_characters_are_refused() {
        for name in ["", "Audio", "left ear", "a.b", "ton\u{e9}", "a/b"] {
            let refused = Modality::new(name).expect_err(name).to_string();
            assert!(
                refused.starts_with(&format!("`{name}` is no name of a modality")),
                "{refused}"
            );
        }
        assert!(serde_json::from_str::<Modality>("\"Audio\"").is_err());
    }

    #[test]
    fn it_is_written_as_its_name() {
        let text = serde_json::to_string(&Modality::AUDIO_VISUAL).expect("names");
        assert_eq!(text, r#"["audio","visual"]"#);
        let read: Vec<Modality> = serde_json::from_str(&text).expect("names");
        assert_eq!(read, Modality::AUDIO_VISUAL);
    }
}
