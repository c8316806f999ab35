//! What the name of a metric says about showing it. The names are those of `metrics.jsonl`, whatever stands there;
//! nothing here knows what a metric means.
//!
//! ```text
//! val/LIST/NAME          measured on a list; LIST and NAME may hold further slashes
//! val/LIST/NAME/low      the lower end of its interval
//! val/LIST/NAME/high     the upper end
//! val/LIST/collapsed     1 where the model tells the clips of the list apart no more
//! online/NAME            measured on a few held-out clips between two evaluations
//! train/gradient_cosine_A_B    between the gradients of two groups of terms
//! ```

/// The prefix of what is measured on lists of clips.
const MEASURED: &str = "val/";
/// The prefix of what is measured on a few held-out clips between two evaluations.
const ONLINE: &str = "online/";
/// The prefix of cosines between gradients.
const COSINE: &str = "train/gradient_cosine_";

/// The list, and the path below it if there is one, on which `key` measures the metric called `name`.
pub(crate) fn place_of<'k>(key: &'k str, name: &str) -> Option<&'k str> {
    key.strip_prefix(MEASURED)?.strip_suffix(name)?.strip_suffix('/')
}

/// Whether `key` is a number measured on a list, and no mere note about another.
pub(crate) fn is_measured(key: &str) -> bool {
    key.starts_with(MEASURED) && !["low", "high", "collapsed"].contains(&last_part(key))
}

/// Whether `key` is a number measured between evaluations, every so many steps; not how long that took.
pub(crate) fn is_online(key: &str) -> bool {
    let measured = key.strip_prefix(ONLINE).is_some_and(|name| name != "time");
    measured || key.starts_with(COSINE)
}

/// The keys of the lower and the upper end of the interval of `key`.
pub(crate) fn interval_keys(key: &str) -> [String; 2] {
    ["low", "high"].map(|end| format!("{key}/{end}"))
}

/// Whether the values are shares from 0 to 1, which are shown in percent: recall at a depth, and accuracy.
pub(crate) fn is_share(key: &str) -> bool {
    let name = last_part(key);
    depth(name).is_some() || name.starts_with("top1") || name.ends_with("_top1")
}

/// A metric's name in words: `R@1`, or the last part of the key.
pub(crate) fn label(key: &str) -> String {
    let name = last_part(key);
    match depth(name) {
        Some(depth) => format!("R@{depth}"),
        None => name.replace('_', " "),
    }
}

/// A value in the unit in which it is shown.
pub(crate) fn shown(key: &str, value: f64) -> String {
    if is_share(key) { format!("{:.1} %", 100.0 * value) } else { number(value) }
}

/// A number with at most four decimals, without zeros at its end.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.1e}"),
        _ => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

fn last_part(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// The depth of a recall such as `r10`.
fn depth(name: &str) -> Option<u32> {
    name.strip_prefix('r')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_on_every_list_and_path() {
        assert_eq!(place_of("val/a/b/visual_to_audio/r1", "r1"), Some("a/b/visual_to_audio"));
        assert_eq!(place_of("val/a/map", "map"), Some("a"));
        assert_eq!(place_of("val/a/there/r1", "there/r1"), Some("a"));
        for key in ["val/a/mean_r1", "train/r1", "val/r1", "val/a/r1/low"] {
            assert_eq!(place_of(key, "r1"), None, "{key}");
        }
    }

    #[test]
    fn values_are_shown_in_their_unit() {
        let cases = [
            ("val/a/r1", 0.5, "R@1", "50.0 %"),
            ("train/top1_inter", 0.25, "top1 inter", "25.0 %"),
            ("online/audio/knn_top1", 0.5, "knn top1", "50.0 %"),
            ("val/a/mean_rank", 12.5, "mean rank", "12.5"),
            ("val/a/rate", 1e-7, "rate", "1.0e-7"),
        ];
        for (key, value, name, text) in cases {
            assert_eq!((label(key), shown(key, value)), (name.to_owned(), text.to_owned()));
        }
    }

    #[test]
    fn ends_of_intervals_are_no_metrics_of_their_own() {
        assert!(is_measured("val/a/map") && !is_measured("train/loss"));
        let [low, high] = interval_keys("val/a/map");
        assert!(
            is_online("online/audio/rank_me") && is_online("train/gradient_cosine_inter_intra")
        );
        assert!(!is_online("online/time") && !is_online("train/loss") && !is_online("val/a/map"));
        assert!(!is_measured(&low) && !is_measured(&high) && !is_measured("val/a/collapsed"));
    }
}
