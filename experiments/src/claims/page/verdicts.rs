//! The table of claims: what is compared in which regime, by how much it differs, and whether the claim holds.

use std::fmt::Write as _;

use super::super::claim::{Claim, Link, Side};
use super::super::grid::Regime;
use super::super::record::Record;
use super::super::statistics::{Estimate, Verdict, crossed};
use super::{Results, SEEDS, seeds};

const HEAD: &str = "\n| claim | compared | regime | choosing seeds | confirming seeds | verdict | options of `cargo xtask claims` | machine |\n\
                    |--|--|--|--|--|--|--|--|\n";

/// A comparison within a regime.
struct Row<'a> {
    less: Chosen<'a>,
    more: Chosen<'a>,
    /// On the seeds that choose, and on those that confirm.
    chosen: Option<Difference<'a>>,
    confirmed: Option<Difference<'a>>,
}

/// The variant that stands for a side, and of how many it is the best.
#[derive(Clone, Copy)]
struct Chosen<'a> {
    name: &'a str,
    of: usize,
}

/// By how much one variant is ahead of another, and the runs that tell.
struct Difference<'a> {
    estimate: Estimate,
    runs: Vec<&'a Record>,
}

impl<'a> Results<'a> {
    /// The table, and what is missing of it.
    pub(super) fn claims(&self) -> String {
        let mut text = HEAD.to_owned();
        let mut missing = Vec::new();
        for claim in &self.grid.claims {
            let mut lacking = Vec::new();
            for regime in self.grid.regimes.iter().filter(|one| claim.is_made_for(&one.name)) {
                let links = claim.links().into_iter().filter(|link| self.compares(regime, *link));
                let links: Vec<Link<'_>> = links.collect();
                let rows: Vec<_> =
                    links.iter().filter_map(|link| self.row(regime, *link)).collect();
                for row in &rows {
                    text += &self.line(claim, regime, row);
                }
                if rows.len() < links.len() {
                    lacking.push(regime.name.as_str());
                } else if rows.len() > 1 && rows.len() == claim.links().len() {
                    text += &whole(claim, regime, &rows);
                }
            }
            if !lacking.is_empty() {
                missing.push(format!("{} ({})", claim.says, lacking.join(", ")));
            }
        }
        if !missing.is_empty() {
            let _ = writeln!(text, "\nNot run yet, or not on both sides: {}.", missing.join("; "));
        }
        text
    }

    /// Whether `regime` has a variant for either side.
    fn compares(&self, regime: &Regime, link: Link<'_>) -> bool {
        [link.less, link.more].iter().all(|side| !self.candidates(regime, side).is_empty())
    }

    /// The variants of `side` that `regime` has.
    fn candidates<'b>(&self, regime: &Regime, side: &'b Side) -> Vec<&'b str> {
        let known: Vec<&String> =
            self.grid.variants_of(regime).map(|variant| &variant.name).collect();
        side.names().iter().filter(|name| known.contains(name)).map(String::as_str).collect()
    }

    /// What came of `link` in `regime`; none without a run on both sides.
    fn row<'b>(&'b self, regime: &'b Regime, link: Link<'b>) -> Option<Row<'b>> {
        let (less, more) = (self.best(regime, link.less)?, self.best(regime, link.more)?);
        let of = |seeds: &[u64]| self.difference(regime, less.name, more.name, seeds);
        let (chosen, confirmed) = (of(&regime.choose), of(&regime.confirm));
        let any = chosen.is_some() || confirmed.is_some();
        any.then_some(Row { less, more, chosen, confirmed })
    }

    /// The variant of `side` with the highest mean R@1 on the choosing seeds that all of them have.
    ///
    /// None where there is no such seed, unless there is nothing to choose.
    fn best<'b>(&self, regime: &Regime, side: &'b Side) -> Option<Chosen<'b>> {
        let names = self.candidates(regime, side);
        if let [name] = names[..] {
            return Some(Chosen { name, of: 1 });
        }
        let has = |name: &str, seed: u64| !self.of(&regime.name, name, &[seed]).is_empty();
        let all = regime.choose.iter().copied();
        let shared: Vec<u64> =
            all.filter(|seed| names.iter().all(|name| has(name, *seed))).collect();
        if shared.is_empty() {
            return None;
        }
        let mean = |name: &str| {
            let runs = self.of(&regime.name, name, &shared);
            runs.iter().map(|run| run.recall(0, 1) + run.recall(1, 1)).sum::<f64>()
        };
        let of = names.len();
        let best = names.into_iter().max_by(|one, other| mean(one).total_cmp(&mean(other)));
        Some(Chosen { name: best?, of })
    }

    /// By how much `more` is ahead of `less`, over those of `seeds` that both have.
    fn difference(
        &self,
        regime: &Regime,
        less: &str,
        more: &str,
        seeds: &[u64],
    ) -> Option<Difference<'a>> {
        let [less, more] = [less, more].map(|name| self.of(&regime.name, name, seeds));
        let pair = |one: &&'a Record| {
            let same = |other: &&&Record| other.seed == one.seed && other.list == one.list;
            more.iter().find(same).map(|other| (*one, *other))
        };
        let pairs: Vec<(&Record, &Record)> = less.iter().filter_map(pair).collect();
        let ahead = |(less, more): &(&Record, &Record)| -> Vec<f64> {
            let [less, more] = [less, more].map(|run| run.hits());
            more.iter().zip(less).map(|(more, less)| more - less).collect()
        };
        let rows: Vec<Vec<f64>> = pairs.iter().map(ahead).collect();
        (!rows.is_empty()).then(|| Difference {
            estimate: crossed(&rows),
            runs: pairs.into_iter().flat_map(|(less, more)| [less, more]).collect(),
        })
    }

    fn line(&self, claim: &Claim, regime: &Regime, row: &Row<'_>) -> String {
        let [less, more] = [row.less, row.more];
        let both = row.chosen.iter().chain(&row.confirmed);
        let runs: Vec<&Record> = both.flat_map(|one| one.runs.iter().copied()).collect();
        let only = [less.name, more.name].map(|name| format!("--only {}/{name}", regime.name));
        let by = if claim.by > 0.0 { format!(" by {} points", claim.by) } else { String::new() };
        format!(
            "| {} | {} < {}{by} | {} | {} | {} | {} | `{}` | {} |\n",
            claim.says,
            less.shown(),
            more.shown(),
            regime.name,
            points(row.chosen.as_ref()),
            points(row.confirmed.as_ref()),
            row.shown_verdict(claim.by),
            only.join(" "),
            self.letters(&runs),
        )
    }
}

/// The line of a chain of which every link has been run: it holds if all of them do.
fn whole(claim: &Claim, regime: &Regime, rows: &[Row<'_>]) -> String {
    let verdicts: Vec<Verdict> = rows.iter().map(|row| row.verdict(claim.by)).collect();
    let verdict = if verdicts.contains(&Verdict::DoesNotHold) {
        Verdict::DoesNotHold
    } else if verdicts.contains(&Verdict::Undecided) {
        Verdict::Undecided
    } else {
        Verdict::Holds
    };
    let count = rows.len();
    format!("| {} | all {count} | {} | | | {} | | |\n", claim.says, regime.name, words(verdict))
}

impl Row<'_> {
    /// Whether `more` is ahead by so many points, as far as the confirming seeds tell.
    fn verdict(&self, by: f64) -> Verdict {
        match &self.confirmed {
            Some(one) if one.estimate.seeds >= SEEDS => one.estimate.verdict(by / 100.0),
            _ => Verdict::Undecided,
        }
    }

    fn shown_verdict(&self, by: f64) -> String {
        let seeds = self.confirmed.as_ref().map_or(0, |one| one.estimate.seeds);
        let few =
            if seeds < SEEDS { format!(" ({seeds} of {SEEDS} seeds)") } else { String::new() };
        format!("{}{few}", words(self.verdict(by)))
    }
}

impl Chosen<'_> {
    fn shown(self) -> String {
        match self.of {
            1 => self.name.to_owned(),
            of => format!("{} (best of {of})", self.name),
        }
    }
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "**holds**",
        Verdict::DoesNotHold => "**does not hold**",
        Verdict::Undecided => "undecided at this size",
    }
}

/// A difference in points with its interval and the seeds that it was found on.
fn points(difference: Option<&Difference<'_>>) -> String {
    let Some(Difference { estimate: Estimate { mean, interval, .. }, runs }) = difference else {
        return "not run".to_owned();
    };
    let interval =
        interval.map(|(low, high)| format!(" [{:+.1}, {:+.1}]", 100.0 * low, 100.0 * high));
    // Runs stand in pairs, one of either side.
    let of: Vec<u64> = runs.iter().step_by(2).map(|run| run.seed).collect();
    format!("{:+.1}{} ({})", 100.0 * mean, interval.unwrap_or_default(), seeds(&of))
}
