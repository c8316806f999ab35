//! Two sounds as one.

use std::borrow::Cow;

use equiav_frontend::{Waveform, resample};

/// `(1 - share) first + share second`, both without their means, as long as `first`: a shorter second
/// is followed by silence, a longer one is cut.
///
/// Sounds of different rates meet at `rate`, or at the first one's where there is none.
pub(super) fn sounds(
    first: &Waveform,
    second: &Waveform,
    share: f64,
    rate: Option<u32>,
) -> Waveform {
    let rate = if first.rate == second.rate { first.rate } else { rate.unwrap_or(first.rate) };
    let (first, second) = (at_rate(first, rate), at_rate(second, rate));
    let (own, others) = (mean(&first.samples), mean(&second.samples));
    let rest = std::iter::repeat(0.0);
    let second = second.samples.iter().map(|sample| f64::from(*sample) - others).chain(rest);
    let mix = |(sample, other): (&f32, f64)| {
        ((1.0 - share) * (f64::from(*sample) - own) + share * other) as f32
    };
    Waveform { samples: first.samples.iter().zip(second).map(mix).collect(), rate }
}

fn at_rate(sound: &Waveform, rate: u32) -> Cow<'_, Waveform> {
    if sound.rate == rate { Cow::Borrowed(sound) } else { Cow::Owned(resample(sound, rate)) }
}

fn mean(samples: &[f32]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(samples: &[f32], rate: u32) -> Waveform {
        Waveform { samples: samples.to_vec(), rate }
    }

    #[test]
    fn sounds_add_up_by_their_shares_without_their_means() {
        let first = sound(&[1.0, 3.0, 1.0, 3.0], 100);
        let short = sound(&[5.0, 3.0], 100);
        let mixed = sounds(&first, &short, 0.25, Some(7));
        assert_eq!(mixed.rate, 100, "equal rates stay");
        assert_eq!(mixed.samples, [-0.5, 0.5, -0.75, 0.75]);
        let long = sound(&[5.0, 3.0, 5.0, 3.0, 5.0, 3.0], 100);
        assert_eq!(sounds(&first, &long, 0.25, None).samples, [-0.5, 0.5, -0.5, 0.5]);
        assert_eq!(sounds(&first, &long, 0.0, None).samples, [-1.0, 1.0, -1.0, 1.0]);
    }

    #[test]
    fn sounds_of_two_rates_meet_at_the_front_ends() {
        let first = sound(&[0.5; 2000], 16_000);
        let second = sound(&[0.25; 1000], 8_000);
        let mixed = sounds(&first, &second, 0.5, Some(16_000));
        assert_eq!((mixed.rate, mixed.samples.len()), (16_000, 2000));
        let mixed = sounds(&second, &first, 0.5, None);
        assert_eq!((mixed.rate, mixed.samples.len()), (8_000, 1000));
    }
}
