//! The collectives of one process: numbered, with a timeout, one at a time, and explained when they fail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::GroupError;
use super::error::plain;
use super::failure::Failure;
use super::heartbeat::Heartbeat;
use crate::TorchError;
use crate::ffi::{ProcessGroup, Work};

/// How often a wait checks whether another rank has reported a failure.
const SLICE: Duration = Duration::from_millis(100);

/// What c10d gets beyond the timeout to notice it by itself.
const GRACE: Duration = Duration::from_secs(2);

/// The cause where another rank has explained one.
pub(super) const OTHER_HAS_FAILED: &str = "another rank has failed";

/// A collective: the same number on all ranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) number: u64,
    pub(super) label: String,
}

/// Who this process is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) rank: usize,
    pub(super) world: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.world)
    }
}

/// This process's part in a group.
#[derive(Debug)]
pub(super) struct Session {
    place: Place,
    limit: Duration,
    /// Always there; an option, so that it can be forgotten instead of dropped after a failure.
    group: Option<ProcessGroup>,
    heartbeat: Heartbeat,
    steps: AtomicU64,
    turn: Mutex<()>,
    failure: OnceLock<GroupError>,
}

impl Session {
    pub(super) fn new(
        place: Place,
        limit: Duration,
        group: ProcessGroup,
        heartbeat: Heartbeat,
    ) -> Self {
        Self {
            place,
            limit,
            group: Some(group),
            heartbeat,
            steps: AtomicU64::new(0),
            turn: Mutex::new(()),
            failure: OnceLock::new(),
        }
    }

    pub(super) fn rank(&self) -> usize {
        self.place.rank
    }

    pub(super) fn world(&self) -> usize {
        self.place.world
    }

    /// Whether tensors of a GPU travel as they are.
    pub(super) fn carries_gpus(&self) -> bool {
        self.group().carries_gpus()
    }

    /// The failure that has ended this group, if one has.
    pub(super) fn failure(&self) -> Option<&GroupError> {
        self.failure.get()
    }

    /// Starts a collective and waits for it.
    pub(super) fn run(
        &self,
        name: &str,
        purpose: &str,
        start: impl FnOnce(&ProcessGroup) -> Result<Work, TorchError>,
    ) -> Result<(), GroupError> {
        // One at a time: a backward pass may run collectives on a thread of its own.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let step = self.enter(name, purpose)?;
        start(self.group()).and_then(|work| self.wait(&work)).map_err(|e| self.fail(&step, &e))
    }

    /// Does something that every rank does now, and that waits for the others by itself.
    pub(super) fn watched<T>(
        &self,
        name: &str,
        purpose: &str,
        body: impl FnOnce(&ProcessGroup) -> Result<T, TorchError>,
    ) -> Result<T, GroupError> {
        let step = self.enter(name, purpose)?;
        body(self.group()).map_err(|error| self.fail(&step, &error))
    }

    /// Waits without a limit until every rank has come here or one is dead.
    pub(super) fn await_all(&self, purpose: &str) -> Result<(), GroupError> {
        let step = self.enter("wait", purpose)?;
        self.heartbeat.await_all(&step).map_err(|error| self.fail(&step, &error))
    }

    /// Ends the group for that reason, which the others are told.
    pub(super) fn give_up(&self, reason: &str) {
        let Place { rank, .. } = self.place;
        let text = format!("rank {rank} has failed: {}", plain(reason));
        let error = GroupError::new(format!("{}: {}", self.place, plain(reason)), vec![rank]);
        if self.failure.set(error).is_ok() {
            self.heartbeat.give_up(Failure { missing: vec![rank], text });
        }
    }

    /// Numbers the next collective and tells the others that this rank has come to it.
    fn enter(&self, name: &str, purpose: &str) -> Result<Step, GroupError> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        let number = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        let step = Step { number, label: format!("{name} {number} ({purpose})") };
        self.heartbeat.enter(&step);
        Ok(step)
    }

    fn group(&self) -> &ProcessGroup {
        self.group.as_ref().expect("a session has its group until it is dropped")
    }

    fn wait(&self, work: &Work) -> Result<(), TorchError> {
        let started = Instant::now();
        while !work.wait(SLICE)? {
            if self.heartbeat.was_told() {
                return Err(TorchError(OTHER_HAS_FAILED.to_owned()));
            }
            if started.elapsed() > self.limit + GRACE {
                return Err(TorchError(format!("no end within {:?}", self.limit)));
            }
        }
        Ok(())
    }

    /// Finds out who is missing; the group ends with this error.
    fn fail(&self, step: &Step, cause: &TorchError) -> GroupError {
        if let Some(failure) = self.failure.get() {
            return failure.clone();
        }
        let report = self.heartbeat.explain(step);
        let (place, label, cause) = (self.place, &step.label, plain(&cause.0));
        let message = if report.text.is_empty() {
            format!("{place}: {label}: {cause}")
        } else if cause == OTHER_HAS_FAILED {
            format!("{place}: {label}: {}", report.text)
        } else {
            format!("{place}: {label}: {} ({cause})", report.text)
        };
        let error = GroupError::new(message, report.missing);
        self.failure.get_or_init(|| error).clone()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.failure.get().is_none() {
            self.heartbeat.leave();
            return;
        }
        self.heartbeat.abandon();
        // Its threads may wait for peers that never answer, and dropping it would wait for them.
        std::mem::forget(self.group.take());
    }
}
