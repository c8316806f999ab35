//! What maps show, and how they are made.

use serde::{Deserialize, Serialize};

use crate::eval::embeddings::Variant;
use crate::recipe::Settings;

/// What a map shows of each place.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapKind {
    /// The cosine of its own token with the sound, after the head of the inter-modal loss.
    Tokens,
    /// What the similarity loses when its token is left out.
    #[default]
    LeftOut,
}

impl MapKind {
    /// The one that `recipe` trains for.
    pub fn of(recipe: &Settings) -> Self {
        if recipe.objective.tokens.is_none() { Self::LeftOut } else { Self::Tokens }
    }
}

/// How maps are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapOptions {
    /// What they show.
    pub map: MapKind,
    /// Which point of the token space is compared.
    pub variant: Variant,
    /// How many times finer than the tokens' grid the map is, each way: so many squared passes, each with
    /// the picture moved by a part of a patch. 1 is one pass.
    pub finer: i64,
    /// The deviation of the Gaussian that a map is blurred by, in patches; 0 leaves it as it is.
    pub blur: f64,
    /// The cosine below which nothing of the picture is the sound's, and its map is not lit; -1 lights every map. Of
    /// [`MapKind::LeftOut`] that of picture and sound as wholes, of [`MapKind::Tokens`] the greatest of the map.
    pub dark: f32,
}
