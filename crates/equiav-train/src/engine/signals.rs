//! Requests from outside to stop, honored at the boundary of a step.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

/// Whether a run should stop after the step under way.
///
/// A run that stops saves a checkpoint first, so that the same command goes on with the next step.
#[derive(Debug)]
pub struct StopSignal {
    /// The last signal that asked for it; 0 for none.
    signal: Arc<AtomicUsize>,
    /// Whether nothing is lost yet by dying of a signal at once.
    idle: Arc<AtomicBool>,
}

impl StopSignal {
    /// Never asked from outside; [`request`](Self::request) asks.
    pub fn never() -> Self {
        Self { signal: Arc::default(), idle: Arc::new(AtomicBool::new(true)) }
    }

    /// Asked by SIGTERM, SIGINT and SIGUSR1 (which batch systems send before they take a machine away).
    ///
    /// Before training has begun they end the process as usual; so does a second SIGINT at any time,
    /// for those who do not want to wait for the step.
    ///
    /// # Errors
    ///
    /// If the system refuses to have these signals handled.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::never();
        let asked = Arc::new(AtomicBool::new(false));
        // Handlers act in the order in which they are registered.
        flag::register_conditional_shutdown(SIGINT, 128 + SIGINT, Arc::clone(&asked))?;
        flag::register(SIGINT, asked)?;
        for signal in [SIGTERM, SIGINT, SIGUSR1] {
            flag::register_conditional_default(signal, Arc::clone(&stop.idle))?;
            flag::register_usize(signal, Arc::clone(&stop.signal), signal as usize)?;
        }
        Ok(stop)
    }

    /// Asks as `signal` would.
    pub fn request(&self, signal: i32) {
        self.signal.store(signal as usize, Ordering::Relaxed);
    }

    /// From now on a signal waits for the boundary of a step.
    pub(crate) fn begin(&self) {
        self.idle.store(false, Ordering::Relaxed);
    }

    /// The number of the signal that asked, if one did.
    pub fn requested(&self) -> Option<i32> {
        let signal = self.signal.load(Ordering::Relaxed);
        (signal != 0).then_some(signal as i32)
    }
}
