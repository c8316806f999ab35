//! Who this process is among how many, and where they meet, as its launcher has put it into the
//! environment; the variables themselves are read in `environment.rs`.

use std::sync::Arc;

use super::environment;
use super::{Gloo, Group, GroupError, Limits, Solo};

/// Who serves the store at the meeting point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreHost {
    /// The process of rank 0.
    Rank0,
    /// A process of the launcher, as under torchrun.
    Launcher,
}

/// Where processes meet, and as what this one comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
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

/// What the launcher of this process wants of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendezvous {
    /// It works alone.
    Alone,
    /// It is one of several.
    Together {
        /// Which process of its host it is, from 0: the GPU it takes.
        local_rank: usize,
        /// Where it meets the others.
        meeting: Meeting,
    },
}

/// Variables of the environment that cannot be meant: one line, naming the variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RendezvousError(pub(super) String);

impl std::fmt::Display for RendezvousError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RendezvousError {}

impl Rendezvous {
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
    pub fn from_environment() -> Result<Self, RendezvousError> {
        Self::from_variables(&|name| std::env::var(name).ok())
    }

    /// As [`from_environment`](Self::from_environment), with variables from elsewhere.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn from_variables(
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, RendezvousError> {
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
    pub fn join(&self, limits: Limits) -> Result<Arc<dyn Group>, GroupError> {
        match self {
            Self::Alone => Ok(Arc::new(Solo)),
            Self::Together { meeting, .. } => Ok(Arc::new(Gloo::join(meeting, limits)?)),
        }
    }
}
