//! Metrics as state files of earlier versions hold them: a kind for pre-training, another for fine-tuning.

use serde::Deserialize;
use serde_json::Value;

use crate::metrics::{ListMetrics, Metric, Metrics};

/// The directions of retrieval in those files.
const WAYS: [&str; 2] = ["visual_to_audio", "audio_to_visual"];
/// The numbers of one direction.
const RETRIEVAL: [&str; 6] = ["r1", "r5", "r10", "median_rank", "mean_rank", "tied_share"];
/// The numbers of classification, with their names in those files.
const CLASSIFICATION: [(&str, &str); 4] =
    [("map", "map"), ("auc", "roc_auc"), ("top1", "top1"), ("top5", "top5")];

/// What those files have in the place of open metrics.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Legacy {
    #[serde(default)]
    retrieved: Vec<Value>,
    #[serde(default)]
    classified: Vec<Value>,
}

impl Legacy {
    /// The same as open metrics; none where the file has none.
    pub(super) fn metrics(&self) -> Metrics {
        let lists = self.retrieved.iter().map(|one| list(one, retrieval(one)));
        let classified = self.classified.iter().map(|one| list(one, classification(one)));
        Metrics { lists: lists.chain(classified).collect() }
    }
}

fn list(one: &Value, values: Vec<Metric>) -> ListMetrics {
    let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let count = |key: &str| one[key].as_u64().unwrap_or_default() as usize;
    let skipped = one["left_out"].as_array().into_iter().flatten();
    ListMetrics {
        list: text("list"),
        found: count("found"),
        listed: count("listed"),
        digest: text("digest"),
        overlap: None,
        skipped: skipped.filter_map(|reason| Some(reason.as_str()?.to_owned())).collect(),
        collapsed: one["collapsed"].as_str().map(str::to_owned),
        values,
    }
}

fn retrieval(one: &Value) -> Vec<Metric> {
    let metric = |way: &str, name: &str| {
        let figures = &one[way];
        let bounds = &figures["intervals"][name];
        let interval = bounds["low"].as_f64().zip(bounds["high"].as_f64());
        let value = figures[name].as_f64()?;
        Some(Metric { name: format!("{way}/{name}"), value, interval })
    };
    let all = WAYS.into_iter().flat_map(|way| RETRIEVAL.map(|name| metric(way, name)));
    all.flatten().collect()
}

fn classification(one: &Value) -> Vec<Metric> {
    let metric = |(name, key): (&str, &str)| {
        let bounds = &one["intervals"][name];
        let interval = bounds[0].as_f64().zip(bounds[1].as_f64());
        Some(Metric { name: name.to_owned(), value: one[key].as_f64()?, interval })
    };
    CLASSIFICATION.into_iter().filter_map(metric).collect()
}
