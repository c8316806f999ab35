//! Groups of processes: collectives over several ranks, whatever carries them. Nothing here knows training.
//!
//! The launcher tells a process its role (`launch`); the ranks meet at a store and connect (`rendezvous`); a thread
//! of each shows that it is alive (`heartbeat`); and a collective that fails is explained (`failure`).

use tch::{Kind, Tensor};

mod average;
mod error;
mod failure;
mod gather;
mod gloo;
mod heartbeat;
mod launch;
mod rendezvous;
mod session;
mod solo;
mod timeouts;
mod wait;

pub use average::{GradientAverage, OverlappedAverage, UnusedParameters};
pub use error::GroupError;
pub use gather::{gather_with_gradient, gather_without_gradient};
pub use gloo::Gloo;
pub use launch::{LaunchError, ProcessRole, RendezvousPoint, StoreHost};
pub use solo::Solo;
pub use timeouts::Timeouts;

/// How [`Group::all_reduce`] makes one number of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// Their sum.
    Sum,
    /// The largest of them.
    Max,
}

/// Processes that work as one, each with a rank below their number.
///
/// Every process calls the same collectives in the same order. The `purpose` of each, a word or two, is
/// what an error says; see [`GroupError`]. Gradients stop at a collective, but for
/// [`gather_with_gradient`].
///
/// Another carrier than [`Gloo`] implements the six methods without a body.
pub trait Group: std::fmt::Debug + Send + Sync {
    /// Which process this is, from 0.
    fn rank(&self) -> usize;

    /// How many processes there are; at least 1.
    fn world(&self) -> usize;

    /// Whether tensors of a GPU travel as they are, without the host's memory.
    fn carries_gpus(&self) -> bool {
        false
    }

    /// Overwrites `tensor` by that of rank `root`.
    ///
    /// # Shapes
    ///
    /// - `tensor`: any, the same on all ranks
    ///
    /// # Errors
    ///
    /// If a process does not take part within the limit, or the carrier fails.
    fn broadcast(&self, tensor: &mut Tensor, root: usize, purpose: &str) -> Result<(), GroupError>;

    /// Reduces `tensor` over all ranks, in place; every rank gets the same numbers, to the bit.
    ///
    /// # Shapes
    ///
    /// - `tensor`: any, the same on all ranks
    ///
    /// # Errors
    ///
    /// As for [`broadcast`](Self::broadcast).
    fn all_reduce(
        &self,
        tensor: &mut Tensor,
        reduction: Reduce,
        purpose: &str,
    ) -> Result<(), GroupError>;

    /// Every rank's `own`, in the order of the ranks.
    ///
    /// # Shapes
    ///
    /// - `own`: `[rows, ...]`, the same on all ranks ([`gather_rows`](Self::gather_rows) is for other cases)
    /// - result: `[world · rows, ...]`
    ///
    /// # Errors
    ///
    /// As for [`broadcast`](Self::broadcast).
    fn all_gather(&self, own: &Tensor, purpose: &str) -> Result<Tensor, GroupError>;

    /// Waits until every rank has come here.
    ///
    /// # Errors
    ///
    /// As for [`broadcast`](Self::broadcast).
    fn barrier(&self, purpose: &str) -> Result<(), GroupError>;

    /// Waits until every rank has come here, however long its own work takes, as long as it lives.
    ///
    /// A carrier that cannot tell a rank at work from a dead one waits as it does in a barrier, which is what
    /// this does by itself.
    ///
    /// # Errors
    ///
    /// If a process dies, leaves or [gives up](Self::give_up), or the carrier fails.
    fn await_all(&self, purpose: &str) -> Result<(), GroupError> {
        self.barrier(purpose)
    }

    /// Tells the others that this process ends for that `reason`, one line, so that they end as well and say it.
    ///
    /// Nothing where the group has failed already, or the carrier cannot tell.
    fn give_up(&self, reason: &str) {
        let _ = reason;
    }

    /// What averages the gradients of `parameters` while a backward pass computes them, if the carrier
    /// can; else [`GradientAverage`] does so after the pass.
    ///
    /// # Errors
    ///
    /// If the ranks' parameters differ in shape, or as for [`broadcast`](Self::broadcast).
    fn overlapped_average(
        &self,
        parameters: &[Tensor],
        unused: UnusedParameters,
    ) -> Result<Option<OverlappedAverage>, GroupError> {
        let _ = (parameters, unused);
        Ok(None)
    }

    /// Every rank's rows, however many each has; one tensor a rank.
    ///
    /// # Shapes
    ///
    /// - `own`: `[rows, ...]`, where `rows` may differ between the ranks and be 0
    ///
    /// # Errors
    ///
    /// As for [`broadcast`](Self::broadcast).
    fn gather_rows(&self, own: &Tensor, purpose: &str) -> Result<Vec<Tensor>, GroupError> {
        let own = own.detach();
        let rows = own.size()[0];
        let counts = self.all_gather(&Tensor::from_slice(&[rows]), purpose)?;
        let counts: Vec<i64> = (0..self.world() as i64).map(|r| counts.int64_value(&[r])).collect();
        let most = counts.iter().copied().max().unwrap_or(rows);
        if most == 0 {
            return Ok(counts.iter().map(|_| own.copy()).collect());
        }
        let mut size = own.size();
        size[0] = most - rows;
        let padded = Tensor::cat(&[&own, &Tensor::zeros(&size, (own.kind(), own.device()))], 0);
        let all = self.all_gather(&padded, purpose)?;
        let part = |(rank, &count): (usize, &i64)| all.narrow(0, rank as i64 * most, count).copy();
        Ok(counts.iter().enumerate().map(part).collect())
    }

    /// Every rank's bytes, in the order of the ranks.
    ///
    /// # Errors
    ///
    /// As for [`broadcast`](Self::broadcast).
    fn gather_bytes(&self, own: &[u8], purpose: &str) -> Result<Vec<Vec<u8>>, GroupError> {
        let own = Tensor::from_slice(own).to_kind(Kind::Uint8);
        let all = self.gather_rows(&own, purpose)?;
        Ok(all.iter().map(|bytes| Vec::try_from(bytes).expect("a row of bytes")).collect())
    }

    /// Every rank's text, in the order of the ranks.
    ///
    /// # Errors
    ///
    /// As for [`broadcast`](Self::broadcast).
    fn gather_text(&self, own: &str, purpose: &str) -> Result<Vec<String>, GroupError> {
        let all = self.gather_bytes(own.as_bytes(), purpose)?;
        Ok(all.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect())
    }
}
