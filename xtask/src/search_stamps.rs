//! `search-stamps`: how often a spoken word finds its picture among all of the stamps.

mod figures;

use std::path::PathBuf;

use crate::args::Args;
use crate::output::out;
use crate::terminal::note;
use crate::workspace::Workspace;
use crate::{jpeg, machine, process, setup, written};
use figures::Group;

pub(crate) const HELP: &str = "\
usage: cargo xtask search-stamps [--run DIR] [--write]

Trains recipes/stamps.toml into runs/stamps unless it is trained there to its end (20 minutes on two
cores), indexes all pictures of the stamps, and searches them with spoken words, of heard languages and
of one that was never heard: R@1, R@5 and R@10 with 95 % intervals. Equal pictures count as correct.

options:
  --run DIR   use this run, or this exported model, as it is; nothing is trained
  --write     write the table to docs/results.md, between its markers
";

const FILE: &str = "docs/results.md";
const BEGIN: &str = "<!-- written by `cargo xtask search-stamps --write` -->\n";
/// The languages of recipes/stamps.toml.
const HEARD: [&str; 6] = ["bg", "ca", "el", "fr", "ro", "ru"];
const UNHEARD: [&str; 1] = ["be"];

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// A run to be used as it is.
    pub(crate) run: Option<PathBuf>,
    /// Whether docs/results.md is written.
    pub(crate) write: bool,
}

/// `cargo xtask search-stamps`.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    measure(workspace, &parse(arguments)?)
}

/// Trains if need be, indexes, searches, and prints or writes the table.
pub(crate) fn measure(workspace: &Workspace, options: &Options) -> Result<(), String> {
    setup::ensure(workspace)?;
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--package", "equiav"]).args(jpeg::features());
    process::run(&mut build)?;
    let run = match &options.run {
        Some(run) => workspace.root().join(run),
        None => train(workspace)?,
    };
    let lists = lists(workspace)?;
    let index = workspace.target().join("search-stamps.index");
    // Another model may have made the last one.
    if index.exists() {
        std::fs::remove_file(&index).map_err(|e| format!("removing {}: {e}", index.display()))?;
    }
    let pictures = lists.join("../prepared-160/pictures");
    let mut indexing = equiav(workspace);
    indexing.arg("index").args([&run, &pictures]).arg("--out").arg(&index);
    process::run(&mut indexing)?;

    let mut groups = Vec::new();
    for (words, part, languages) in [
        ("heard languages, trained pictures", "heard", &HEARD[..]),
        ("heard languages, new pictures", "heard-pictures", &HEARD),
        ("unheard language, trained pictures", "unheard", &UNHEARD),
        ("unheard language, new pictures", "unheard-pictures", &UNHEARD),
    ] {
        let mut search = equiav(workspace);
        search.arg("search").args([&index, &run]).arg("--json");
        for language in languages {
            search.arg("--measure").arg(lists.join(format!("{part}-{language}.json")));
        }
        groups.push(Group::read(words, languages, &process::capture(&mut search)?)?);
    }
    let text = figures::render(&groups, &machine::and_date());
    out!("{text}");
    if options.write { written::write_between(workspace, FILE, BEGIN, &text) } else { Ok(()) }
}

fn equiav(workspace: &Workspace) -> std::process::Command {
    std::process::Command::new(workspace.target().join("release/equiav"))
}

/// The run of the recipe, trained to its end: the same command goes on, or finds that it is done.
fn train(workspace: &Workspace) -> Result<PathBuf, String> {
    let run = workspace.root().join("runs/stamps");
    note(&format!("training into {}, or going on there", run.display()));
    let mut pretrain = equiav(workspace);
    pretrain.arg("pretrain").arg(workspace.root().join("recipes/stamps.toml"));
    process::run(pretrain.arg("--out").arg(&run))?;
    Ok(run)
}

/// The folder of the recipe's lists, made if need be.
fn lists(workspace: &Workspace) -> Result<PathBuf, String> {
    let mut stamps = equiav(workspace);
    stamps.args(["data", "stamps", "--heard", &HEARD.join(","), "--unheard", &UNHEARD.join(",")]);
    let said = process::capture(&mut stamps)?;
    let folder = said.trim_end().lines().last().map(PathBuf::from);
    folder.filter(|folder| folder.is_dir()).ok_or_else(|| format!("no folder of lists: {said}"))
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = Args::new("search-stamps", arguments);
    while let Some(argument) = args.next() {
        match argument {
            "--run" => options.run = Some(args.value("--run")?.into()),
            "--write" => options.write = true,
            other => return Err(args.unknown(other)),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let parsed =
            |line: &str| parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parsed(""), Ok(Options::default()));
        let all = Options { run: Some("runs/mine".into()), write: true };
        assert_eq!(parsed("--write --run runs/mine"), Ok(all));
        assert!(parsed("--run").unwrap_err().contains("needs a value"));
        assert!(parsed("--runs x").unwrap_err().contains("`--runs` is no option"));
    }

    #[test]
    fn the_page_has_a_place_for_the_table() {
        let page = include_str!("../../docs/results.md");
        let (_, rest) = page.split_once(BEGIN).expect("a beginning");
        assert!(rest.contains(written::END));
    }

    #[test]
    fn the_languages_are_those_of_the_recipe() {
        let recipe = include_str!("../../recipes/stamps.toml");
        let quoted = |codes: &[&str]| {
            codes.iter().map(|code| format!("\"{code}\"")).collect::<Vec<_>>().join(", ")
        };
        assert!(recipe.contains(&format!("\nheard = [{}]", quoted(&HEARD))));
        assert!(recipe.contains(&format!("\nunheard = [{}]", quoted(&UNHEARD))));
    }
}
