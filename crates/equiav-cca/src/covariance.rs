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

    /// An exponential average over steps: `momentum` of it is `before`, as a constant, the rest these.
    #[must_use]
    pub fn after(self, before: &Self, momentum: f64) -> Self {
        let mixed =
            |now: Tensor, before: &Tensor| now * (1.0 - momentum) + before.detach() * momentum;
        Self {
            aa: mixed(self.aa, &before.aa),
            bb: mixed(self.bb, &before.bb),
            ab: mixed(self.ab, &before.ab),
        }
    }

    /// The same as constants.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { aa: self.aa.detach(), bb: self.bb.detach(), ab: self.ab.detach() }
    }

    /// The same with rows of one class belonging together as well as pairs do: `share` of S12 is that of pairs, the rest
    /// that of all rows of each class with all of the same (cluster CCA: Rasiwasia et al., AISTATS 2014; deep: Zeng et al.,
    /// arXiv 1908.03744).
    ///
    /// ```text
    /// S12 = share A^T B / (n - 1) + (1 - share) sum_c (sum_{i in c} a_i) (sum_{j in c} b_j)^T / sum_c n_c^2
    /// ```
    ///
    /// # Shapes
    ///
    /// - `a`: `[n, p]`, `b`: `[n, q]`, those of [`of_rows`](Self::of_rows)
    /// - `classes`: `[n, c]`, how much of each class is in each row, in [0, 1]
    ///
    /// # Panics
    ///
    /// If the numbers of rows differ, or `share` is outside [0, 1].
    #[must_use]
    #[track_caller]
    pub fn mixed(self, (a, b): (&Tensor, &Tensor), classes: &Tensor, share: f64) -> Self {
        assert!((0.0..=1.0).contains(&share), "covariances: a share of {share} is none");
        let rows = [a, b, classes].map(|rows| sizes("covariances", rows).0);
        assert!(rows[0] == rows[1] && rows[1] == rows[2], "covariances: {rows:?} rows");
        // Exactly the covariance of pairs, whatever the classes.
        if share == 1.0 {
            return self;
        }
        let classes = classes.to_kind(Kind::Double).to_device(self.ab.device());
        let sums = [a, b].map(|rows| {
            let rows = rows.to_kind(Kind::Double);
            let mean = rows.mean_dim([0i64].as_slice(), true, Kind::Double);
            classes.tr().matmul(&(rows - mean)) // [c, p]
        });
        let counts = classes.sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
        // Without a row of any class there is nothing to mix in.
        let pairs = counts.square().sum(Kind::Double).clamp_min(1e-12);
        let of_classes = sums[0].tr().matmul(&sums[1]) / pairs;
        Self { ab: self.ab * share + of_classes * (1.0 - share), ..self }
    }
}
