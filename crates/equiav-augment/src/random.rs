//! The only source of randomness: streams keyed by what they are for, and how numbers come of them.
//!
//! The conversions are written out here because those of `rand` may change between its versions,
//! and a resumed run must draw what the interrupted one would have drawn.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::Modality;

/// What a stream of random numbers decides.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// Which frame of a clip is seen as that modality.
    Frame(Modality),
    /// The augmentation of a view.
    Augmentation(Modality),
    /// The parameter vectors whose predictions make a training clip's centroid.
    Centroid(Modality),
    /// The parameter vectors with which retrieval embeds, the same for every clip.
    Retrieval(Modality),
    /// The order of the clips in an epoch.
    Order,
    /// Which clip takes the place of one that cannot be read.
    Replacement,
    /// The contents of a generated corpus.
    Synthesis,
    /// Which other clip a labeled clip is mixed with, and how.
    Mix,
    /// Which clips are labeled, and which are measured while training.
    Split,
    /// Which branches of an encoder's blocks a clip skips.
    DropPath(Modality),
    /// Which patches of a view a masked autoencoder sees.
    Mask(Modality),
    /// Whether a sound of nothing stands beside a training clip, and which.
    Quiet,
    /// Where clusters start.
    Clusters,
    /// Whether the parameter vector of a view is hidden from the predictor.
    VectorDropout(Modality),
    /// Whose clusters a clip of several other modalities learns.
    PseudoLabel(Modality),
    /// The noise of a stochastic embedding.
    Latent(Modality),
    /// Which modality a step sees where it sees one.
    Coin,
    /// Where crops of a view's tokens lie.
    FeatureCrop(Modality),
}

impl Purpose {
    /// A number of its own for every purpose; changing one changes every run.
    fn number(self) -> u64 {
        match self {
            // The first modality of which there were frames.
            Self::Frame(Modality::VISUAL) => 0,
            Self::Order => 1,
            Self::Replacement => 2,
            Self::Synthesis => 3,
            Self::Mix => 4,
            Self::Split => 5,
            Self::Quiet => 6,
            Self::Clusters => 7,
            Self::Coin => 8,
            Self::Augmentation(modality) => 0x100 + number(modality),
            Self::Centroid(modality) => 0x200 + number(modality),
            Self::Retrieval(modality) => 0x300 + number(modality),
            Self::DropPath(modality) => 0x400 + number(modality),
            Self::Frame(modality) => 0x500 + number(modality),
            Self::Mask(modality) => 0x600 + number(modality),
            Self::VectorDropout(modality) => 0x700 + number(modality),
            Self::PseudoLabel(modality) => 0x800 + number(modality),
            Self::Latent(modality) => 0x900 + number(modality),
            Self::FeatureCrop(modality) => 0xa00 + number(modality),
        }
    }
}

/// A number of its own for every modality, the same in every program whatever other modalities there are: a hash
/// (FNV-1a) of its name in the upper 48 bits, but for the two that were there first.
fn number(modality: Modality) -> u64 {
    match modality {
        Modality::AUDIO => 0,
        Modality::VISUAL => 1,
        other => {
            let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            let hash = other.name().bytes().fold(0xcbf2_9ce4_8422_2325, mix);
            (hash << 16) | 2
        }
    }
}

/// The stream of random numbers for one purpose, of one clip, in one epoch.
///
/// The four numbers are the key of the generator, so streams neither overlap nor depend on the
/// order in which, or the thread on which, they are opened.
pub fn stream(seed: u64, epoch: u64, clip: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, part) in key.chunks_exact_mut(8).zip([seed, epoch, clip, purpose.number()]) {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number in `[0, 1)`, a multiple of 2⁻⁵³.
pub fn unit(rng: &mut impl Rng) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    (rng.next_u64() >> 11) as f64 * STEP
}

/// A whole number in `0 .. count`; the bias is below `count` / 2⁶⁴.
///
/// # Panics
///
/// If `count` is 0.
#[track_caller]
pub fn below(count: usize, rng: &mut impl Rng) -> usize {
    assert!(count > 0, "below: there is no whole number below 0");
    let product = u128::from(rng.next_u64()) * count as u128;
    (product >> 64) as usize
}

/// Brings `items` into an order of which each is as likely, by Fisher and Yates.
pub fn shuffle<T>(items: &mut [T], rng: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last + 1, rng));
    }
}

/// A number in `(0, 1)` of the beta distribution with both parameters `alpha`: symmetric about a
/// half, the closer to it the larger `alpha`.
///
/// ```text
/// x / (x + y)        x, y: of the gamma distribution with shape alpha
/// ```
///
/// # Panics
///
/// If `alpha` is not above 0.
#[track_caller]
pub fn beta(alpha: f64, rng: &mut impl Rng) -> f64 {
    assert!(alpha > 0.0, "beta: {alpha} is no parameter of a beta distribution");
    let (x, y) = (gamma(alpha, rng), gamma(alpha, rng));
    // Both vanish only where alpha is far below anything of use.
    if x + y > 0.0 { x / (x + y) } else { 0.5 }
}

/// A number of the gamma distribution with that shape and scale 1, by rejection (Marsaglia and Tsang
/// 2000; below a shape of 1 by way of the next one, as they propose).
fn gamma(shape: f64, rng: &mut impl Rng) -> f64 {
    if shape < 1.0 {
        let boost = (1.0 - unit(rng)).powf(1.0 / shape);
        return gamma(shape + 1.0, rng) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        let u = 1.0 - unit(rng);
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// A number of the standard normal distribution, by Box and Muller.
fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - unit(rng)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(rng)).cos()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn streams_differ_in_every_part_of_their_key() {
        let plain = [
            Purpose::Frame(Modality::VISUAL),
            Purpose::Order,
            Purpose::Replacement,
            Purpose::Synthesis,
            Purpose::Mix,
            Purpose::Split,
            Purpose::Quiet,
            Purpose::Clusters,
            Purpose::Coin,
        ];
        let others = ["context", "text"].map(|name| Modality::new(name).expect("a name"));
        let purposes = plain.into_iter().chain(others.map(Purpose::Frame));
        let modalities = Modality::AUDIO_VISUAL.into_iter().chain(others);
        let purposes = purposes.chain(modalities.flat_map(|modality| {
            [
                Purpose::Augmentation,
                Purpose::Centroid,
                Purpose::Retrieval,
                Purpose::DropPath,
                Purpose::VectorDropout,
                Purpose::PseudoLabel,
                Purpose::Latent,
                Purpose::FeatureCrop,
            ]
            .map(|purpose| purpose(modality))
        }));
        let mut keys: Vec<_> = purposes.map(|purpose| (1, 2, 3, purpose)).collect();
        keys.extend([
            (9, 2, 3, Purpose::Frame(Modality::VISUAL)),
            (1, 9, 3, Purpose::Frame(Modality::VISUAL)),
        ]);
        keys.push((1, 2, 9, Purpose::Frame(Modality::VISUAL)));
        let firsts: BTreeSet<u64> = keys
            .iter()
            .map(|&(seed, epoch, clip, purpose)| stream(seed, epoch, clip, purpose).next_u64())
            .collect();
        assert_eq!(firsts.len(), keys.len());
    }

    #[test]
    fn the_stream_is_the_same_in_every_version() {
        let mut rng = stream(1, 2, 3, Purpose::Augmentation(Modality::VISUAL));
        let numbers = [(); 3].map(|()| below(1000, &mut rng));
        assert_eq!(numbers, [586, 263, 456]);
        let context = Modality::new("context").expect("a name");
        let mut rng = stream(1, 2, 3, Purpose::Augmentation(context));
        let numbers = [(); 3].map(|()| below(1000, &mut rng));
        assert_eq!(numbers, [340, 586, 498]);
    }

    #[test]
    fn below_covers_exactly_its_range() {
        let mut rng = stream(0, 0, 0, Purpose::Order);
        let seen: BTreeSet<usize> = (0..200).map(|_| below(5, &mut rng)).collect();
        assert_eq!(seen, BTreeSet::from([0, 1, 2, 3, 4]));
    }

    #[test]
    fn beta_has_its_distribution() {
        let mut rng = stream(5, 0, 0, Purpose::Mix);
        let draws = 20_000;
        for alpha in [0.5, 1.0, 2.0, 10.0] {
            let drawn: Vec<f64> = (0..draws).map(|_| beta(alpha, &mut rng)).collect();
            assert!(drawn.iter().all(|x| (0.0..=1.0).contains(x)));
            let mean = drawn.iter().sum::<f64>() / draws as f64;
            let square = |x: &f64| (x - 0.5).powi(2);
            let variance = drawn.iter().map(square).sum::<f64>() / draws as f64;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            // Five standard errors of the mean; the variance's is below a hundredth of it.
            assert!((mean - 0.5).abs() < 5.0 * (expected / draws as f64).sqrt(), "{alpha}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.05, "{alpha}: {variance} {expected}");
            let below = drawn.iter().filter(|x| **x < 0.25).count() as f64 / draws as f64;
            // The distribution functions at a quarter: arcsine, uniform, cubic, and Beta(10, 10).
            let quarter = [(0.5, 1.0 / 3.0), (1.0, 0.25), (2.0, 0.156_25), (10.0, 0.008_89)];
            let (_, share) = quarter.iter().find(|(a, _)| *a == alpha).unwrap();
            assert!((below - share).abs() < 0.016, "{alpha}: {below} {share}");
        }
    }
}
