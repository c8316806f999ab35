//! How each step of a run on a GPU ended, and the page and file that tell it.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::json;

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

impl From<Result<String>> for Outcome {
    fn from(result: Result<String>) -> Self {
        result.map_or_else(|error| Self::Failed(format!("{error:#}")), Self::Passed)
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

impl Done {
    /// A line for the terminal.
    pub(super) fn line(&self) -> String {
        let (word, more) = self.outcome.parts();
        format!("{:<46}  {word:<12}  {}", self.name, more.replace('\n', " ")).trim_end().to_owned()
    }
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
pub(super) fn json(title: &str, steps: &[Done]) -> String {
    let step = |Done { name, outcome, seconds, tables }: &Done| {
        let (word, more) = outcome.parts();
        json!({"step": name, "outcome": word, "detail": more, "seconds": seconds, "tables": tables})
    };
    let steps: Vec<_> = steps.iter().map(step).collect();
    json!({"machine": title, "steps": steps}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            done("tests", Outcome::from(Err(anyhow::anyhow!("two\nlines"))), ""),
            done("step", Outcome::NotMeasured("few pairs".to_owned()), "| a |\n|--|\n| 1 |\n"),
        ];
        let text = markdown("A machine", &steps);
        assert!(text.contains("\n| doctor | passed | 1 / GPU | 1.2 |\n"), "{text}");
        assert!(text.contains("\n| tests | failed | two lines | 1.2 |\n"), "{text}");
        assert!(text.ends_with("\n## step\n\n| a |\n|--|\n| 1 |\n"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&json("A machine", &steps)).unwrap();
        assert_eq!(json["steps"][2]["outcome"], "not measured");
        assert_eq!(json["steps"][1]["detail"], "two\nlines");
    }
}
