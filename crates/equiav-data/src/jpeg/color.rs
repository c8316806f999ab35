//! Planes of luma and chroma to colors: libjpeg's smooth enlarging of chroma and its conversion.

use multiversion::multiversion;

use super::baseline::Plane;

/// The picture of `planes`, color by color; `None` if it is too narrow to be enlarged smoothly.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vbmi+avx+avx2+fma+bmi1+bmi2",
    "x86_64+avx+avx2+fma+bmi1+bmi2"
))]
pub(super) fn pixels(planes: &[Plane], width: usize, height: usize) -> Option<Vec<u8>> {
    let mut pixels = vec![0; 3 * width * height];
    let rows = pixels.as_chunks_mut::<3>().0.chunks_exact_mut(width).enumerate();
    let luma = |y: usize| &planes[0].levels[y * planes[0].stride..][..width];
    let [_, blue, red] = planes else {
        rows.for_each(|(y, row)| {
            row.iter_mut().zip(luma(y)).for_each(|(to, from)| *to = [*from; 3])
        });
        return Some(pixels);
    };
    let narrow = width.div_ceil(blue.shrunk[0]);
    if blue.shrunk[0] > 1 && narrow <= 2 {
        return None;
    }
    let mut sums = vec![0; narrow + 2];
    let mut chroma = [(); 2].map(|()| vec![0; 2 * narrow]);
    for (y, row) in rows {
        for (plane, chroma) in [blue, red].into_iter().zip(&mut chroma) {
            enlarge(plane, y, height, &mut sums, chroma);
        }
        convert(row, luma(y), &chroma[0], &chroma[1]);
    }
    Some(pixels)
}

/// Row `y` of the picture, of `height` rows, of a plane of chroma.
#[inline(always)]
fn enlarge(plane: &Plane, y: usize, height: usize, sums: &mut [u16], chroma: &mut [u8]) {
    let narrow = sums.len() - 2;
    let row = |y: usize| &plane.levels[y * plane.stride..][..narrow];
    match plane.shrunk {
        [1, _] => chroma[..narrow].copy_from_slice(row(y)),
        [_, 1] => {
            let pairs = sums[1..=narrow].iter_mut().zip(row(y));
            pairs.for_each(|(sum, level)| *sum = u16::from(*level));
            widen(sums, chroma, [1, 2], 2);
        }
        _ => {
            let last = height.div_ceil(2) - 1;
            let near = y / 2;
            let far =
                if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(last) };
            let pairs = sums[1..=narrow].iter_mut().zip(row(near).iter().zip(row(far)));
            pairs.for_each(|(sum, (near, far))| *sum = 3 * u16::from(*near) + u16::from(*far));
            widen(sums, chroma, [8, 7], 4);
        }
    }
}

/// Two of each of `sums` but the outermost: three parts of it and one of its neighbor.
#[inline(always)]
fn widen(sums: &mut [u16], chroma: &mut [u8], round: [u16; 2], bits: u32) {
    let last = sums.len() - 1;
    (sums[0], sums[last]) = (sums[1], sums[last - 1]);
    let around = sums.iter().zip(&sums[1..]).zip(&sums[2..]);
    for (pair, ((left, middle), right)) in chroma.as_chunks_mut::<2>().0.iter_mut().zip(around) {
        *pair = [
            ((3 * middle + left + round[0]) >> bits) as u8,
            ((3 * middle + right + round[1]) >> bits) as u8,
        ];
    }
}

/// Pixels that are converted at once.
const LANES: usize = 64;

/// A row of colors from luma and chroma.
#[inline(always)]
fn convert(row: &mut [[u8; 3]], luma: &[u8], blue: &[u8], red: &[u8]) {
    let chroma = blue.chunks(LANES).zip(red.chunks(LANES));
    for ((row, luma), (blue, red)) in row.chunks_mut(LANES).zip(luma.chunks(LANES)).zip(chroma) {
        if let (Ok(row), Ok(luma), Some(blue), Some(red)) = (
            <&mut [[u8; 3]; LANES]>::try_from(&mut *row),
            <&[u8; LANES]>::try_from(luma),
            blue.first_chunk(),
            red.first_chunk(),
        ) {
            convert_block(row, luma, blue, red);
            continue;
        }
        let mut block = [[0; 3]; LANES];
        let whole = |part: &[u8]| {
            let mut whole = [0; LANES];
            whole[..part.len()].copy_from_slice(part);
            whole
        };
        convert_block(&mut block, &whole(luma), &whole(blue), &whole(red));
        row.copy_from_slice(&block[..row.len()]);
    }
}

#[inline(always)]
fn convert_block(
    row: &mut [[u8; 3]; LANES],
    luma: &[u8; LANES],
    blue: &[u8; LANES],
    red: &[u8; LANES],
) {
    const HALF: i32 = 1 << 15;
    let mut planes = [[0; LANES]; 3];
    for lane in 0..LANES {
        let luma = i32::from(luma[lane]);
        let (blue, red) = (i32::from(blue[lane]) - 128, i32::from(red[lane]) - 128);
        // Shares of chroma in 16 bits of fixed point: 1.402, 1.772, 0.34414 and 0.71414.
        let level = |chroma: i32| (luma + (chroma >> 16)).clamp(0, 255) as u8;
        planes[0][lane] = level(91_881 * red + HALF);
        planes[1][lane] = level(-22_554 * blue - 46_802 * red + HALF);
        planes[2][lane] = level(116_130 * blue + HALF);
    }
    for lane in 0..LANES {
        row[lane] = [planes[0][lane], planes[1][lane], planes[2][lane]];
    }
}
