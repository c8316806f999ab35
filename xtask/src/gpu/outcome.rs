//! How each step of a run on a GPU ended, and the page and file that tell it.

use std::collections::HashMap;
use std::fmt::Write as _;

use tinyjson::JsonValue;

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// As it should, with what was seen.
    Passed(String),
    /// Otherwise, and how.
    Failed(String),
    /// It does not apply here, and why.
    Skipped(String),
    /// It came to its end without a figure that counts, and why.
    NotMeasured(String),
}

impl Outcome {
    /// One word or two, and what there is to say.
    pub(super) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Passed(seen) => ("passed", seen),
            Self::Failed(how) => ("failed", how),
            Self::Skipped(why) => ("skipped", why),
            Self::NotMeasured(why) => ("not measured", why),
        }
    }
}

impl From<Result<String, String>> for Outcome {
    fn from(result: Result<String, String>) -> Self {
        result.map_or_else(Self::Failed, Self::Passed)
    }
}

/// A step that is over.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) name: String,
    pub(super) outcome: Outcome,
    pub(super) seconds: f64,
    /// Tables of what was measured, as Markdown.
    pub(super) tables: String,
}

/// `results.md`.
pub(super) fn markdown(title: &str, steps: &[Done]) -> String {
    let mut text = format!("# {title}\n\n| step | outcome | | seconds |\n|--|--|--|--:|\n");
    for Done { name, outcome, seconds, .. } in steps {
        let (word, more) = outcome.parts();
        let more = more.replace('|', "/").replace('\n', " ");
        let _ = writeln!(text, "| {name} | {word} | {more} | {seconds:.1} |");
    }
    for Done { name, tables, .. } in steps.iter().filter(|step| !step.tables.is_empty()) {
        let _ = write!(text, "\n## {name}\n\n{}\n", tables.trim_end());
    }
    text
}

/// `results.json`.
pub(super) fn json(title: &str, steps: &[Done]) -> Result<String, String> {
    let object = |fields: Vec<(&str, JsonValue)>| {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
        JsonValue::from(fields.collect::<HashMap<_, _>>())
    };
    let step = |Done { name, outcome, seconds, tables }: &Done| {
        let (word, more) = outcome.parts();
        object(vec![
            ("step", name.clone().into()),
            ("outcome", word.to_owned().into()),
            ("detail", more.to_owned().into()),
            ("seconds", (*seconds).into()),
            ("tables", tables.clone().into()),
        ])
    };
    let steps: Vec<JsonValue> = steps.iter().map(step).collect();
    let whole = object(vec![("machine", title.to_owned().into()), ("steps", steps.into())]);
    whole.stringify().map_err(|e| format!("results.json: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markdown;

    #[test]
    fn both_files_tell_every_step() {
        let done = |name: &str, outcome, tables: &str| Done {
            name: name.to_owned(),
            outcome,
            seconds: 1.25,
            tables: tables.to_owned(),
        };
        let steps = [
            done("doctor", Outcome::from(Ok("1 | GPU".to_owned())), ""),
            done("tests", Outcome::from(Err("two\nlines".to_owned())), ""),
            done("step", Outcome::NotMeasured("few pairs".to_owned()), "| a |\n|--|\n| 1 |\n"),
        ];
        let text = markdown("A machine", &steps);
        let tables = markdown::tables(&text);
        assert_eq!(tables[0].rows[0].cells, ["doctor", "passed", "1 / GPU", "1.2"]);
        assert_eq!(tables[0].rows[1].cells, ["tests", "failed", "two lines", "1.2"]);
        assert_eq!(tables[1].rows[0].cells, ["1"]);
        let json: JsonValue = json("A machine", &steps).unwrap().parse().unwrap();
        assert_eq!(*json["steps"][2]["outcome"].get::<String>().unwrap(), "not measured");
        assert_eq!(json["steps"][1]["detail"].get::<String>().unwrap(), "two\nlines");
    }
}
