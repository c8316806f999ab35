//! The role of this process, as its launcher describes it in the environment: its rank, the number of processes and
//! where they meet.

mod environment;
mod host_list;

use std::sync::Arc;

use super::{Gloo, Group, GroupError, Solo, Timeouts};

/// Who serves the store at the meeting point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreHost {
    /// The process of rank 0.
    Rank0,
    /// A process of the launcher, as under torchrun.
    Launcher,
}

/// Where the processes of a group meet, and the rank of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RendezvousPoint {
    /// This process, from 0; below `world`.
    pub rank: usize,
    /// How many processes there are.
    pub world: usize,
    /// The host of the store, by name or address.
    pub host: String,
    /// The store's port.
    pub port: u16,
    /// Who serves the store.
    pub store: StoreHost,
    /// What tells this group's keys from those of another, or of an earlier start, in the same store.
    pub prefix: String,
}

/// The role of this process among those that its launcher has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessRole {
    /// The only process.
    Alone,
    /// One of several processes.
    Together {
        /// Which process of its host it is, from 0: the GPU it takes.
        local_rank: usize,
        /// Where it meets the others.
        rendezvous: RendezvousPoint,
    },
}

/// Invalid variables of the environment: one line, naming the variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchError(String);

impl std::fmt::Display for LaunchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LaunchError {}

impl ProcessRole {
    /// What the environment says.
    ///
    /// | launcher | variables |
    /// |--|--|
    /// | torchrun, or by hand | `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `MASTER_ADDR`, `MASTER_PORT` |
    /// | Slurm's srun | `SLURM_PROCID`, `SLURM_NTASKS`, `SLURM_LOCALID`, and `MASTER_ADDR` and `MASTER_PORT`, or else the first host of `SLURM_JOB_NODELIST` and a port made from `SLURM_JOB_ID` |
    /// | none | none of these: alone |
    ///
    /// torchrun's variables come before Slurm's, within which torchrun may run. One process is alone,
    /// whoever started it.
    ///
    /// # Errors
    ///
    /// If variables of one launcher are set in part, contradict each other or are no numbers.
    pub fn from_environment() -> Result<Self, LaunchError> {
        Self::from_variables(&|name| std::env::var(name).ok())
    }

    /// As [`from_environment`](Self::from_environment), with variables from elsewhere.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, LaunchError> {
        environment::read(variable)
    }

    /// Which process of its host this is, from 0: the GPU it takes.
    pub fn local_rank(&self) -> usize {
        match self {
            Self::Alone => 0,
            Self::Together { local_rank, .. } => *local_rank,
        }
    }

    /// The group: [`Solo`], or [`Gloo`] once all have met.
    ///
    /// # Errors
    ///
    /// As for [`Gloo::join`].
    pub fn join(&self, timeouts: Timeouts) -> Result<Arc<dyn Group>, GroupError> {
        match self {
            Self::Alone => Ok(Arc::new(Solo)),
            Self::Together { rendezvous, .. } => Ok(Arc::new(Gloo::join(rendezvous, timeouts)?)),
        }
    }
}
