//! How exactly fp32 matrix products are computed, for the whole process or for a piece of work in it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::{TorchError, ffi};

/// The precision of fp32 matrix products, as PyTorch's `set_float32_matmul_precision`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MatmulPrecision {
    /// fp32 throughout.
    Highest,
    /// TensorFloat32, or products of bfloat16 pairs, where the device has them.
    High,
    /// Products of bfloat16 where the device is faster with them.
    ///
    /// On processors it also hands fp32 products to oneDNN, which alone can be worth a factor of 1.8.
    /// On a virtual machine whose processor advertises AMX, oneDNN's kernels for it have ended the
    /// process with an illegal instruction; `ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16` avoids them, and was
    /// slower there than [`Highest`](Self::Highest).
    Medium,
}

/// Sets the precision of every later fp32 matrix product of this process; while there is a
/// [`FullPrecision`], of those after it.
///
/// # Errors
///
/// If libtorch refuses.
pub fn set_matmul_precision(precision: MatmulPrecision) -> Result<(), TorchError> {
    let mut held = held();
    match &mut *held {
        Some(held) => held.before = precision,
        None => set(precision)?,
    }
    Ok(())
}

/// As long as it lives, all fp32 matrix products of this process, on any thread and device, are of
/// [`MatmulPrecision::Highest`]; then what was set before, or meanwhile, holds. Several may live at once.
///
/// For what is compared by small differences, whatever networks compute in: losses and scores, their
/// backward passes included, which have to run while it lives.
#[derive(Debug)]
#[must_use = "precision is full only as long as this lives"]
pub struct FullPrecision(());

/// What the [`FullPrecision`]s that live have to put back.
struct Held {
    lives: usize,
    before: MatmulPrecision,
}

/// libtorch's setting is one for the process, and so is what is known of it.
static HELD: Mutex<Option<Held>> = Mutex::new(None);

fn held() -> MutexGuard<'static, Option<Held>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FullPrecision {
    /// From now on.
    ///
    /// # Errors
    ///
    /// If libtorch refuses that precision.
    pub fn new() -> Result<Self, TorchError> {
        let mut held = held();
        match &mut *held {
            Some(held) => held.lives += 1,
            None => {
                let before = matmul_precision()?;
                set(MatmulPrecision::Highest)?;
                *held = Some(Held { lives: 1, before });
            }
        }
        Ok(Self(()))
    }
}

impl Drop for FullPrecision {
    fn drop(&mut self) {
        let mut all = held();
        let Some(held) = &mut *all else { return };
        held.lives -= 1;
        if held.lives == 0 {
            // What was set before can be set again.
            let _ = set(held.before);
            *all = None;
        }
    }
}

fn set(precision: MatmulPrecision) -> Result<(), TorchError> {
    ffi::set_matmul_precision(match precision {
        MatmulPrecision::Highest => 0,
        MatmulPrecision::High => 1,
        MatmulPrecision::Medium => 2,
    })
}

/// The precision of fp32 matrix products of this process.
///
/// # Errors
///
/// If libtorch's setting was changed through an interface that has no such precision.
pub fn matmul_precision() -> Result<MatmulPrecision, TorchError> {
    match ffi::matmul_precision()? {
        0 => Ok(MatmulPrecision::Highest),
        1 => Ok(MatmulPrecision::High),
        2 => Ok(MatmulPrecision::Medium),
        other => Err(TorchError(format!("precision {other} is unknown"))),
    }
}

/// Tests that set the precision of the process, or look at it, hold this.
#[cfg(test)]
pub(crate) static ALONE: Mutex<()> = Mutex::new(());

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    use MatmulPrecision::{High, Highest, Medium};

    #[test]
    fn what_is_set_is_read_back_and_full_precision_ends_where_it_began() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        for precision in [Medium, High, Highest] {
            set_matmul_precision(precision).expect("libtorch takes it");
            assert_eq!(matmul_precision(), Ok(precision));
        }
        let full = || FullPrecision::new().expect("libtorch takes it");
        let now = || matmul_precision().expect("one of three");

        set_matmul_precision(High).expect("libtorch takes it");
        let (first, second) = (full(), full());
        assert_eq!(now(), Highest);
        drop(first);
        assert_eq!(now(), Highest, "one still lives");
        assert_eq!(std::thread::spawn(now).join().ok(), Some(Highest), "on every thread");
        drop(second);
        assert_eq!(now(), High);

        let panic = catch_unwind(|| {
            let _full = full();
            assert_eq!(now(), Highest);
            panic!("as it may happen");
        });
        assert!(panic.is_err());
        assert_eq!(now(), High, "after a panic");

        let third = full();
        set_matmul_precision(Medium).expect("for later");
        assert_eq!(now(), Highest);
        drop(third);
        assert_eq!(now(), Medium);
        set_matmul_precision(Highest).expect("libtorch takes it");
    }
}
