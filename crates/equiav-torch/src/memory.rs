//! How the process treats memory that was freed, how much it has taken at most, and how to tell that
//! there was not enough; it allocates nothing itself.

use std::fs;

use tch::Device;

use crate::ffi;

/// Has this process keep freed memory for its next allocation, where the C library is glibc.
///
/// Views, batches and tensors are large and short-lived. By default each is mapped from the system
/// anew and its pages are cleared once more, which costs a loader about a quarter of its time.
/// Whoever shares the machine pays: the process stays as large as it ever was.
pub fn keep_freed_memory() {
    ffi::keep_freed_memory();
}

/// The most bytes of memory that this process has held at once, since its start or since
/// [`forget_peak_resident`]; nothing where the system does not tell.
///
/// It counts resident pages of the whole process, libraries included.
pub fn peak_resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    peak_of_status(&status)
}

/// Has [`peak_resident`] start again at what the process holds now; tells whether the system did so.
pub fn forget_peak_resident() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most bytes that tensors on the GPU of that `index` have taken at once, since the start or since
/// [`forget_peak_on_gpu`]; nothing where there is no such GPU, or nothing lies on one.
pub fn peak_on_gpu(index: usize) -> Option<u64> {
    let index = gpu_number(index)?;
    ffi::cuda_peak(index).ok().and_then(|bytes| u64::try_from(bytes).ok())
}

/// The most bytes that were taken at once where `device` keeps its tensors: [`peak_on_gpu`] or
/// [`peak_resident`].
pub fn peak_on(device: Device) -> Option<u64> {
    match device {
        Device::Cuda(index) => peak_on_gpu(index),
        _ => peak_resident(),
    }
}

/// Has [`peak_on_gpu`] start again at what lies there now; tells whether there is such a GPU.
pub fn forget_peak_on_gpu(index: usize) -> bool {
    gpu_number(index).is_some_and(|index| ffi::forget_cuda_peak(index).is_ok())
}

/// Whether `message`, of an error or a panic, is libtorch's of memory that did not suffice: of the
/// processor or of a GPU.
pub fn is_out_of_memory(message: &str) -> bool {
    let of_gpu = ["CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED"];
    let of_processor = message.contains("DefaultCPUAllocator")
        && ["can't allocate memory", "not enough memory"].iter().any(|text| message.contains(text));
    of_processor || of_gpu.iter().any(|text| message.contains(text))
}

/// The numbers by which libtorch knows a GPU are of 8 bits; it would take a larger one for another.
fn gpu_number(index: usize) -> Option<i32> {
    i8::try_from(index).ok().map(i32::from)
}

/// `VmHWM` of a process's status, which is in KiB, in bytes.
fn peak_of_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    #[test]
    fn the_peak_is_read_in_bytes() {
        let status = "Name:\ttrain\nVmPeak:\t  99 kB\nVmHWM:\t    1234 kB\nVmRSS:\t  12 kB\n";
        assert_eq!(peak_of_status(status), Some(1234 * 1024));
        assert_eq!(peak_of_status("Name:\ttrain\n"), None);
        assert_eq!(peak_of_status("VmHWM:\tmany kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_grows_by_what_was_written() {
        let before = peak_resident().expect("Linux tells");
        let bytes = before + (64 << 20);
        drop(Tensor::ones([bytes as i64], (Kind::Uint8, Device::Cpu)));
        let after = peak_resident().expect("Linux tells");
        assert!(after >= bytes, "{before} {after}");
    }

    #[test]
    fn libtorch_says_of_the_processor_that_memory_does_not_suffice() {
        let exbibyte = 1i64 << 60;
        let error = Tensor::f_empty([exbibyte], (Kind::Uint8, Device::Cpu)).expect_err("too large");
        assert!(is_out_of_memory(&error.to_string()), "{error}");
        let shape = Tensor::f_zeros([-1i64], (Kind::Uint8, Device::Cpu)).expect_err("no size");
        assert!(!is_out_of_memory(&shape.to_string()), "{shape}");
    }

    #[test]
    fn messages_of_gpus_and_other_systems_are_known() {
        let gpu = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of";
        let windows = "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you";
        assert!(is_out_of_memory(gpu) && is_out_of_memory(windows));
        assert!(!is_out_of_memory("CUDA error: an illegal memory access was encountered"));
        assert!(!is_out_of_memory("there is not enough memory of that evening"));
    }

    #[test]
    fn a_gpu_that_is_not_there_has_no_peak() {
        assert_eq!(peak_on_gpu(100), None);
        assert_eq!(peak_on_gpu(usize::MAX), None);
        assert!(!forget_peak_on_gpu(100));
        assert_eq!(peak_on(Device::Cuda(100)), None, "of that GPU, or of none");
        assert!(peak_on(Device::Cpu).is_some() || cfg!(not(target_os = "linux")));
    }
}
