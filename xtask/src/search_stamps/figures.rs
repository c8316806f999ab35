//! What `equiav search --measure --json` prints, as rows of a table.

use std::collections::HashMap;
use std::fmt::Write as _;

use tinyjson::JsonValue;

/// The figures of lists that belong together.
pub(super) struct Group {
    words: &'static str,
    model: String,
    /// By language, and all together where there are several.
    rows: Vec<(String, Row)>,
}

struct Row {
    queries: f64,
    gallery: f64,
    median_rank: f64,
    /// Share, both ends of its interval, and chance, at 1, 5 and 10.
    recall: Vec<[f64; 4]>,
}

impl Group {
    /// Reads what the program `printed` of the lists of `languages`.
    pub(super) fn read(
        words: &'static str,
        languages: &[&str],
        printed: &str,
    ) -> Result<Self, String> {
        let read = || {
            let json: JsonValue = printed.trim().parse().ok()?;
            let json = object(&json)?;
            let model = object(json.get("model")?)?;
            let text = |key: &str| model.get(key)?.get::<String>().cloned();
            let model = format!("{} ({})", text("name")?, text("digest")?);
            let lists: &Vec<JsonValue> = json.get("lists")?.get()?;
            let figures = lists.iter().map(|pair| row(pair.get::<Vec<JsonValue>>()?.get(1)?));
            let figures: Vec<Row> = figures.collect::<Option<_>>()?;
            (figures.len() == languages.len()).then_some(())?;
            let mut rows: Vec<(String, Row)> = Vec::new();
            if languages.len() > 1 {
                rows.push(("together".to_owned(), row(json.get("together")?)?));
            }
            rows.extend(languages.iter().map(|code| format!("`{code}`")).zip(figures));
            Some(Self { words, model, rows })
        };
        read().ok_or_else(|| format!("`equiav search` printed what is no answer: {printed}"))
    }
}

fn object(json: &JsonValue) -> Option<&HashMap<String, JsonValue>> {
    json.get()
}

fn row(json: &JsonValue) -> Option<Row> {
    let json = object(json)?;
    let number = |key: &str| json.get(key)?.get::<f64>().copied();
    let recall = |recall: &JsonValue| {
        let recall = object(recall)?;
        let number = |key: &str| recall.get(key)?.get::<f64>().copied();
        let interval: &Vec<JsonValue> = recall.get("interval")?.get()?;
        let end = |place: usize| interval.get(place)?.get::<f64>().copied();
        Some([number("share")?, end(0)?, end(1)?, number("chance")?])
    };
    let all: &Vec<JsonValue> = json.get("recall")?.get()?;
    Some(Row {
        queries: number("queries")?,
        gallery: number("gallery")?,
        median_rank: number("median_rank")?,
        recall: all.iter().map(recall).collect::<Option<_>>()?,
    })
}

/// The section's text.
pub(super) fn render(groups: &[Group], machine: &str) -> String {
    let mut text = String::new();
    let first = groups.first().and_then(|group| Some((group, &group.rows.first()?.1)));
    if let Some((group, row)) = first {
        let chance: Vec<String> =
            row.recall.iter().map(|recall| format!("{:.1}", 100.0 * recall[3])).collect();
        let _ = writeln!(
            text,
            "Each word is searched among all {} pictures; model {}; {machine}. Intervals of 95 % \
             (Wilson). Chance: {} %.\n",
            row.gallery,
            group.model,
            chance.join(", ")
        );
    }
    text.push_str("| words | language | queries | R@1 | R@5 | R@10 | median rank |\n");
    text.push_str("|---|---|--:|--:|--:|--:|--:|\n");
    for group in groups {
        for (place, (language, row)) in group.rows.iter().enumerate() {
            let words = if place == 0 { group.words } else { "" };
            let _ = write!(text, "| {words} | {language} | {} |", row.queries);
            for [share, low, high, _] in &row.recall {
                let [share, low, high] = [share, low, high].map(|part| 100.0 * part);
                let _ = write!(text, " {share:.1} % ({low:.1} to {high:.1}) |");
            }
            let _ = writeln!(text, " {:.1} |", row.median_rank);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markdown;

    #[test]
    fn an_answer_becomes_rows() {
        let recall = r#"{"at":1,"share":0.25,"interval":[0.1,0.4],"chance":0.002}"#;
        let found = format!(
            r#"{{"queries":20,"gallery":750,"median_rank":3.5,"recall":[{recall},{recall},{recall}]}}"#
        );
        let printed = format!(
            r#"{{"model":{{"name":"stamps, 54 epochs","digest":"ab"}},
                "lists":[["a",{found}],["b",{found}]],"together":{found}}}"#
        );
        let group = Group::read("heard", &["bg", "ca"], &printed).expect("an answer");
        let text = render(&[group], "a machine");
        assert!(text.contains("all 750 pictures; model stamps, 54 epochs (ab); a machine"));
        let rows = &markdown::tables(&text)[0].rows;
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].cells[..4], ["heard", "together", "20", "25.0 % (10.0 to 40.0)"]);
        assert_eq!(rows[2].cells[1], "`ca`");
        assert!(Group::read("heard", &["bg"], &printed).is_err(), "a list too many");
        assert!(Group::read("heard", &["bg"], "error").is_err());
    }
}
