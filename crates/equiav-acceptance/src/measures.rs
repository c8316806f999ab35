//! What is measured of rows: correlations of columns, mean average precision by class.

use tch::{Kind, Tensor};

/// The correlation of each column of `a` with the same of `b`, both `[n, d]`.
pub fn correlations(a: &Tensor, b: &Tensor) -> Vec<f64> {
    let [a, b] = [a, b].map(|rows| {
        let rows = rows.to_kind(Kind::Double);
        &rows - rows.mean_dim([0i64].as_slice(), true, Kind::Double)
    });
    let over =
        |x: &Tensor, y: &Tensor| (x * y).sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
    let found = over(&a, &b) / (over(&a, &a) * over(&b, &b)).sqrt();
    Vec::try_from(found).expect("numbers")
}

/// The largest correlation of two columns of `rows`, `[n, d]`, without its sign.
pub fn largest_off_diagonal(rows: &Tensor) -> f64 {
    let found = rows.to_kind(Kind::Double).tr().corrcoef();
    let columns = found.size()[0];
    let diagonal = Tensor::eye(columns, (Kind::Double, found.device()));
    (found * (diagonal.ones_like() - diagonal)).abs().max().double_value(&[])
}

/// The mean over queries of the average precision with which the gallery's rows of the query's class come first by cosine.
///
/// Ties count as they lie; embeddings of made worlds have none.
pub fn class_map(queries: &Tensor, gallery: &Tensor, [asked, there]: [&[usize]; 2]) -> f64 {
    let unit = |rows: &Tensor| {
        let rows = rows.to_kind(Kind::Double);
        let lengths = rows.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Double).sqrt();
        rows / lengths.clamp_min(1e-12)
    };
    let order = unit(queries).matmul(&unit(gallery).tr()).argsort(1, true);
    let mut sum = 0.0;
    for (query, class) in asked.iter().enumerate() {
        let order: Vec<i64> = Vec::try_from(order.get(query as i64)).expect("places");
        let (mut hits, mut precision) = (0.0, 0.0);
        for (rank, place) in order.iter().enumerate() {
            if there[*place as usize] == *class {
                hits += 1.0;
                precision += hits / (rank + 1) as f64;
            }
        }
        sum += if hits > 0.0 { precision / hits } else { 0.0 };
    }
    sum / asked.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_that_of_a_hand_count() {
        let queries = Tensor::from_slice2(&[[1.0f64, 0.0]]);
        let gallery = Tensor::from_slice2(&[[1.0f64, 0.1], [1.0, 0.3], [1.0, 0.2]]);
        // In the order of cosines: 0, 2, 1; the first and the last are of the class.
        let found = class_map(&queries, &gallery, [&[7], &[7, 7, 1]]);
        assert!((found - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12, "{found}");
    }
}
