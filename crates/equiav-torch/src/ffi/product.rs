//! The matrix product of plain numbers.

use tch::{Device, Kind, TchError, Tensor};

use crate::TorchError;

/// Writes the products of every row with every column to `out`, row by row.
///
/// # Panics
///
/// If the sizes do not fit.
#[track_caller]
pub(crate) fn multiply(
    rows: &[f32],
    columns: &[f32],
    width: usize,
    out: &mut [f32],
) -> Result<(), TorchError> {
    let (n, m) = (rows.len() / width, columns.len() / width);
    let sizes = [rows.len(), columns.len(), out.len()];
    assert_eq!(sizes, [n * width, m * width, n * m], "the sizes of a matrix product");
    // SAFETY: each tensor sees exactly the numbers of its slice. All three are gone when this function
    // returns, for nothing keeps a copy of a tensor of this product, and until then the slices are borrowed.
    // `mm_out` reads the first two and writes the third, which has the result's size and stays in its place.
    let multiplied = unsafe {
        blob(rows.as_ptr(), [n, width]).and_then(|rows| {
            let columns = blob(columns.as_ptr(), [m, width])?;
            let out = blob(out.as_mut_ptr(), [n, m])?;
            tch::no_grad(|| rows.f_mm_out(&out, &columns.f_tr()?)).map(drop)
        })
    };
    multiplied.map_err(|error| TorchError(error.to_string()))
}

/// A tensor over numbers that are not its own.
///
/// # Safety
///
/// There must be as many numbers as its size says for as long as there is the tensor.
unsafe fn blob(numbers: *const f32, size: [usize; 2]) -> Result<Tensor, TchError> {
    let [rows, width] = size.map(|size| size as i64);
    let (size, strides) = ([rows, width], [width, 1]);
    // SAFETY: the caller answers for the numbers.
    unsafe { Tensor::f_from_blob(numbers.cast(), &size, &strides, Kind::Float, Device::Cpu) }
}
