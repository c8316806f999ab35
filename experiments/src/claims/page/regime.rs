//! The part of a regime: how its runs are made, and the figures of every variant.

use std::fmt::Write as _;

use super::super::grid::{Cell, FinetuneSettings, Regime, Tuning, Variant};
use super::super::limit::Limit;
use super::super::record::{Record, recall};
use super::super::statistics::{Estimate, crossed};
use super::{Results, numbers, seeds};

impl Results<'_> {
    pub(super) fn regime(&self, regime: &Regime) -> String {
        let variants: Vec<&Variant> = self.grid.variants_of(regime).collect();
        let runs: Vec<(&Variant, Vec<&Record>)> =
            variants.iter().map(|one| (*one, self.every(regime, &one.name))).collect();
        let mut cells = self.cells.iter().filter(|cell| cell.regime == regime.name);
        let tuning = cells.find_map(|cell| cell.tuning.as_ref());
        let all: Vec<&Record> = runs.iter().flat_map(|(_, runs)| runs.iter().copied()).collect();
        let mut text = format!("\n### {}\n\n{}\n", regime.name, regime.about);
        if all.is_empty() {
            return text + "\nNot run yet.\n";
        }
        let _ = write!(
            text,
            "\n![R@1 over clips and seconds](claims/{}.svg)\n\n\
             | variant | seeds | R@1 visual to audio | audio to visual | R@10 | | median rank | linear probe | fine-tuned | samples/s |\n\
             |--|--|--:|--:|--:|--:|--:|--|--|--:|\n",
            regime.name,
        );
        text += &self.oracle(&all);
        for (variant, runs) in runs.iter().filter(|(_, runs)| !runs.is_empty()) {
            text += &row(&variant.name, runs, tuning);
        }
        text + &self.commands(regime, &self.letters(&all)) + &self.abouts(regime, &variants)
    }

    /// The row of what an oracle finds in the list of `runs`; none where it has not been measured.
    fn oracle(&self, runs: &[&Record]) -> String {
        let limit = runs.first().and_then(|run| self.limits.of(&run.list));
        let Some(Limit { ranks, .. }) = limit else { return String::new() };
        let [forth, back] = ranks;
        let recall = |way: &[u32], depth| 100.0 * recall(way, depth);
        format!(
            "| oracle, no model | | {:.1} | {:.1} | {:.1} | {:.1} | {} | | | |\n",
            recall(forth, 1),
            recall(back, 1),
            recall(forth, 10),
            recall(back, 10),
            median(ranks),
        )
    }

    /// How to make the runs of `regime`: all of them, and one of them.
    fn commands(&self, regime: &Regime, machines: &str) -> String {
        let seed = regime.choose.iter().map(|seed| format!("seed={seed}")).take(1);
        let command = |recipe: &str, set: &[String], rest: &str| {
            let set = self.grid.set.iter().chain(set).cloned().chain(seed.clone());
            format!("$ equiav pretrain {recipe}{} {rest}\n", options(set))
        };
        let mut text = format!(
            "\nChosen by {}, confirmed by {}; machine {machines}. All runs, and one of them, with what its variant changes at the end:\n\n\
             ```console\n$ cargo xtask claims --only {}\n",
            seeds(&regime.choose),
            if regime.confirm.is_empty() { "none".to_owned() } else { seeds(&regime.confirm) },
            regime.name,
        );
        let mut rest = "--set ... --out RUN";
        if let Some(start) = &regime.start {
            text += &command(&start.recipe, &start.set, "--out START");
            rest = "--set model.start=START --set ... --out RUN";
        }
        text += &command(&regime.recipe, &regime.set, rest);
        if let Some(FinetuneSettings { recipe, per_class, set, .. }) = &regime.finetune {
            let per_class = [format!("data.per_class={per_class}")].into_iter();
            let seeded = seed.clone().flat_map(|seed| [format!("data.split_{seed}"), seed]);
            let set = options(set.iter().cloned().chain(per_class).chain(seeded));
            let _ = writeln!(text, "$ equiav finetune {recipe}{set} --from RUN --out TUNED");
        }
        text + "```\n"
    }

    /// What each variant is and changes, and which are the same runs.
    fn abouts(&self, regime: &Regime, variants: &[&Variant]) -> String {
        let digest = |variant: &Variant| {
            let own = |cell: &&Cell| cell.regime == regime.name && cell.variant == variant.name;
            self.cells.iter().find(own).map(|cell| &cell.digest)
        };
        let mut text = String::new();
        for (at, variant) in variants.iter().enumerate() {
            let twin = variants[..at].iter().find(|other| digest(other) == digest(variant));
            let twin = twin.map(|twin| format!(" The same runs as `{}`.", twin.name));
            let set = options(variant.set.iter().cloned());
            let set = if set.is_empty() { String::new() } else { format!(" `{}`", set.trim()) };
            let twin = twin.unwrap_or_default();
            let _ = writeln!(text, "\n`{}`: {}.{set}{twin}", variant.name, variant.about);
        }
        text
    }
}

/// A table's row of the runs of one variant: means over seeds, R@1 with its interval.
fn row(name: &str, runs: &[&Record], tuning: Option<&Tuning>) -> String {
    let mean = |value: &dyn Fn(&Record) -> f64| {
        runs.iter().map(|run| value(run)).sum::<f64>() / runs.len() as f64
    };
    let recall = |way: usize| {
        let hit = |rank: &u32| f64::from(u8::from(*rank == 1));
        let rows = runs.iter().map(|run| run.ranks[way].iter().map(hit).collect());
        share(&crossed(&rows.collect::<Vec<Vec<f64>>>()))
    };
    let deep = |way| 100.0 * mean(&|run| run.recall(way, 10));
    let median = mean(&|run| f64::from(median(&run.ranks)));
    let of: Vec<u64> = runs.iter().map(|run| run.seed).collect();
    format!(
        "| {name} | {} | {} | {} | {:.1} | {:.1} | {median:.0} | {} | {} | {:.0} |\n",
        numbers(&of),
        recall(0),
        recall(1),
        deep(0),
        deep(1),
        top1(runs, |run| &run.probe),
        top1(runs, |run| tuned(run, tuning)),
        mean(&Record::rate),
    )
}

/// The median rank of both ways.
fn median(ranks: &[Vec<u32>; 2]) -> u32 {
    let mut ranks = ranks.concat();
    ranks.sort_unstable();
    ranks.get(ranks.len() / 2).copied().unwrap_or(0)
}

/// What came of fine-tuning `run` by these settings, which may be nothing yet.
fn tuned<'a>(run: &'a Record, tuning: Option<&Tuning>) -> &'a [(String, f64)] {
    let known = run.finetune.as_ref().zip(tuning);
    let known = known.filter(|(known, tuning)| known.digest == tuning.digest);
    known.map_or(&[], |(known, _)| &known.top1)
}

/// Top-1 by its input, the mean over the runs that have it.
fn top1<'a>(runs: &[&'a Record], of: impl Fn(&'a Record) -> &'a [(String, f64)]) -> String {
    let measured: Vec<&[(String, f64)]> =
        runs.iter().copied().map(of).filter(|all| !all.is_empty()).collect();
    let Some(first) = measured.first() else { return String::new() };
    let mean = |input: &str| {
        let all = measured.iter().flat_map(|all| all.iter()).filter(|(name, _)| name == input);
        let (sum, count) = all.fold((0.0, 0.0), |(sum, count), one| (sum + one.1, count + 1.0));
        100.0 * sum / count
    };
    let shown = first.iter().map(|(input, _)| format!("{input} {:.1}", mean(input)));
    shown.collect::<Vec<_>>().join(", ")
}

fn share(estimate: &Estimate) -> String {
    let interval = estimate
        .interval
        .map(|(low, high)| format!(" [{:.1}, {:.1}]", 100.0 * low.max(0.0), 100.0 * high));
    format!("{:.1}{}", 100.0 * estimate.mean, interval.unwrap_or_default())
}

/// Changes of a recipe as one types them in a shell, each after a space.
fn options(set: impl IntoIterator<Item = String>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "=.,-_/".contains(c);
    let quoted = |change: String| match change.chars().all(plain) {
        true => format!(" --set {change}"),
        false => format!(" --set '{change}'"),
    };
    set.into_iter().map(quoted).collect()
}
