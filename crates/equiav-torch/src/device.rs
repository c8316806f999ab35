//! Where tensors live: threads of the processor, and CUDA loaded at run time.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use tch::{Cuda, Device, Kind, Tensor};

use crate::{TorchError, ffi};

/// Loads libtorch's CUDA library from beside its CPU library, which makes CUDA available.
///
/// Linkers drop the CUDA library as unused, so that CUDA goes missing unseen; loading it here makes
/// one program run with and without. Call it before anything asks whether CUDA is there, as seeding a
/// generator does, since libtorch remembers the first answer. Later calls repeat the first one's result.
///
/// # Errors
///
/// If this libtorch has no CUDA library or the library's own requirements are missing.
pub fn load_cuda() -> Result<(), TorchError> {
    static LOADED: OnceLock<Result<(), TorchError>> = OnceLock::new();
    LOADED.get_or_init(ffi::load_cuda).clone()
}

/// The index of the GPU that the process of that `local_rank` takes, among `visible` ones.
///
/// A launcher may show each of its processes only that one's own GPU, as Slurm does with
/// `--gpus-per-task=1`: then that is its GPU, by the number 0, whatever its rank.
pub fn own_gpu(local_rank: usize, visible: usize) -> usize {
    if visible == 1 { 0 } else { local_rank }
}

/// How many GPUs this process sees, after [`load_cuda`]; 0 where it cannot be loaded.
pub fn visible_gpus() -> usize {
    load_cuda().map_or(0, |()| usize::try_from(Cuda::device_count()).unwrap_or(0))
}

/// The GPU of that `index`, after [`load_cuda`] and a trial of it.
///
/// # Errors
///
/// If there is no such GPU, with the reason: no CUDA in this libtorch, no driver, or too few devices.
pub fn cuda_device(index: usize) -> Result<Device, TorchError> {
    load_cuda().map_err(|error| TorchError(format!("this libtorch cannot use CUDA: {error}")))?;
    let device = Device::Cuda(index);
    match Tensor::f_zeros([1i64], (Kind::Float, device)) {
        Ok(_) => Ok(device),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().next().unwrap_or("no reason given");
            let count = Cuda::device_count();
            Err(TorchError(format!("cuda:{index} of {count} devices cannot be used: {reason}")))
        }
    }
}

/// Sets how many threads one operation on the processor may use.
pub fn set_threads(count: NonZeroUsize) {
    tch::set_num_threads(i32::try_from(count.get()).unwrap_or(i32::MAX));
}

/// How many threads one operation on the processor may use.
pub fn threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1)
}

/// One thread for each operation of any thread that [keeps to it](Self::keep), until this is dropped: for
/// work that has a thread of its own for each processor.
#[derive(Debug)]
pub struct OneThread(NonZeroUsize);

impl OneThread {
    /// Sets it; for this thread nothing more is needed.
    pub fn set() -> Self {
        let before = NonZeroUsize::new(threads()).unwrap_or(NonZeroUsize::MIN);
        set_threads(NonZeroUsize::MIN);
        Self(before)
    }

    /// Has libtorch keep to the calling thread, from now on. One that has just begun would else use as many as
    /// there are processors until some operation looks at what was set for all.
    pub fn keep() {
        thread_local! {
            static KEPT: Cell<bool> = const { Cell::new(false) };
        }
        if !KEPT.replace(true) {
            set_threads(NonZeroUsize::MIN);
        }
    }
}

impl Drop for OneThread {
    fn drop(&mut self) {
        set_threads(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuda_is_there_or_the_reason_is() {
        match cuda_device(0) {
            Ok(device) => assert!(Cuda::is_available() && device == Device::Cuda(0)),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("cuda"), "the reason names what is missing: {text}");
                assert!(text.len() > "this libtorch cannot use CUDA: ".len(), "{text}");
            }
        }
        let error = cuda_device(4096).expect_err("nobody has so many");
        assert!(!error.to_string().is_empty());
    }

    #[test]
    fn the_only_gpu_that_is_seen_is_ones_own() {
        assert_eq!([0, 3].map(|local_rank| own_gpu(local_rank, 1)), [0, 0]);
        assert_eq!([0, 3].map(|local_rank| own_gpu(local_rank, 4)), [0, 3]);
        // Too few, or none: the error of the device names both numbers.
        assert_eq!([own_gpu(3, 2), own_gpu(1, 0)], [3, 1]);
    }

    #[test]
    fn threads_are_set() {
        let before = threads();
        set_threads(NonZeroUsize::MIN);
        assert_eq!(threads(), 1);
        set_threads(NonZeroUsize::new(before).expect("at least one thread"));
        assert_eq!(threads(), before);
        let alone = OneThread::set();
        assert_eq!(threads(), 1);
        drop(alone);
        assert_eq!(threads(), before);
    }

    #[test]
    fn a_thread_keeps_to_itself_whatever_is_set_for_all() {
        let before = threads();
        set_threads(NonZeroUsize::new(2).expect("not zero"));
        let elsewhere = std::thread::spawn(|| {
            OneThread::keep();
            threads()
        });
        assert_eq!(elsewhere.join().expect("it does not panic"), 1);
        assert_eq!(threads(), 2, "here nothing changed");
        set_threads(NonZeroUsize::new(before).expect("at least one thread"));
    }
}
