//! What is measured of lists of clips: names and numbers with intervals. Nothing here knows what they mean.

use equiav_data::TrainOverlap;
use serde::{Deserialize, Serialize};

/// The metrics of every list that was measured.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Metrics {
    /// One list after the other, in the order of reporting.
    pub lists: Vec<ListMetrics>,
}

/// The metrics of one list of clips.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ListMetrics {
    /// The list's name in the recipe.
    pub list: String,
    /// Clips that could be read.
    pub found: usize,
    /// Clips listed.
    pub listed: usize,
    /// A hash of the list, so that metrics of different lists are not compared.
    pub digest: String,
    /// What the list has in common with the one that was trained on; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<TrainOverlap>,
    /// Why each of the other clips could not be read.
    pub skipped: Vec<String>,
    /// In what the model has collapsed, so that it tells clips apart no more; none where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapsed: Option<String>,
    /// The metrics, in the order of reporting.
    pub values: Vec<Metric>,
}

/// One number, such as `visual_to_audio/r1` or `map`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Metric {
    /// What it is called, with a path before it where there are several of a kind.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Limits that hold 95 % of the bootstrap's numbers, where they were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
}

impl Metric {
    /// A number without an interval.
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), value, interval: None }
    }

    /// Whether it is called `name`, whatever the path before it.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.name.strip_suffix(name).is_some_and(|path| path.ends_with('/'))
    }
}

impl Metrics {
    /// The mean of the metrics called `name` over all lists and paths; none where there is none, or where any list
    /// has collapsed, which is never the best.
    pub fn score(&self, name: &str) -> Option<f64> {
        if self.lists.iter().any(|list| list.collapsed.is_some()) {
            return None;
        }
        let values = self.lists.iter().flat_map(|list| &list.values);
        let all: Vec<f64> =
            values.filter(|metric| metric.is_called(name)).map(|metric| metric.value).collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }

    /// The metrics of the list called `list`.
    pub fn list(&self, list: &str) -> Option<&ListMetrics> {
        self.lists.iter().find(|metrics| metrics.list == list)
    }
}

impl ListMetrics {
    /// The number called `name`, with its path.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }

    /// Every number under its name in a log: `val/LIST/NAME`, and whether the list has collapsed.
    pub fn records(&self) -> Vec<(String, f64)> {
        let collapsed = f64::from(u8::from(self.collapsed.is_some()));
        let values = self.values.iter().map(|metric| (metric.name.as_str(), metric.value));
        let all = values.chain([("collapsed", collapsed)]);
        all.map(|(name, value)| (format!("val/{}/{name}", self.list), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[(&str, f64)], collapsed: bool) -> ListMetrics {
        ListMetrics {
            list: "held-out".to_owned(),
            collapsed: collapsed.then(|| "all is one".to_owned()),
            values: values.iter().map(|(name, value)| Metric::new(*name, *value)).collect(),
            ..ListMetrics::default()
        }
    }

    #[test]
    fn a_score_is_the_mean_over_lists_and_paths() {
        let metrics = Metrics {
            lists: vec![
                list(&[("there/r1", 0.5), ("back/r1", 0.1), ("there/r10", 9.0)], false),
                list(&[("r1", 0.3), ("xr1", 9.0)], false),
            ],
        };
        assert!((metrics.score("r1").expect("a score") - 0.3).abs() < 1e-12);
        assert_eq!(metrics.score("map"), None);
        assert_eq!(metrics.score("there/r10"), Some(9.0));
    }

    #[test]
    fn what_has_collapsed_has_no_score() {
        let lists = vec![list(&[("r1", 0.5)], false), list(&[("r1", 0.9)], true)];
        assert_eq!(Metrics { lists }.score("r1"), None);
    }

    #[test]
    fn records_carry_the_list_in_their_names() {
        let records = list(&[("there/r1", 0.5)], true).records();
        let expected = [("val/held-out/there/r1", 0.5), ("val/held-out/collapsed", 1.0)];
        assert_eq!(records, expected.map(|(name, value)| (name.to_owned(), value)));
    }
}
