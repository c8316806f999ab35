//! The heartbeat: every rank writes to the store of the rendezvous that it is alive, which collective it has
//! come to, and the first failure that any rank could explain.
//!
//! Gloo notices a dead peer only by a closed connection, and a stopped one not at all. So a thread of each rank
//! changes a counter in the store, and a rank whose counter stands still for a whole window counts as dead. The store
//! can stop too: every call to it that another rank waits for runs on a thread that can be left behind.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::failure::{self, Failure};
use super::session::{Place, Step};
use super::wait;
use crate::TorchError;
use crate::ffi::Store;

/// The keys of a group's store.
pub(super) mod key {
    /// The first explained failure.
    pub(in crate::distributed) const FAILED: &str = "failed";

    /// The collective that a rank has come to.
    pub(in crate::distributed) fn at(rank: usize) -> String {
        format!("at/{rank}")
    }

    /// What a living rank changes all the time.
    pub(in crate::distributed) fn beat(rank: usize) -> String {
        format!("beat/{rank}")
    }

    /// That a rank has left, and how.
    pub(in crate::distributed) fn left(rank: usize) -> String {
        format!("left/{rank}")
    }
}

/// How a rank has left: after a failure that it has learned of.
pub(super) const LEFT_FAILED: &str = "failed";

/// How a rank has left: by its own decision.
const LEFT_WELL: &str = "well";

/// Who serves the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// This process.
    This,
    /// The process of rank 0.
    Rank0,
    /// A process that is no rank of the group, such as torchrun's agent.
    Agent,
}

/// How often a rank changes its counter, and for how long a counter must stand still before the rank counts as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pulse {
    pub(super) every: Duration,
    pub(super) window: Duration,
}

impl Pulse {
    /// The pulse for collectives that may take `limit`: a window is a small part of it, so that the failure of a
    /// collective is explained soon after its timeout; three beats, so that one late beat of a busy machine is no
    /// death.
    pub(super) fn within(limit: Duration) -> Self {
        let every = (limit / 20).clamp(Duration::from_millis(100), Duration::from_secs(2));
        Self { every, window: (every * 3).max(Duration::from_millis(900)) }
    }
}

/// What the thread of the heartbeat and the collectives share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    /// A connection for waits without a limit, made while there is somebody to connect with.
    pub(super) patient: Store,
    pub(super) place: Place,
    pub(super) server: Server,
    pub(super) pulse: Pulse,
    told: OnceLock<Failure>,
}

impl Shared {
    /// The failure that some rank has explained, if any has.
    pub(super) fn told(&self, store: &Store) -> Result<Option<Failure>, TorchError> {
        if self.told.get().is_none()
            && let Some(text) = store.get(key::FAILED)?
        {
            let _ = self.told.set(Failure::read(&text));
        }
        Ok(self.told.get().cloned())
    }

    /// Whether a failure has been explained, as far as this rank has read.
    pub(super) fn was_told(&self) -> bool {
        self.told.get().is_some()
    }
}

/// The heartbeat of this rank.
#[derive(Debug)]
pub(super) struct Heartbeat {
    shared: Arc<Shared>,
    thread: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Heartbeat {
    /// Starts the thread.
    pub(super) fn start(
        store: Store,
        place: Place,
        server: Server,
        limit: Duration,
    ) -> Result<Self, TorchError> {
        let (own, patient) = (store.again()?, store.again()?);
        let pulse = Pulse::within(limit);
        let shared =
            Arc::new(Shared { store, patient, place, server, pulse, told: OnceLock::new() });
        let (stop, stopped) = channel();
        let (ending, ended) = channel();
        let for_thread = Arc::clone(&shared);
        let spawned = thread::Builder::new().name("group-heartbeat".to_owned()).spawn(move || {
            show_life(&for_thread, &own, &stopped);
            drop(ending);
        });
        spawned.map_err(|error| TorchError(format!("starting a thread: {error}")))?;
        Ok(Self { shared, thread: Mutex::new(Some((stop, ended))) })
    }

    /// Tells the others that this rank has come to `step`. What fails here shows in the step itself.
    pub(super) fn enter(&self, step: &Step) {
        let text = format!("{} {}", step.number, step.label);
        let _ = self.shared.store.set(&key::at(self.shared.place.rank), &text);
    }

    /// Whether another rank has explained a failure.
    pub(super) fn was_told(&self) -> bool {
        self.shared.was_told()
    }

    /// Waits until every rank has come to `step`, as long as those that have not show life.
    pub(super) fn await_all(&self, step: &Step) -> Result<(), TorchError> {
        wait::await_all(&self.shared, step)
    }

    /// Tells the others why this rank ends, and leaves them the time to read it.
    pub(super) fn give_up(&self, report: Failure) {
        let shared = Arc::clone(&self.shared);
        let (ending, ended) = channel::<()>();
        let body = move || {
            if let Ok(first) = shared.store.set_first(key::FAILED, &report.write()) {
                let _ = shared.told.set(Failure::read(&first));
            }
            let _ = shared.store.set(&key::left(shared.place.rank), LEFT_FAILED);
            if shared.server == Server::This {
                failure::let_others_read(&shared);
            }
            drop(ending);
        };
        if thread::Builder::new().name("group-end".to_owned()).spawn(body).is_ok() {
            let _ = ended.recv_timeout(self.shared.pulse.window * 3);
        }
    }

    /// Who is missing at `step`, as far as it can be found out in a few pulses.
    pub(super) fn explain(&self, step: &Step) -> Failure {
        let (shared, step) = (Arc::clone(&self.shared), step.clone());
        let (found, report) = channel();
        let (ending, ended) = channel::<()>();
        let window = self.shared.pulse.window;
        let body = move || {
            let _ = found.send(failure::explain(&shared, &step));
            if shared.server == Server::This {
                failure::let_others_read(&shared);
            }
            drop(ending);
        };
        // A store whose host has stopped never answers, and its client never gives up.
        if thread::Builder::new().name("group-failure".to_owned()).spawn(body).is_err() {
            return Failure::default();
        }
        let found = report.recv_timeout(window * 3);
        let _ = ended.recv_timeout(window * 3);
        match found {
            Ok(Ok(report)) => report,
            // Its host may have told why it ends, and ended.
            Ok(Err(_)) | Err(_) => match self.shared.told.get() {
                Some(report) => report.clone(),
                None => failure::store_is_gone(self.shared.server),
            },
        }
    }

    /// Tells the others that this rank leaves by its own decision, and stops the thread.
    pub(super) fn leave(&self) {
        let _ = self.shared.store.set(&key::left(self.shared.place.rank), LEFT_WELL);
        if let Some((stop, ended)) = self.take_thread() {
            drop(stop);
            let _ = ended.recv_timeout(self.shared.pulse.window);
        }
    }

    /// Stops the thread after a failure, without waiting for it: the store may never answer again.
    pub(super) fn abandon(&self) {
        drop(self.take_thread());
    }

    fn take_thread(&self) -> Option<(Sender<()>, Receiver<()>)> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Changes this rank's counter and reads the first failure, until told to stop or the store is gone.
fn show_life(shared: &Shared, store: &Store, stopped: &Receiver<()>) {
    let beat = key::beat(shared.place.rank);
    for count in 0u64.. {
        let shown = store.set(&beat, &count.to_string());
        if shown.is_err() || shared.told(store).is_err() {
            return;
        }
        match stopped.recv_timeout(shared.pulse.every) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
