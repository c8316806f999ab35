//! The quantile function of the standard normal distribution.

/// The value below which a standard normal variable lies with probability `p`, infinite at 0 and 1.
///
/// Algorithm AS 241 (Wichura 1988), accurate to about 1e-16 relative.
pub(crate) fn quantile(p: f64) -> f64 {
    let offset = p - 0.5;
    if offset.abs() <= 0.425 {
        return offset * ratio(0.180_625 - offset * offset, &CENTER);
    }
    let tail = p.min(1.0 - p);
    if tail <= 0.0 {
        return f64::INFINITY.copysign(offset);
    }
    let r = (-tail.ln()).sqrt();
    let size = if r <= 5.0 { ratio(r - 1.6, &FLANK) } else { ratio(r - 5.0, &TAIL) };
    size.copysign(offset)
}

/// A ratio of two polynomials in `x`, constant coefficients first.
fn ratio(x: f64, [above, below]: &[[f64; 8]; 2]) -> f64 {
    let horner =
        |coefficients: &[f64; 8]| coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c);
    horner(above) / horner(below)
}

/// Within 0.425 of the median.
const CENTER: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_6,
        133.141_667_891_784_38,
        1_971.590_950_306_551_4,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
];

/// Down to tails of about 1e-11.
const FLANK: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];

/// Beyond.
const TAIL: [[f64; 8]; 2] = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288e-7,
    ],
    [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_equal_published_values() {
        // tables of the standard normal distribution, and Python's statistics.NormalDist
        for (p, expected) in EXPECTED {
            assert!((quantile(p) - expected).abs() < 1e-13, "{p}: {} {expected}", quantile(p));
            if p > 1e-3 {
                assert!((quantile(1.0 - p) + expected).abs() < 1e-12, "{p} is not symmetric");
            }
        }
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }

    const EXPECTED: [(f64, f64); 12] = [
        (0.5, 0.0),
        (0.1, -1.2815515655446008),
        (0.074, -1.4466320671589785),
        (0.075, -1.4395314709384557),
        (0.0751, -1.4388253927525398),
        (0.025, -1.9599639845400538),
        (0.001, -3.090232306167813),
        (1e-06, -4.753424308822899),
        (1.3e-11, -6.66761145651074),
        (1.5e-11, -6.646570887477112),
        (1e-20, -9.262340089798405),
        (1e-300, -37.0470962993612),
    ];
}
