//! Explains a failed collective: which rank did not take part, from what the ranks have written to the store.

use std::thread;
use std::time::{Duration, Instant};

use super::error::name_ranks;
use super::heartbeat::{LEFT_FAILED, Server, Shared, key};
use super::session::Step;
use crate::TorchError;

/// The ranks that are missing, as numbers and in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) missing: Vec<usize>,
    /// Empty where all ranks seem to be there.
    pub(super) text: String,
}

impl Failure {
    /// As it stands in the store: the ranks in the first line, the words in the second.
    pub(super) fn write(&self) -> String {
        let ranks: Vec<String> = self.missing.iter().map(ToString::to_string).collect();
        format!("{}\n{}", ranks.join(","), self.text)
    }

    /// What [`write`](Self::write) has written.
    pub(super) fn read(stored: &str) -> Self {
        let (ranks, text) = stored.split_once('\n').unwrap_or(("", stored));
        let missing = ranks.split(',').filter_map(|rank| rank.parse().ok()).collect();
        Self { missing, text: text.to_owned() }
    }
}

/// What one rank has written, at the time of a failure elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sign {
    rank: usize,
    alive: bool,
    left: Option<String>,
    /// The collective it has come to last.
    at: Option<Step>,
}

/// The first explanation of the group's failure: this rank's, or that of a rank that was faster.
pub(super) fn explain(shared: &Shared, step: &Step) -> Result<Failure, TorchError> {
    let store = &shared.store;
    let own = key::left(shared.place.rank);
    if let Some(report) = shared.told(store)? {
        store.set(&own, LEFT_FAILED)?;
        return Ok(report);
    }
    // One look tells nothing about life: a counter must stand still between two.
    let before = beats(shared)?;
    thread::sleep(shared.pulse.window);
    let after = beats(shared)?;
    let others = (0..shared.place.world).filter(|rank| *rank != shared.place.rank);
    let signs: Result<Vec<Sign>, TorchError> =
        others.map(|rank| sign(shared, rank, before[rank] != after[rank])).collect();
    let report = judge(&signs?, step);
    // All ranks give the same explanation: the first that was written.
    let first = store.set_first(key::FAILED, &report.write())?;
    store.set(&own, LEFT_FAILED)?;
    Ok(Failure::read(&first))
}

/// Keeps the store up until the living ranks have read the failure, or some pulses have passed.
pub(super) fn let_others_read(shared: &Shared) {
    let started = Instant::now();
    let missing = match shared.told(&shared.store) {
        Ok(Some(report)) => report.missing,
        Ok(None) | Err(_) => Vec::new(),
    };
    let reader = |rank: &usize| *rank != shared.place.rank && !missing.contains(rank);
    let left = |rank: usize| matches!(shared.store.get(&key::left(rank)), Ok(Some(_)));
    while started.elapsed() < shared.pulse.window * 2 {
        if (0..shared.place.world).filter(reader).all(left) {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The failure where the store itself does not answer.
pub(super) fn store_is_gone(server: Server) -> Failure {
    match server {
        Server::Rank0 => Failure {
            missing: vec![0],
            text: "rank 0, which hosts the store, is gone, stopped or out of reach".to_owned(),
        },
        Server::Agent | Server::This => Failure {
            missing: Vec::new(),
            text: "the store of the launcher does not answer".to_owned(),
        },
    }
}

fn beats(shared: &Shared) -> Result<Vec<Option<String>>, TorchError> {
    (0..shared.place.world).map(|rank| shared.store.get(&key::beat(rank))).collect()
}

fn sign(shared: &Shared, rank: usize, alive: bool) -> Result<Sign, TorchError> {
    let left = shared.store.get(&key::left(rank))?;
    let at = shared.store.get(&key::at(rank))?.and_then(|text| read_step(&text));
    Ok(Sign { rank, alive, left, at })
}

pub(super) fn read_step(text: &str) -> Option<Step> {
    let (number, label) = text.split_once(' ')?;
    Some(Step { number: number.parse().ok()?, label: label.to_owned() })
}

const BE: [&str; 2] = ["is", "are"];
const HAVE: [&str; 2] = ["has", "have"];

/// The ranks that caused a failure in `step`: the dead ones; else those that left; else those furthest behind; else
/// those in another collective. Ranks that have failed themselves only waited for one of these, and are not named.
fn judge(signs: &[Sign], step: &Step) -> Failure {
    let present: Vec<&Sign> =
        signs.iter().filter(|sign| sign.left.as_deref() != Some(LEFT_FAILED)).collect();
    let furthest = present.iter().map(|sign| number(sign)).min().unwrap_or(step.number);
    type Test<'a> = &'a dyn Fn(&Sign) -> bool;
    let cases: [(Test<'_>, [&str; 2], &str); 4] = [
        (&|sign| sign.left.is_none() && !sign.alive, BE, "gone or stopped, last seen in"),
        (&|sign| sign.left.is_some(), HAVE, "left the group after"),
        (
            &|sign| number(sign) == furthest && furthest < step.number,
            HAVE,
            "not come, last seen in",
        ),
        (&|sign| number(sign) == step.number && label(sign) != step.label, BE, "elsewhere, in"),
    ];
    for (test, [one, many], what) in cases {
        let guilty: Vec<&Sign> = present.iter().copied().filter(|sign| test(sign)).collect();
        if let Some(first) = guilty.first() {
            let missing: Vec<usize> = guilty.iter().map(|sign| sign.rank).collect();
            let verb = if missing.len() == 1 { one } else { many };
            let names = name_ranks(&missing);
            return Failure { text: format!("{names} {verb} {what} {}", label(first)), missing };
        }
    }
    Failure::default()
}

fn number(sign: &Sign) -> u64 {
    sign.at.as_ref().map_or(0, |step| step.number)
}

fn label(sign: &Sign) -> &str {
    sign.at.as_ref().map_or("the rendezvous", |step| &step.label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u64) -> Step {
        Step { number, label: format!("all_reduce {number} (loss)") }
    }

    fn sign(rank: usize, number: u64) -> Sign {
        Sign { rank, alive: true, left: None, at: Some(step(number)) }
    }

    fn check(signs: &[Sign], missing: &[usize], text: &str) {
        let report = judge(signs, &step(17));
        assert_eq!((report.missing.as_slice(), report.text.as_str()), (missing, text));
        assert_eq!(Failure::read(&report.write()), report, "through the store");
    }

    #[test]
    fn the_dead_are_named_before_those_who_wait_for_them() {
        let dead = Sign { alive: false, ..sign(3, 16) };
        let last_seen = "rank 3 is gone or stopped, last seen in all_reduce 16 (loss)";
        check(&[sign(1, 16), sign(2, 17), dead.clone()], &[3], last_seen);
        let two = [Sign { alive: false, ..sign(1, 16) }, dead];
        check(
            &two,
            &[1, 3],
            "ranks 1 and 3 are gone or stopped, last seen in all_reduce 16 (loss)",
        );
    }

    #[test]
    fn who_lives_but_is_behind_is_named() {
        let behind = "rank 2 has not come, last seen in all_reduce 3 (loss)";
        check(&[sign(1, 16), sign(2, 3)], &[2], behind);
        let never = Sign { at: None, ..sign(1, 0) };
        check(&[never, sign(2, 17)], &[1], "rank 1 has not come, last seen in the rendezvous");
    }

    #[test]
    fn who_left_or_does_something_else_is_named() {
        let left = Sign { left: Some("well".to_owned()), alive: false, ..sign(1, 12) };
        check(&[left], &[1], "rank 1 has left the group after all_reduce 12 (loss)");
        let other = Step { number: 17, label: "barrier 17 (end)".to_owned() };
        let elsewhere = Sign { at: Some(other), ..sign(1, 17) };
        check(&[elsewhere], &[1], "rank 1 is elsewhere, in barrier 17 (end)");
    }

    #[test]
    fn victims_are_not_named_and_nobody_where_all_are_there() {
        let victim = Sign { left: Some(LEFT_FAILED.to_owned()), alive: false, ..sign(1, 16) };
        check(&[victim, sign(2, 17), sign(3, 18)], &[], "");
    }
}
