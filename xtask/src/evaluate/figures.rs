//! What the program says of classifiers, read from its JSON.

use std::collections::HashMap;

use tinyjson::JsonValue;

/// A share with the limits of its interval, where there is one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Share {
    value: f64,
    interval: Option<(f64, f64)>,
}

/// The figures of one list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figures {
    found: f64,
    listed: f64,
    digest: String,
    pub(super) top1: Share,
    pub(super) map: Share,
}

/// One probe.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probed {
    pub(super) input: String,
    pub(super) method: String,
    pub(super) clips: f64,
    pub(super) figures: Figures,
}

type Object = HashMap<String, JsonValue>;

impl Share {
    /// `61.3 % (55.1 to 67.2)`.
    pub(super) fn show(&self) -> String {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        let interval =
            self.interval.map(|(low, high)| format!(" ({} to {})", percent(low), percent(high)));
        format!("{} %{}", percent(self.value), interval.unwrap_or_default())
    }

    fn read(figures: &Object, name: &str) -> Option<Self> {
        let value = *figures.get(name)?.get()?;
        let limits = |intervals: &JsonValue| {
            let limits: &Vec<JsonValue> = intervals.get::<Object>()?.get(name)?.get()?;
            let [low, high] = &limits[..] else { return None };
            Some((*low.get()?, *high.get()?))
        };
        Some(Self { value, interval: figures.get("intervals").and_then(limits) })
    }
}

impl Figures {
    /// The first list of a fine-tuning run's `test.json`.
    pub(super) fn of_test(text: &str) -> Option<Self> {
        let json: JsonValue = text.parse().ok()?;
        Self::read(json.get::<Object>()?.get("lists")?)
    }

    /// The first of a list of lists.
    fn read(lists: &JsonValue) -> Option<Self> {
        let figures: &Object = lists.get::<Vec<JsonValue>>()?.first()?.get()?;
        Some(Self {
            found: *figures.get("found")?.get()?,
            listed: *figures.get("listed")?.get()?,
            digest: figures.get("digest")?.get::<String>()?.clone(),
            top1: Share::read(figures, "top1")?,
            map: Share::read(figures, "map")?,
        })
    }

    /// What was measured.
    pub(super) fn list(&self) -> String {
        format!("{} of {} held-out clips, list {}", self.found, self.listed, self.digest)
    }
}

impl Probed {
    /// What `equiav probe --json` printed, a probe a line.
    pub(super) fn all(text: &str) -> Option<Vec<Self>> {
        let read = |line: &str| {
            let json: JsonValue = line.parse().ok()?;
            let probe: &Object = json.get()?;
            Some(Self {
                input: probe.get("input")?.get::<String>()?.clone(),
                method: probe.get("method")?.get::<String>()?.clone(),
                clips: *probe.get("clips")?.get()?,
                figures: Figures::read(probe.get("test")?)?,
            })
        };
        text.lines().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"found":3,"listed":4,"digest":"abc","top1":0.5,"map":0.25,
        "intervals":{"top1":[0.4,0.625]}}"#;

    #[test]
    fn figures_are_read_with_and_without_intervals() {
        let text = format!(r#"{{"checkpoints":["step-1"],"lists":[{LIST}]}}"#);
        let figures = Figures::of_test(&text).unwrap();
        assert_eq!(figures.top1.show(), "50.0 % (40.0 to 62.5)");
        assert_eq!(figures.map.show(), "25.0 %");
        assert_eq!(figures.list(), "3 of 4 held-out clips, list abc");
        assert_eq!(Figures::of_test("{}"), None);
    }

    #[test]
    fn probes_come_one_a_line() {
        let list = LIST.replace('\n', " ");
        let line = format!(r#"{{"input":"both","method":"linear","clips":7,"test":[{list}]}}"#);
        let all = Probed::all(&format!("{line}\n{line}\n")).unwrap();
        assert_eq!((all.len(), &*all[1].input, all[0].clips), (2, "both", 7.0));
        assert_eq!(Probed::all("nonsense"), None);
    }
}
