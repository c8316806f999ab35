//! c10d's process group and its collectives: `group.cc`.

use std::ffi::{CString, c_char};
use std::ptr::{self, NonNull};
use std::time::Duration;

use tch::Tensor;

use super::store::RawStore;
use super::{Pointer, Store, check, milliseconds, pointer, text};
use crate::TorchError;

/// `EquiavGroup` of `group.h`.
#[repr(C)]
pub(super) struct RawGroup {
    _opaque: [u8; 0],
}

/// `EquiavWork` of `group.h`.
#[repr(C)]
struct RawWork {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn equiav_group_open(
        store: *mut RawStore,
        rank: i32,
        world: i32,
        limit: i64,
        interface: *const c_char,
        address: *const c_char,
        group: *mut *mut RawGroup,
    ) -> *mut c_char;
    fn equiav_group_carries_gpus(group: *const RawGroup) -> i32;
    fn equiav_group_free(group: *mut RawGroup);
    fn equiav_group_broadcast(
        group: *mut RawGroup,
        tensor: Pointer,
        root: i64,
        work: *mut *mut RawWork,
    ) -> *mut c_char;
    fn equiav_group_all_reduce(
        group: *mut RawGroup,
        tensor: Pointer,
        reduction: i32,
        work: *mut *mut RawWork,
    ) -> *mut c_char;
    fn equiav_group_all_gather(
        group: *mut RawGroup,
        all: Pointer,
        own: Pointer,
        work: *mut *mut RawWork,
    ) -> *mut c_char;
    fn equiav_group_barrier(group: *mut RawGroup, work: *mut *mut RawWork) -> *mut c_char;
    fn equiav_work_wait(work: *mut RawWork, limit: i64, done: *mut i32) -> *mut c_char;
    fn equiav_work_free(work: *mut RawWork);
}

/// Who this process is in its group, and how it listens.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    pub(crate) rank: usize,
    pub(crate) world: usize,
    /// What a collective may take.
    pub(crate) limit: Duration,
    /// Listens at this interface, else at the address, else wherever the host's name leads.
    pub(crate) interface: Option<&'a str>,
    pub(crate) address: Option<&'a str>,
}

/// c10d's process group, over Gloo and, for tensors of a GPU, over NCCL where it is built in.
#[derive(Debug)]
pub(crate) struct ProcessGroup(NonNull<RawGroup>);

// SAFETY: collectives of c10d's group may start on any thread; Gloo queues them under a lock.
unsafe impl Send for ProcessGroup {}
// SAFETY: as above.
unsafe impl Sync for ProcessGroup {}

/// A collective under way.
#[derive(Debug)]
pub(crate) struct Work(NonNull<RawWork>);

impl ProcessGroup {
    /// Connects with all other ranks, which meet at `store`.
    pub(crate) fn open(store: &Store, seat: &Seat<'_>) -> Result<Self, TorchError> {
        let [interface, address] = [seat.interface, seat.address].map(|name| name.map(text));
        let or_null = |name: &Option<CString>| name.as_ref().map_or(ptr::null(), |n| n.as_ptr());
        let number = |count: usize| i32::try_from(count).expect("so many processes");
        let mut group = ptr::null_mut();
        // SAFETY: the store is live, the strings are null or outlive the call, and `group` is written
        // where it reports no failure.
        check(unsafe {
            equiav_group_open(
                store.raw(),
                number(seat.rank),
                number(seat.world),
                milliseconds(seat.limit),
                or_null(&interface),
                or_null(&address),
                &mut group,
            )
        })?;
        Ok(Self(NonNull::new(group).expect("C++ has made no group")))
    }

    /// Whether tensors of a GPU travel as they are, over NCCL.
    pub(crate) fn carries_gpus(&self) -> bool {
        // SAFETY: the group is live.
        unsafe { equiav_group_carries_gpus(self.raw()) != 0 }
    }

    /// Starts to overwrite `tensor` by the one of rank `root`.
    pub(crate) fn broadcast(&self, tensor: &Tensor, root: usize) -> Result<Work, TorchError> {
        let root = i64::try_from(root).expect("a rank");
        // SAFETY: the group is live, and the work keeps the tensor.
        started(|work| unsafe { equiav_group_broadcast(self.raw(), pointer(tensor), root, work) })
    }

    /// Starts to reduce `tensor` in place: 0 sum, 1 largest.
    pub(crate) fn all_reduce(&self, tensor: &Tensor, reduction: i32) -> Result<Work, TorchError> {
        // SAFETY: the group is live, the work keeps the tensor, and an unknown reduction is refused.
        started(|work| unsafe {
            equiav_group_all_reduce(self.raw(), pointer(tensor), reduction, work)
        })
    }

    /// Starts to fill `all` with every rank's `own`, in the order of the ranks.
    pub(crate) fn all_gather(&self, all: &Tensor, own: &Tensor) -> Result<Work, TorchError> {
        // SAFETY: the group is live, and the work keeps both tensors.
        started(|work| unsafe {
            equiav_group_all_gather(self.raw(), pointer(all), pointer(own), work)
        })
    }

    /// Starts to wait for everybody.
    pub(crate) fn barrier(&self) -> Result<Work, TorchError> {
        // SAFETY: the group is live.
        started(|work| unsafe { equiav_group_barrier(self.raw(), work) })
    }

    pub(super) fn raw(&self) -> *mut RawGroup {
        self.0.as_ptr()
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SAFETY: the group is ours; work and reducers hold c10d's own reference to what it wraps.
        unsafe { equiav_group_free(self.0.as_ptr()) }
    }
}

impl Work {
    /// Whether the work was done within `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> Result<bool, TorchError> {
        let mut done = 0;
        // SAFETY: the work is live, and `done` is written.
        check(unsafe { equiav_work_wait(self.0.as_ptr(), milliseconds(limit), &mut done) })?;
        Ok(done != 0)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // SAFETY: the work is ours; c10d keeps what is still under way.
        unsafe { equiav_work_free(self.0.as_ptr()) }
    }
}

fn started(call: impl FnOnce(*mut *mut RawWork) -> *mut c_char) -> Result<Work, TorchError> {
    let mut work = ptr::null_mut();
    check(call(&mut work))?;
    Ok(Work(NonNull::new(work).expect("C++ has started no work")))
}
