//! `search-stamps`: how often a spoken word finds its picture among all of the stamps.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::generated_docs;
use crate::process::{self, note, print, read_json};
use crate::repository::{Repository, machine_and_date};

const FILE: &str = "docs/results.md";
const BEGIN: &str = "<!-- written by `cargo xtask search-stamps --write` -->\n";
/// The languages of recipes/stamps.toml.
const HEARD: [&str; 6] = ["bg", "ca", "el", "fr", "ro", "ru"];
const UNHEARD: [&str; 1] = ["be"];

/// Search the stamps with spoken words and print how often the picture is found
///
/// Trains recipes/stamps.toml into runs/stamps unless it is trained there to its end (20 minutes on two cores),
/// indexes all pictures of the stamps, and searches them with spoken words, of heard languages and of one that was
/// never heard: R@1, R@5 and R@10 with 95 % intervals. Equal pictures count as correct.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Use this run, or this exported model, as it is; nothing is trained
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Write the table to docs/results.md, between its markers
    #[arg(long)]
    write: bool,
}

/// Trains if need be, indexes, searches, and prints or writes the table.
pub(crate) fn run(repository: &Repository, options: &Options) -> Result<()> {
    let run = match &options.run {
        Some(run) => repository.root.join(run),
        None => train(repository)?,
    };
    let lists = lists(repository)?;
    let index = repository.target().join("search-stamps.index");
    // Another model may have made the last one.
    if index.exists() {
        std::fs::remove_file(&index).with_context(|| format!("cannot remove {index:?}"))?;
    }
    let pictures = lists.join("../prepared-160/pictures");
    let mut indexing = repository.equiav();
    process::run(indexing.arg("index").args([&run, &pictures]).arg("--out").arg(&index))?;

    let mut groups = Vec::new();
    for (words, part, languages) in [
        ("heard languages, trained pictures", "heard", &HEARD[..]),
        ("heard languages, new pictures", "heard-pictures", &HEARD),
        ("unheard language, trained pictures", "unheard", &UNHEARD),
        ("unheard language, new pictures", "unheard-pictures", &UNHEARD),
    ] {
        let mut search = repository.equiav();
        search.arg("search").args([&index, &run]).arg("--json");
        for language in languages {
            search.arg("--measure").arg(lists.join(format!("{part}-{language}.json")));
        }
        groups.push(Group::read(words, languages, &process::capture(&mut search)?)?);
    }
    let text = render(&groups, &machine_and_date());
    print(text.trim_end())?;
    if options.write {
        generated_docs::write_between(repository, FILE, BEGIN, &text)?;
    }
    Ok(())
}

/// The run of the recipe, trained to its end: the same command resumes, or finds that it is done.
fn train(repository: &Repository) -> Result<PathBuf> {
    let run = repository.root.join("runs/stamps");
    note(&format!("training into {}, or resuming there", run.display()));
    let mut pretrain = repository.equiav();
    pretrain.arg("pretrain").arg(repository.root.join("recipes/stamps.toml"));
    process::run(pretrain.arg("--out").arg(&run))?;
    Ok(run)
}

/// The folder of the recipe's lists, made if need be.
fn lists(repository: &Repository) -> Result<PathBuf> {
    let mut stamps = repository.equiav();
    stamps.args(["data", "stamps", "--heard", &HEARD.join(","), "--unheard", &UNHEARD.join(",")]);
    let said = process::capture(&mut stamps)?;
    let folder = said.trim_end().lines().last().map(PathBuf::from);
    let folder = folder.filter(|folder| folder.is_dir());
    folder.with_context(|| format!("`equiav data stamps` named no folder of lists: {said}"))
}

/// What `equiav search --measure --json` prints.
#[derive(Deserialize)]
struct Answer {
    model: Model,
    lists: Vec<(String, Row)>,
    together: Option<Row>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
    digest: String,
}

/// The figures of a list.
#[derive(Deserialize)]
struct Row {
    queries: u64,
    gallery: u64,
    median_rank: f64,
    /// At 1, 5 and 10.
    recall: Vec<Recall>,
}

#[derive(Deserialize)]
struct Recall {
    share: f64,
    interval: (f64, f64),
    chance: f64,
}

/// The figures of lists that belong together.
struct Group {
    words: &'static str,
    model: Model,
    /// By language, and all together where there are several.
    rows: Vec<(String, Row)>,
}

impl Group {
    /// Reads what the program `printed` of the lists of `languages`.
    fn read(words: &'static str, languages: &[&str], printed: &str) -> Result<Self> {
        let Answer { model, lists, together } = read_json("equiav search", printed)?;
        let (found, wanted) = (lists.len(), languages.len());
        ensure!(found == wanted, "equiav search told of {found} lists, not of {wanted}");
        let names = languages.iter().map(|code| format!("`{code}`"));
        let mut rows: Vec<_> = names.zip(lists.into_iter().map(|(_, row)| row)).collect();
        if let Some(together) = together.filter(|_| wanted > 1) {
            rows.insert(0, ("together".to_owned(), together));
        }
        Ok(Self { words, model, rows })
    }
}

/// The section's text.
fn render(groups: &[Group], machine: &str) -> String {
    let mut text = String::new();
    if let Some((Model { name, digest }, (_, row))) =
        groups.first().and_then(|group| Some((&group.model, group.rows.first()?)))
    {
        let chance = row.recall.iter().map(|recall| format!("{:.1}", 100.0 * recall.chance));
        let _ = writeln!(
            text,
            "Each word is searched among all {} pictures; model {name} ({digest}); {machine}. Intervals of 95 % \
             (Wilson). Chance: {} %.\n",
            row.gallery,
            chance.collect::<Vec<_>>().join(", ")
        );
    }
    text.push_str("| words | language | queries | R@1 | R@5 | R@10 | median rank |\n");
    text.push_str("|---|---|--:|--:|--:|--:|--:|\n");
    for group in groups {
        for (place, (language, row)) in group.rows.iter().enumerate() {
            let words = if place == 0 { group.words } else { "" };
            let _ = write!(text, "| {words} | {language} | {} |", row.queries);
            for Recall { share, interval: (low, high), .. } in &row.recall {
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
        let group = Group::read("heard", &["bg", "ca"], &printed).unwrap();
        let text = render(&[group], "a machine");
        assert!(text.contains("all 750 pictures; model stamps, 54 epochs (ab); a machine"));
        assert!(text.contains("| heard | together | 20 | 25.0 % (10.0 to 40.0) |"), "{text}");
        assert!(text.ends_with("| 3.5 |\n") && text.contains("|  | `ca` | 20 |"), "{text}");
        assert!(Group::read("heard", &["bg"], &printed).is_err(), "a list too many");
        assert!(Group::read("heard", &["bg"], "error").is_err());
    }

    #[test]
    fn the_page_has_a_place_for_the_table() {
        let page = include_str!("../../docs/results.md");
        let (_, rest) = page.split_once(BEGIN).expect("a beginning");
        assert!(rest.contains(generated_docs::END));
    }

    #[test]
    fn the_languages_are_those_of_the_recipe() {
        let recipe = include_str!("../../recipes/stamps.toml");
        for (key, codes) in [("heard", &HEARD[..]), ("unheard", &UNHEARD)] {
            assert!(recipe.contains(&format!("\n{key} = {codes:?}")), "{key}");
        }
    }
}
