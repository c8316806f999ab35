//! From the host's memory to a device without waiting for the copy.

use tch::{Device, Tensor};

/// `tensor` on `device`; to a GPU through pinned memory, without blocking.
///
/// The copy is queued behind what the GPU already does, so whatever uses the result there sees it
/// whole, and the pinned memory is kept until then. On the processor, or where `tensor` already lies
/// on `device`, nothing is copied.
///
/// No test of the workspace runs the path to a GPU: it has been compiled, not tried.
pub fn to_device(tensor: &Tensor, device: Device) -> Tensor {
    if tensor.device() == device {
        return tensor.shallow_clone();
    }
    let from_host = tensor.device() == Device::Cpu && matches!(device, Device::Cuda(_));
    if !from_host {
        return tensor.to_device(device);
    }
    tensor.pin_memory(device).to_dtype_layout((tensor.kind(), device), true, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_processor_nothing_is_copied() {
        let tensor = Tensor::from_slice(&[1i64, 2, 3]);
        let same = to_device(&tensor, Device::Cpu);
        assert_eq!(same.data_ptr(), tensor.data_ptr());
    }

    #[test]
    fn a_gpu_gets_the_same_numbers_where_there_is_one() {
        let tensor = Tensor::from_slice(&[1i64, 2, 3]);
        let device = match crate::cuda_device(0) {
            Ok(device) => device,
            Err(reason) => {
                let test = "a_gpu_gets_the_same_numbers_where_there_is_one";
                return crate::skipped::skipped(test, &reason.to_string());
            }
        };
        let moved = to_device(&tensor, device);
        assert_eq!(moved.device(), device);
        assert_eq!(moved.to_device(Device::Cpu), tensor);
    }
}
