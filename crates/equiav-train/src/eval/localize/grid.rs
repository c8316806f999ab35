//! Grids of places: a picture moved by parts of a patch, the grids of all moves as one, maps scaled to pixels.

use anyhow::Context;
use ndarray::Array3;
use tch::Tensor;

/// `[b, rows, columns]` to `[b, side, side]`, linearly between the centers of the cells and then blurred by a
/// Gaussian of a deviation of `blur` pixels, the edges repeated outside.
pub(super) fn pixels(cells: &Tensor, side: i64, blur: f64) -> anyhow::Result<Array3<f32>> {
    let scaled = cells.unsqueeze(1).upsample_bilinear2d([side, side], false, None, None);
    let blurred = if blur > 0.0 { blurred(&scaled, blur) } else { scaled };
    let values: ndarray::ArrayD<f32> = (&blurred.squeeze_dim(1).contiguous()).try_into()?;
    values.into_dimensionality().context("a map for each picture")
}

/// `[b, 1, side, side]` by a Gaussian of that `deviation`, cut at three of them.
fn blurred(maps: &Tensor, deviation: f64) -> Tensor {
    let reach = (3.0 * deviation).ceil() as i64;
    let weights = (-reach..=reach).map(|away| (-0.5 * (away as f64 / deviation).powi(2)).exp());
    let weights: Vec<f32> = weights.map(|weight| weight as f32).collect();
    let weights = Tensor::from_slice(&weights);
    let weights = &weights / weights.sum(None);
    let along = |maps: &Tensor, size: [i64; 4]| {
        maps.conv2d(&weights.view(size), None::<Tensor>, [1], [0], [1], 1)
    };
    let wide = maps.replication_pad2d([reach; 4]);
    along(&along(&wide, [1, 1, 1, -1]), [1, 1, -1, 1])
}

/// The pictures moved by parts of a patch, row by row: the centers of all their patches together are those
/// of a grid `finer` times as fine. What a move brings in is the picture's edge.
pub(super) fn moves(pictures: &Tensor, patch: i64, finer: i64) -> Vec<Tensor> {
    if finer == 1 {
        return vec![pictures.shallow_clone()];
    }
    let half = patch / 2;
    let wide = pictures.replication_pad2d([half, half, half, half]);
    let (height, width) = (pictures.size()[2], pictures.size()[3]);
    let start = |step: i64| half + (2 * step - (finer - 1)) * patch / (2 * finer);
    let moved = |step: i64| {
        let (row, column) = (start(step / finer), start(step % finer));
        wide.narrow(2, row, height).narrow(3, column, width)
    };
    (0..finer * finer).map(moved).collect()
}

/// The grids `[b, rows, columns, out]` of all [`moves`] as one `[b, finer · rows, finer · columns, out]`.
pub(super) fn interleaved(grids: &[Tensor], finer: i64) -> Tensor {
    let size = grids[0].size();
    let (b, rows, columns, out) = (size[0], size[1], size[2], size[3]);
    Tensor::stack(grids, 0)
        .view([finer, finer, b, rows, columns, out])
        .permute([2, 3, 0, 4, 1, 5]) // [b, rows, finer, columns, finer, out]
        .reshape([b, finer * rows, finer * columns, out])
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn moved_pictures_make_one_finer_grid() {
        // A picture whose every pixel says where it is; a "network" that gives a patch's mean.
        let (side, patch) = (16i64, 8i64);
        let column = Tensor::arange(side, (Kind::Float, Device::Cpu)) + 0.5;
        let picture = column.view([1, 1, 1, side]).expand([1, 3, side, side], false);
        for finer in [1, 2, 4] {
            let means = |input: &Tensor| {
                let mean =
                    input.avg_pool2d([patch, patch], [patch, patch], 0i64, false, true, None);
                mean.narrow(1, 0, 1).permute([0, 2, 3, 1])
            };
            let grids: Vec<Tensor> = moves(&picture, patch, finer).iter().map(means).collect();
            let grid = interleaved(&grids, finer);
            let cells = side / patch * finer;
            assert_eq!(grid.size(), [1, cells, cells, 1]);
            for cell in 0..cells {
                let center = (cell as f64 + 0.5) * patch as f64 / finer as f64;
                for row in 0..cells {
                    let found = grid.double_value(&[0, row, cell, 0]);
                    // At the edge a moved patch reaches out of the picture.
                    let inside = center - 4.0 >= 0.0 && center + 4.0 <= side as f64;
                    assert!(!inside || (found - center).abs() < 1e-5, "{finer}: {found}, {center}");
                }
            }
        }
    }

    #[test]
    fn cells_lie_where_their_patches_are() {
        let cells = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 3.0]).view([1, 2, 2]);
        let map = pixels(&cells, 8, 0.0).expect("a map");
        let at = |row: usize, column: usize| map[[0, row, column]];
        assert_eq!((at(0, 0), at(0, 7), at(7, 0), at(7, 7)), (0.0, 1.0, 2.0, 3.0));
        assert!((at(3, 3) + at(4, 4) - 3.0).abs() < 1e-6, "the middle is the mean");
    }

    #[test]
    fn a_blurred_point_is_a_gaussian_and_a_flat_map_stays() {
        let mut point = vec![0f32; 81];
        point[4 * 9 + 4] = 1.0;
        let map = pixels(&Tensor::from_slice(&point).view([1, 9, 9]), 9, 1.0).expect("a map");
        let total: f64 = (-3i32..=3).map(|away| (-0.5 * f64::from(away * away)).exp()).sum();
        for (row, column) in [(4, 4), (4, 5), (2, 5), (1, 1), (0, 4)] {
            let away = [row, column].map(|place: i32| place - 4);
            let reached = away.iter().all(|away| away.abs() <= 3);
            let square = f64::from(away[0] * away[0] + away[1] * away[1]);
            let expected = if reached { (-0.5 * square).exp() / (total * total) } else { 0.0 };
            let found = f64::from(map[[0, row as usize, column as usize]]);
            assert!((found - expected).abs() < 1e-6, "{row}, {column}: {found}, {expected}");
        }
        let flat = Tensor::ones([1, 2, 2], (Kind::Float, Device::Cpu));
        let map = pixels(&flat, 8, 5.0).expect("a map");
        assert!(map.iter().all(|value| (value - 1.0).abs() < 1e-6), "to the edges");
    }
}
