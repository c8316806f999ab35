//! The page: what was claimed, whether it holds, and the figures of every variant.

mod regime;
mod verdicts;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::grid::{Cell, Grid, Regime};
use super::limit::Limits;
use super::picture::{self, Line};
use super::record::{Record, Records};
use crate::generated_docs;

const BEGIN: &str = "<!-- written by `cargo xtask claims` -->\n";
/// Seeds that a verdict needs.
const SEEDS: usize = 5;

/// Writes `docs/claims.md` between its markers, and a picture for each regime.
pub(super) fn write(results: &Results<'_>, docs: &Path) -> Result<()> {
    let folder = docs.join("claims");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let page = docs.join("claims.md");
    if !page.exists() {
        let empty = format!("# Claims\n\n{BEGIN}{}", generated_docs::END);
        fs::write(&page, empty).with_context(|| format!("cannot write {}", page.display()))?;
    }
    for regime in &results.grid.regimes {
        let lines = results.curves(regime);
        if lines.iter().any(|(_, points)| !points.is_empty()) {
            picture::draw(&folder.join(format!("{}.svg", regime.name)), &lines)?;
        }
    }
    generated_docs::write_into(&page, BEGIN, &results.text())
}

/// A grid with what has come of it.
pub(super) struct Results<'a> {
    grid: &'a Grid,
    cells: &'a [Cell],
    records: &'a Records,
    limits: &'a Limits,
    /// Those that runs of the grid were made on; the page has a letter for each.
    machines: Vec<&'a str>,
}

impl<'a> Results<'a> {
    pub(super) fn new(
        grid: &'a Grid,
        cells: &'a [Cell],
        (records, limits): (&'a Records, &'a Limits),
    ) -> Self {
        let made = cells.iter().filter_map(|cell| records.of(cell));
        let machines: BTreeSet<&str> = made.map(|record| record.machine.as_str()).collect();
        Self { grid, cells, records, limits, machines: machines.into_iter().collect() }
    }

    /// The finished runs of `variant` in `regime` with one of `seeds`.
    fn of(&self, regime: &str, variant: &str, seeds: &[u64]) -> Vec<&'a Record> {
        let wanted = |cell: &&Cell| {
            cell.regime == regime && cell.variant == variant && seeds.contains(&cell.seed)
        };
        self.cells.iter().filter(wanted).filter_map(|cell| self.records.of(cell)).collect()
    }

    /// The finished runs of `variant` with any seed of `regime`.
    fn every(&self, regime: &Regime, variant: &str) -> Vec<&'a Record> {
        self.of(&regime.name, variant, &regime.seeds())
    }

    fn curves<'b>(&self, regime: &'b Regime) -> Vec<Line<'b>>
    where
        'a: 'b,
    {
        let line = |name| (name, picture::mean_curve(&self.every(regime, name)));
        self.grid.variants_of(regime).map(|variant| line(variant.name.as_str())).collect()
    }

    /// The letters of the machines that made `records`.
    fn letters(&self, records: &[&Record]) -> String {
        let made = |machine: &str| records.iter().any(|record| record.machine == machine);
        let all = self.machines.iter().zip('A'..).filter(|(machine, _)| made(machine));
        all.map(|(_, letter)| letter.to_string()).collect::<Vec<_>>().join(", ")
    }

    fn text(&self) -> String {
        let finished = self.cells.iter().filter(|cell| self.records.of(cell).is_some()).count();
        let machines = self.machines.iter().zip('A'..);
        let machines = machines.map(|(machine, letter)| format!("{letter} is {machine}"));
        let machines = match machines.collect::<Vec<_>>().join("; ") {
            none if none.is_empty() => none,
            some => format!(" Machines: {some}."),
        };
        let mut text = format!(
            "`cargo xtask claims`: {finished} of {} runs are finished.{machines}\n\n\
             Differences are in points of R@1, the mean of both ways, paired by seed and clip; brackets hold 95 %, over \
             seeds and clips both. Regimes and variants were chosen on the choosing seeds, the best of several too; a \
             verdict is by the confirming seeds alone. A claim holds if its interval is above 0 on at least {SEEDS} of \
             them, and its mean at least what it asks for. It does not hold if the interval is below that, or below 0 \
             where it asks for nothing.\n\n\
             The oracle is no model: it reads the factors of the corpus from jpg and wav by plain signal processing and \
             matches them (`equiav data oracle`), with scales from training clips. What it finds can be found.\n",
            self.cells.len(),
        );
        text += &self.claims();
        for regime in &self.grid.regimes {
            text += &self.regime(regime);
        }
        text
    }
}

/// The numbers of seeds, in their order.
fn numbers(seeds: &[u64]) -> String {
    let follow = seeds.windows(2).all(|pair| pair[1] == pair[0] + 1);
    match seeds {
        [first, _, .., last] if follow && seeds.len() > 2 => format!("{first} to {last}"),
        _ => seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// As [`numbers`], in words.
fn seeds(seeds: &[u64]) -> String {
    let word = if seeds.len() == 1 { "seed" } else { "seeds" };
    format!("{word} {}", numbers(seeds))
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    /// How many of 200 clips a variant has first; with the seed that chooses another number.
    type Skills<'a> = [(&'a str, u32, u32)];

    /// The page of a grid with one regime, seeds 0 and 1 to `last`, whose variants have such `skills`.
    fn page(variants: &str, claims: &str, skills: &Skills<'_>, last: u64) -> String {
        let confirm: Vec<u64> = (1..=last).collect();
        let grid: Grid = toml::from_str(&format!(
            r#"variants = [{variants}]
               claims = [{claims}]
               regimes = [{{ name = "r", about = "here", recipe = "quick", choose = [0], confirm = {confirm:?} }}]"#
        ))
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("recipes")).unwrap();
        fs::write(folder.path().join("recipes/quick.toml"), "a = 1").unwrap();
        let cells = grid.cells(folder.path()).unwrap();
        let mut records = Records::read(folder.path().join("docs/claims/records.jsonl")).unwrap();
        for cell in &cells {
            let own = skills.iter().find(|(name, ..)| *name == cell.variant);
            // A variant without skills has no runs of its own.
            let Some((_, choosing, confirming)) = own else { continue };
            let first = if cell.seed == 0 { choosing } else { confirming };
            let ranks = (0..200).map(|clip| if clip < *first { 1 } else { 12 }).collect();
            let record = record("r", &cell.variant, cell.seed, ranks);
            records.add(Record { digest: cell.digest.clone(), ..record }).unwrap();
        }
        let docs = folder.path().join("docs");
        let limits = docs.join("claims/limits.jsonl");
        let limit =
            r#"{"list":["list",200],"command":["data","oracle"],"ranks":[[1,1,1,2],[1,1,1,1]]}"#;
        fs::write(&limits, limit).unwrap();
        let limits = Limits::read(limits).unwrap();
        write(&Results::new(&grid, &cells, (&records, &limits)), &docs).unwrap();
        assert!(docs.join("claims/r.svg").exists());
        fs::read_to_string(docs.join("claims.md")).unwrap()
    }

    #[track_caller]
    fn has(page: &str, text: &str) {
        assert!(page.contains(text), "{text} is not in {page}");
    }

    const THREE: &str = r#"{ name = "a", about = "one", set = ["a=1"] },
        { name = "b", about = "two", set = ["a=2"] }, { name = "c", about = "three", set = ["a=3"] }"#;

    #[test]
    fn a_claim_is_judged_by_five_fresh_seeds_alone() {
        let claims = r#"{ says = "b is better", less = "a", more = "b" }"#;
        // With seed 0 the other way round: it must not count.
        let skills = [("a", 150, 50), ("b", 50, 150)];
        let whole = page(THREE, claims, &skills, 5);
        has(&whole, "12 of 18 runs are finished. Machines: A is a processor.");
        has(
            &whole,
            "| b is better | a < b | r | -50.0 (seed 0) | +50.0 [+43.0, +57.0] (seeds 1 to 5) | **holds** |",
        );
        has(&whole, "| `--only r/a --only r/b` | A |");
        has(&whole, "| oracle, no model | | 75.0 | 100.0 | 100.0 | 100.0 | 1 | | | |");
        has(&whole, "$ equiav pretrain quick --set seed=0 --set ... --out RUN");
        has(&whole, "`b`: two. `--set a=2`");
        let few = page(THREE, claims, &skills, 3);
        has(&few, "(seeds 1 to 3) | undecided at this size (3 of 5 seeds) |");
    }

    #[test]
    fn the_best_of_several_is_named_by_the_choosing_seeds() {
        // By the choosing seed `a` is the better one, although `b` is on the others.
        let skills = [("a", 60, 40), ("b", 50, 90), ("c", 50, 100)];
        for (by, verdict) in [
            ("30.0", "**holds**"),
            ("31.0", "undecided at this size"),
            ("40.0", "**does not hold**"),
        ] {
            let claims =
                format!(r#"{{ says = "ours", less = ["a", "b"], more = "c", by = {by} }}"#);
            let page = page(THREE, &claims, &skills, 5);
            let by = by.trim_end_matches(".0");
            has(
                &page,
                &format!("| ours | a (best of 2) < c by {by} points | r | -5.0 (seed 0) | +30.0 ["),
            );
            has(&page, &format!(" | {verdict} | `--only r/a --only r/c`"));
        }
        let waiting = r#"{ says = "ours", less = ["a", "b"], more = "c" }"#;
        has(&page(THREE, waiting, &skills[..1], 5), "Not run yet, or not on both sides: ours (r).");
    }

    #[test]
    fn each_link_of_a_chain_has_its_row_and_the_chain_holds_if_all_do() {
        let claims = r#"{ says = "more helps", chain = ["a", "b", "c"] }"#;
        let rising = page(THREE, claims, &[("a", 20, 20), ("b", 60, 60), ("c", 100, 100)], 5);
        has(&rising, "| more helps | a < b | r |");
        has(&rising, "| more helps | b < c | r |");
        has(&rising, "| more helps | all 2 | r | | | **holds** |");
        let level = page(THREE, claims, &[("a", 20, 20), ("b", 60, 60), ("c", 60, 60)], 5);
        has(&level, "| more helps | all 2 | r | | | undecided at this size |");
        let falling = page(THREE, claims, &[("a", 20, 20), ("b", 60, 60), ("c", 30, 30)], 5);
        has(&falling, "| more helps | all 2 | r | | | **does not hold** |");
    }

    #[test]
    fn variants_that_change_the_same_share_their_runs() {
        let variants = format!(r#"{THREE}, {{ name = "d", about = "two again", set = ["a=2"] }}"#);
        let claims = r#"{ says = "d is better", less = "a", more = "d" }"#;
        let page = page(&variants, claims, &[("a", 20, 20), ("b", 60, 60)], 5);
        has(&page, "| d is better | a < d | r | +20.0 (seed 0) | +20.0 [");
        has(&page, "`d`: two again. `--set a=2` The same runs as `b`.");
    }
}
