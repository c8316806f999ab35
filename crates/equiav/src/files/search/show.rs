//! Answers and figures of a search as text.

use std::fmt::Write;

use equiav_augment::Modality;
use equiav_search::search::{Hit, ListRecall};
use serde_json::{Value, json};

/// What was found among the sounds, or among the pictures.
pub(super) struct Answer {
    pub(super) modality: Modality,
    /// How many different ones there are.
    pub(super) files: usize,
    pub(super) hits: Vec<Hit>,
}

impl Answer {
    /// `sounds` or `pictures`.
    pub(super) fn kind(&self) -> &'static str {
        match self.modality {
            Modality::AUDIO => "sounds",
            Modality::VISUAL => "pictures",
            other => other.name(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"in": self.modality, "files": self.files, "hits": self.hits})
    }

    /// One line a hit: rank, score, time, file.
    pub(super) fn table(&self) -> String {
        let mut table = format!("nearest of {} {}\n", self.files, self.kind());
        for (rank, hit) in self.hits.iter().enumerate() {
            let file = hit.files.first().map_or("", String::as_str);
            let more = match hit.files.len() {
                0 | 1 => String::new(),
                count => format!("  (and {} equal files)", count - 1),
            };
            let (rank, time) = (rank + 1, time(hit.time));
            let _ = writeln!(table, "{rank:>4}  {:>7.4}  {time:>15}  {file}{more}", hit.score);
        }
        table
    }
}

/// `1.28 - 2.56 s`, or nothing for a picture.
pub(super) fn time(time: Option<[f64; 2]>) -> String {
    time.map(|[start, end]| format!("{start:.2} - {end:.2} s")).unwrap_or_default()
}

/// Names the columns of [`recall`].
pub(super) const RECALL_HEAD: &str = "list                           queries  of pictures  \
    R@1 (95 % interval; chance)  R@5                         R@10                        median rank  tied";

/// One line for what the sounds of a list found.
pub(super) fn recall(name: &str, found: &ListRecall) -> String {
    let mut line = format!("{name:<29}  {:>7}  {:>11}", found.queries, found.gallery);
    for recall in &found.recall {
        let percent = |share: f64| 100.0 * share;
        let [low, high] = recall.interval.map(percent);
        let cell = format!(
            "{:.1} % ({low:.1} to {high:.1}; {:.1})",
            percent(recall.share),
            percent(recall.chance)
        );
        let _ = write!(line, "  {cell:<26}");
    }
    let _ = write!(line, "  {:>11.1}  {:>4.1}%", found.median_rank, 100.0 * found.tied_share);
    line
}
