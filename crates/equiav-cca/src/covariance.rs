//! The covariances of two sets of rows.

use tch::{Kind, Tensor};

use crate::sizes;

/// The covariances of two sets of rows; what of them is batch, running or mixed over classes is the caller's.
#[derive(Debug)]
pub struct Covariances {
    /// S11: of the first rows' columns, `[p, p]`.
    pub aa: Tensor,
    /// S22: of the second rows' columns, `[q, q]`.
    pub bb: Tensor,
    /// S12: between both, `[p, q]`.
    pub ab: Tensor,
}

impl Covariances {
    /// Those of centered rows, on the graph of the rows.
    ///
    /// ```text
    /// S11 = A^T A / (n - 1),  S12 = A^T B / (n - 1),  S22 = B^T B / (n - 1)      A, B: rows minus their mean
    /// ```
    ///
    /// # Shapes
    ///
    /// - `a`: `[n, p]`, `b`: `[n, q]`; row `i` of both belongs together
    ///
    /// # Panics
    ///
    /// If the numbers of rows differ or there are less than 2.
    #[track_caller]
    pub fn of_rows(a: &Tensor, b: &Tensor) -> Self {
        let (n, _) = sizes("covariances: a", a);
        let (others, _) = sizes("covariances: b", b);
        assert_eq!(n, others, "covariances: a and b differ in rows");
        assert!(n > 1, "covariances: a single row has none");
        let [a, b] = [a, b].map(|rows| {
            let rows = rows.to_kind(Kind::Double);
            let mean = rows.mean_dim([0i64].as_slice(), true, Kind::Double);
            rows - mean
        });
        let over = |x: &Tensor, y: &Tensor| x.tr().matmul(y) / (n - 1) as f64;
        Self { aa: over(&a, &a), bb: over(&b, &b), ab: over(&a, &b) }
    }
}
