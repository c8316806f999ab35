//! The figures of a list's maps, as tables and JSON hold them; `measure` makes them.

use std::collections::BTreeMap;

use equiav_data::TrainOverlap;
use equiav_eval::localization::{Figure, Overlaps, Rule};
use serde::{Deserialize, Serialize};

use super::MapKind;
use crate::eval::embeddings::Variant;

/// What is compared: the model's maps, and maps that must do worse.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compared {
    /// The clip's own sound in its picture.
    Model,
    /// The sound of the clip before it in the list, in the same picture.
    OtherSound,
    /// Centered boxes; see [`center_map`](equiav_eval::localization::center_map).
    Center,
    /// The whole picture.
    Whole,
    /// A uniform number for every token.
    Random,
}

/// How well the sounds of a list are found in its pictures.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LocalizationMetrics {
    /// The list's name.
    pub list: String,
    /// Clips that could be read and have a truth; all figures are over these.
    pub found: usize,
    /// Clips listed.
    pub listed: usize,
    /// Readable clips of whose picture nothing is annotated within the plain view.
    pub without_truth: usize,
    /// Why each of the other clips could not be read.
    #[serde(rename = "left_out")]
    pub skipped: Vec<String>,
    /// A hash of the list.
    pub digest: String,
    /// What the list has in common with the one that was trained on; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<TrainOverlap>,
    /// Where the truth comes from.
    pub truth: String,
    /// The mean share of the picture that the truth covers.
    pub truth_area: f64,
    /// What maps show.
    #[serde(default)]
    pub map: MapKind,
    /// Which point of the token space is compared.
    pub variant: Variant,
    /// Rows and columns of a map before it is scaled up.
    pub cells: [usize; 2],
    /// The deviation of the Gaussian that maps are blurred by, in patches.
    pub blur: f64,
    /// Height and width of the maps that are scored, in pixels.
    pub side: usize,
    /// The overlaps under each rule.
    pub rules: Vec<Ruled>,
    /// The share of clips whose greatest value lies within the truth.
    pub pointing: BTreeMap<Compared, Figure>,
    /// The cosine below which no map is shown, as [`MapOptions::dark`](super::MapOptions::dark) has it.
    pub dark: f32,
    /// What lights up: the maps' greatest values for the clips' own sounds.
    pub own: Scores,
    /// The same for what should not light up, by name: `silence`, `faint-noise`, `other-sound`.
    pub controls: BTreeMap<String, Scores>,
}

/// The overlaps under one rule.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ruled {
    /// How maps become regions.
    pub rule: Rule,
    /// The figures.
    pub maps: BTreeMap<Compared, Overlaps>,
    /// How much greater the model's overlap is than the center's, clip by clip, in the mean.
    pub beyond_center: Figure,
}

/// The greatest values of many maps.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Scores {
    /// Of the maps.
    pub map: Spread,
    /// Of the cosines of picture and sound as wholes, one a clip.
    pub cosine: Spread,
    /// The share of clips whose map is shown.
    pub lit: f64,
    /// The area under the ROC curve of telling the clips' own sounds from these by `map`.
    pub map_auc: f64,
    /// The same by `cosine`.
    pub cosine_auc: f64,
}

/// Three quantiles.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Spread {
    /// The 5 % quantile.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The 95 % quantile.
    pub high: f64,
}
