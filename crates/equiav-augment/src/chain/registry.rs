//! Families of other crates, which a recipe may name once they are handed over here.

use super::{Ladder, Link, table};

/// Families that a recipe may add to those built in, in this order.
///
/// A plain value: nothing is registered anywhere, and two registries know nothing of each other.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilyRegistry<X: Ladder> {
    links: Vec<Link<X>>,
}

impl<X: Ladder> Default for FamilyRegistry<X> {
    fn default() -> Self {
        Self { links: Vec::new() }
    }
}

impl<X: Ladder> FamilyRegistry<X> {
    /// The registry with one more family. A recipe's table replaces its settings; keys that the
    /// table leaves out have the value that the family's `Deserialize` gives them.
    ///
    /// # Panics
    ///
    /// If its key is that of a built-in or an earlier family, or `profile` or `vector`.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, link: Link<X>) -> Self {
        let key = link.key();
        let built_in: Vec<Link<X>> = X::common().into_iter().chain(X::augmented()).collect();
        let mut taken =
            table::OWN_KEYS.into_iter().chain(built_in.iter().chain(&self.links).map(Link::key));
        assert!(!taken.any(|known| known == key), "with: the key `{key}` is taken");
        self.links.push(link);
        self
    }

    /// Its families, in order.
    pub fn links(&self) -> &[Link<X>] {
        &self.links
    }
}
