//! A group over Gloo, c10d's carrier for processors: TCP between any hosts. Tensors of a GPU pass through
//! the host's memory, or travel over NCCL where that is built in.

use std::sync::Arc;

use tch::{Device, Tensor};

use super::average::{OverlappedAverage, UnusedParameters};
use super::rendezvous;
use super::session::Session;
use super::{Group, GroupError, Reduce, RendezvousPoint, Timeouts};
use crate::ffi::Reducer;

/// A group of processes on one or several hosts, connected by TCP.
///
/// It listens at the network interface that `GLOO_SOCKET_IFNAME` names, else at the address by which this
/// host reaches the rendezvous.
#[derive(Debug)]
pub struct Gloo {
    session: Arc<Session>,
}

impl Gloo {
    /// Meets the other processes and connects with them.
    ///
    /// # Errors
    ///
    /// Within about the timeout: if the rendezvous cannot be reached or its port is taken, if not all
    /// ranks come, or if processes come that were told other sizes or the same rank.
    pub fn join(point: &RendezvousPoint, timeouts: Timeouts) -> Result<Self, GroupError> {
        let session = rendezvous::meet(point, timeouts)?;
        Ok(Self { session: Arc::new(session) })
    }

    /// The tensor's numbers in one piece where they can travel: its own, where that is how they lie.
    fn staged(&self, tensor: &Tensor) -> Tensor {
        let own = tensor.detach().contiguous();
        if self.session.carries_gpus() { own } else { own.to_device(Device::Cpu) }
    }
}

impl Group for Gloo {
    fn rank(&self) -> usize {
        self.session.rank()
    }

    fn world(&self) -> usize {
        self.session.world()
    }

    fn carries_gpus(&self) -> bool {
        self.session.carries_gpus()
    }

    #[track_caller]
    fn broadcast(&self, tensor: &mut Tensor, root: usize, purpose: &str) -> Result<(), GroupError> {
        let world = self.world();
        assert!(root < world, "broadcast ({purpose}): there is no rank {root} of {world}");
        let staged = self.staged(tensor);
        self.session.run("broadcast", purpose, |group| group.broadcast(&staged, root))?;
        bring_back(&staged, tensor);
        Ok(())
    }

    fn all_reduce(
        &self,
        tensor: &mut Tensor,
        reduction: Reduce,
        purpose: &str,
    ) -> Result<(), GroupError> {
        let number = match reduction {
            Reduce::Sum => 0,
            Reduce::Max => 1,
        };
        let staged = self.staged(tensor);
        self.session.run("all_reduce", purpose, |group| group.all_reduce(&staged, number))?;
        bring_back(&staged, tensor);
        Ok(())
    }

    #[track_caller]
    fn all_gather(&self, own: &Tensor, purpose: &str) -> Result<Tensor, GroupError> {
        let mut size = own.size();
        assert!(!size.is_empty(), "all_gather ({purpose}): a scalar has no rows");
        size[0] *= self.world() as i64;
        let staged = self.staged(own);
        let all = Tensor::empty(&size, (own.kind(), staged.device()));
        self.session.run("all_gather", purpose, |group| group.all_gather(&all, &staged))?;
        Ok(all.to_device(own.device()))
    }

    fn barrier(&self, purpose: &str) -> Result<(), GroupError> {
        self.session.run("barrier", purpose, |group| group.barrier())
    }

    fn await_all(&self, purpose: &str) -> Result<(), GroupError> {
        self.session.await_all(purpose)
    }

    fn give_up(&self, reason: &str) {
        self.session.give_up(reason);
    }

    fn overlapped_average(
        &self,
        parameters: &[Tensor],
        unused: UnusedParameters,
    ) -> Result<Option<OverlappedAverage>, GroupError> {
        let on_gpu = parameters.iter().any(|parameter| parameter.device() != Device::Cpu);
        if on_gpu && !self.session.carries_gpus() {
            return Ok(None);
        }
        let search = match unused {
            UnusedParameters::Never => 0,
            UnusedParameters::Possible => 1,
        };
        let reducer = self.session.watched("check of parameters", "shapes", |group| {
            Reducer::open(group, parameters, search)
        })?;
        Ok(Some(OverlappedAverage::new(Arc::clone(&self.session), reducer)))
    }
}

/// Copies what was staged back, unless it is the tensor's own memory.
fn bring_back(staged: &Tensor, tensor: &Tensor) {
    let mut own = tensor.detach();
    if own.data_ptr() != staged.data_ptr() {
        own.copy_(staged);
    }
}
