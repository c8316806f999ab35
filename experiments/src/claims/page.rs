//! The page: what was claimed, whether it holds, and the figures of every variant.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::grid::{Cell, Claim, Grid, Regime};
use super::picture::{self, Line};
use super::record::{Record, Records};
use super::statistics::{Estimate, Verdict, crossed};
use crate::generated_docs;

const BEGIN: &str = "<!-- written by `cargo xtask claims` -->\n";
/// Seeds that a verdict needs.
const SEEDS: usize = 5;

/// Writes `docs/claims.md` between its markers, and a picture for each regime.
pub(super) fn write(grid: &Grid, cells: &[Cell], records: &Records, docs: &Path) -> Result<()> {
    let folder = docs.join("claims");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let page = docs.join("claims.md");
    if !page.exists() {
        let empty = format!("# Claims\n\n{BEGIN}{}", generated_docs::END);
        fs::write(&page, empty).with_context(|| format!("cannot write {}", page.display()))?;
    }
    let results = Results { grid, cells, records };
    for regime in &grid.regimes {
        let lines = results.curves(regime);
        if lines.iter().any(|(_, points)| !points.is_empty()) {
            picture::draw(&folder.join(format!("{}.svg", regime.name)), &lines)?;
        }
    }
    generated_docs::write_into(&page, BEGIN, &results.text())
}

/// A grid with what has come of it.
struct Results<'a> {
    grid: &'a Grid,
    cells: &'a [Cell],
    records: &'a Records,
}

impl Results<'_> {
    /// The finished runs of `variant` in `regime` with one of `seeds`.
    fn of(&self, regime: &str, variant: &str, seeds: &[u64]) -> Vec<&Record> {
        let wanted = |cell: &&Cell| {
            cell.regime == regime && cell.variant == variant && seeds.contains(&cell.seed)
        };
        self.cells.iter().filter(wanted).filter_map(|cell| self.records.of(cell)).collect()
    }

    /// The finished runs of `variant` with any seed of `regime`.
    fn every(&self, regime: &Regime, variant: &str) -> Vec<&Record> {
        let seeds = [&regime.choose[..], &regime.confirm].concat();
        self.of(&regime.name, variant, &seeds)
    }

    fn curves<'a>(&'a self, regime: &'a Regime) -> Vec<Line<'a>> {
        let line = |name| (name, picture::mean_curve(&self.every(regime, name)));
        self.grid.variants_of(regime).map(|variant| line(variant.name.as_str())).collect()
    }

    fn text(&self) -> String {
        let finished = self.cells.iter().filter(|cell| self.records.of(cell).is_some()).count();
        let machines: BTreeSet<&str> =
            self.records.all.iter().map(|record| record.machine.as_str()).collect();
        let machines = machines.into_iter().collect::<Vec<_>>().join("; ");
        let mut text = format!(
            "`cargo xtask claims`: {finished} of {} runs are finished. {machines}.\n\n\
             Differences are in points of R@1, the mean of both ways, paired by seed and clip; brackets hold 95 %, over \
             seeds and clips both. Regimes and variants were chosen on the choosing seeds; a verdict is by the \
             confirming seeds alone, and takes {SEEDS} of them.\n",
            self.cells.len(),
        );
        text += &self.claims();
        for regime in &self.grid.regimes {
            text += &self.regime(regime);
        }
        text
    }

    fn claims(&self) -> String {
        let mut text = "\n| claim | regime | choosing seeds | confirming seeds | verdict |\n\
                        |--|--|--|--|--|\n"
            .to_owned();
        for claim in &self.grid.claims {
            for regime in &self.grid.regimes {
                let of = |seeds: &[u64]| self.difference(regime, claim, seeds);
                let (chosen, confirmed) = (of(&regime.choose), of(&regime.confirm));
                if chosen.is_none() && confirmed.is_none() {
                    continue;
                }
                let verdict = verdict(confirmed.as_ref());
                let [chosen, confirmed] = [chosen, confirmed].map(|one| points(one.as_ref()));
                let (says, name) = (&claim.says, &regime.name);
                let _ = writeln!(text, "| {says} | {name} | {chosen} | {confirmed} | {verdict} |");
            }
        }
        text
    }

    /// By how much `claim.more` is ahead of `claim.less`, over the seeds that both have.
    fn difference(&self, regime: &Regime, claim: &Claim, seeds: &[u64]) -> Option<Estimate> {
        let [less, more] =
            [&claim.less, &claim.more].map(|name| self.of(&regime.name, name, seeds));
        let pair = |less: &&Record| {
            let other =
                more.iter().find(|more| more.seed == less.seed && more.list == less.list)?;
            let [less, more] = [hits(less), hits(other)];
            Some(more.iter().zip(less).map(|(more, less)| more - less).collect())
        };
        let rows: Vec<Vec<f64>> = less.iter().filter_map(pair).collect();
        (!rows.is_empty()).then(|| crossed(&rows))
    }

    fn regime(&self, regime: &Regime) -> String {
        if self.curves(regime).iter().all(|(name, _)| self.every(regime, name).is_empty()) {
            return format!("\n### {}\n\n{}\n\nNot run yet.\n", regime.name, regime.about);
        }
        let mut text = format!(
            "\n### {}\n\n{}\n\n![R@1 over clips and seconds](claims/{}.svg)\n\n\
             | variant | seeds | R@1 visual to audio | audio to visual | R@10 | | median rank | linear probe | samples/s |\n\
             |--|--:|--:|--:|--:|--:|--:|--|--:|\n",
            regime.name, regime.about, regime.name,
        );
        for (name, _) in self.curves(regime) {
            let runs = self.every(regime, name);
            if !runs.is_empty() {
                text += &row(name, &runs);
            }
        }
        for variant in self.grid.variants_of(regime) {
            let _ = writeln!(text, "\n`{}`: {}.", variant.name, variant.about);
        }
        text
    }
}

/// For each clip, how much of both ways is answered first: 0, 0.5 or 1.
fn hits(record: &Record) -> Vec<f64> {
    let [forth, back] = &record.ranks;
    let hit = |rank: &u32| f64::from(u8::from(*rank == 1));
    forth.iter().zip(back).map(|(forth, back)| (hit(forth) + hit(back)) / 2.0).collect()
}

/// A table's row of the runs of one variant: means over seeds, R@1 with its interval.
fn row(name: &str, runs: &[&Record]) -> String {
    let mean = |value: &dyn Fn(&Record) -> f64| {
        runs.iter().map(|run| value(run)).sum::<f64>() / runs.len() as f64
    };
    let recall = |way: usize| {
        let hit = |rank: &u32| f64::from(u8::from(*rank == 1));
        let rows = runs.iter().map(|run| run.ranks[way].iter().map(hit).collect());
        share(&crossed(&rows.collect::<Vec<Vec<f64>>>()))
    };
    let deep = |way| 100.0 * mean(&|run| run.recall(way, 10));
    let median = mean(&|run| {
        let mut ranks = run.ranks.concat();
        ranks.sort_unstable();
        f64::from(ranks[ranks.len() / 2])
    });
    let probed: Vec<String> = runs[0]
        .probe
        .iter()
        .enumerate()
        .map(|(at, (input, _))| {
            let top1 = mean(&|run| run.probe.get(at).map_or(f64::NAN, |one| one.1));
            format!("{input} {:.1}", 100.0 * top1)
        })
        .collect();
    format!(
        "| {name} | {} | {} | {} | {:.1} | {:.1} | {median:.0} | {} | {:.0} |\n",
        runs.len(),
        recall(0),
        recall(1),
        deep(0),
        deep(1),
        probed.join(", "),
        mean(&Record::rate),
    )
}

fn share(estimate: &Estimate) -> String {
    let interval = estimate
        .interval
        .map(|(low, high)| format!(" [{:.1}, {:.1}]", 100.0 * low.max(0.0), 100.0 * high));
    format!("{:.1}{}", 100.0 * estimate.mean, interval.unwrap_or_default())
}

fn points(estimate: Option<&Estimate>) -> String {
    let Some(Estimate { mean, interval, seeds }) = estimate else { return "not run".to_owned() };
    let interval =
        interval.map(|(low, high)| format!(" [{:+.1}, {:+.1}]", 100.0 * low, 100.0 * high));
    format!("{:+.1}{} of {seeds}", 100.0 * mean, interval.unwrap_or_default())
}

fn verdict(confirmed: Option<&Estimate>) -> String {
    match confirmed {
        None => "not confirmed".to_owned(),
        Some(estimate) if estimate.seeds < SEEDS => {
            format!("open: {} of {SEEDS} seeds", estimate.seeds)
        }
        Some(estimate) => match estimate.verdict() {
            Verdict::Holds => "**holds**".to_owned(),
            Verdict::DoesNotHold => "**does not hold**".to_owned(),
            Verdict::Undecided => "undecided at this size".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn a_claim_is_judged_by_fresh_seeds_alone() {
        let grid: Grid = toml::from_str(
            r#"variants = [{ name = "a", about = "less" }, { name = "b", about = "more" }]
               claims = [{ says = "a < b", less = "a", more = "b" }]
               regimes = [{ name = "r", about = "here", recipe = "quick", choose = [0], confirm = [1, 2, 3, 4, 5] }]"#,
        )
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("recipes")).unwrap();
        fs::write(folder.path().join("recipes/quick.toml"), "a = 1").unwrap();
        let cells = grid.cells(folder.path()).unwrap();
        let mut records = Records::read(folder.path().join("docs/claims/records.jsonl")).unwrap();
        for cell in &cells {
            // With seed 0 the other way round: it must not count.
            let ahead = (cell.variant == "b") != (cell.seed == 0);
            let hit = |clip: u32| clip % 4 == 1 || ahead && !clip.is_multiple_of(4);
            let rank = |clip: u32| if hit(clip) { 1 } else { 12 };
            let ranks = (0..200).map(rank).collect();
            let record = record("r", &cell.variant, cell.seed, ranks);
            records.add(Record { digest: cell.digest.clone(), ..record }).unwrap();
        }
        let docs = folder.path().join("docs");
        write(&grid, &cells, &records, &docs).unwrap();
        let page = fs::read_to_string(docs.join("claims.md")).unwrap();
        assert!(page.contains("12 of 12 runs are finished"), "{page}");
        assert!(
            page.contains("| a < b | r | -50.0 of 1 | +50.0 [+43.0, +57.0] of 5 | **holds** |"),
            "{page}"
        );
        assert!(docs.join("claims/r.svg").exists());
        let few: Vec<Cell> = cells.into_iter().filter(|cell| cell.seed < 4).collect();
        write(&grid, &few, &records, &docs).unwrap();
        assert!(fs::read_to_string(docs.join("claims.md")).unwrap().contains("open: 3 of 5 seeds"));
    }
}
