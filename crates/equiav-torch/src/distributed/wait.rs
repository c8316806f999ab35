//! A barrier without a timeout, for ranks that have work of their own: it waits for a rank as long as its heartbeat
//! goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::read_step;
use super::heartbeat::{LEFT_FAILED, Shared, key};
use super::session::{OTHER_HAS_FAILED, Step};
use crate::TorchError;

/// The first pause between two looks at the store; each later one is twice as long, up to half a beat, so that many
/// ranks that wait long ask it seldom.
const SOON: Duration = Duration::from_millis(5);

/// The ranks that have not come, each with the counter of its heartbeat.
type Absent = BTreeMap<usize, Option<String>>;

/// Waits until every rank has come to `step`, as long as the others are alive.
pub(super) fn await_all(shared: &Arc<Shared>, step: &Step) -> Result<(), TorchError> {
    let (for_thread, number) = (Arc::clone(shared), step.number);
    let (tell, looks) = channel();
    // A store whose host has stopped never answers, and its client never gives up.
    let body = move || {
        let mut pause = SOON;
        loop {
            let found = absent(&for_thread, number);
            let over = !matches!(&found, Ok(absent) if !absent.is_empty());
            if tell.send(found).is_err() || over {
                return;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(for_thread.pulse.every / 2);
        }
    };
    let spawned = thread::Builder::new().name("group-wait".to_owned()).spawn(body);
    spawned.map_err(|error| TorchError(format!("starting a thread: {error}")))?;
    watch(shared, &looks)
}

/// Watches what the `looks` find, until nobody is absent.
fn watch(shared: &Shared, looks: &Receiver<Result<Absent, TorchError>>) -> Result<(), TorchError> {
    let window = shared.pulse.window;
    let mut signs: BTreeMap<usize, (Option<String>, Instant)> = BTreeMap::new();
    loop {
        let silent = || TorchError("the store does not answer".to_owned());
        let absent = looks.recv_timeout(window * 3).map_err(|_| silent())??;
        if absent.is_empty() {
            return Ok(());
        }
        if shared.was_told() {
            return Err(TorchError(OTHER_HAS_FAILED.to_owned()));
        }
        for (rank, beat) in absent {
            let now = Instant::now();
            let (last, since) = signs.entry(rank).or_insert((beat.clone(), now));
            if *last != beat {
                (*last, *since) = (beat, now);
            } else if since.elapsed() > window * 2 {
                return Err(TorchError(format!(
                    "rank {rank} has shown no life for {:?}",
                    window * 2
                )));
            }
        }
    }
}

/// The ranks that have not come to the step of that `number`.
fn absent(shared: &Shared, number: u64) -> Result<Absent, TorchError> {
    let store = &shared.patient;
    let has_come = |rank: usize| -> Result<bool, TorchError> {
        let at = store.get(&key::at(rank))?.and_then(|text| read_step(&text));
        Ok(at.is_some_and(|step| step.number >= number))
    };
    let mut absent = Absent::new();
    for rank in 0..shared.place.world {
        if has_come(rank)? {
            continue;
        }
        // It may have come and left since.
        if let Some(how) = store.get(&key::left(rank))?
            && !has_come(rank)?
        {
            let told = how == LEFT_FAILED;
            let cause =
                if told { OTHER_HAS_FAILED.to_owned() } else { format!("rank {rank} has left") };
            return Err(TorchError(cause));
        }
        absent.insert(rank, store.get(&key::beat(rank))?);
    }
    Ok(absent)
}
