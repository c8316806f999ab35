//! The loss between sounds and tokens of pictures: of a picture only the tokens that fit a sound are compared with it.

use tch::{Kind, Reduction, Tensor};

use crate::contrast::top1;
use crate::{Contrast, Temperature, assert_full_precision, unit};

/// How the cosines of a picture's tokens with a sound become the similarity of both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenPool {
    /// `maxₙ cos(tₙ, x)`: the token that fits best.
    Max,
    /// `tau log meanₙ exp(cos(tₙ, x) / tau)`: all tokens, the more the better they fit, as MIL-NCE (arXiv 1912.06430)
    /// compares candidates.
    LogSumExp,
}

/// What the rows of this rank are compared with: the rows of all ranks.
#[derive(Debug)]
pub struct TokenKeys<'a> {
    /// The tokens of all pictures, `[N, t, d]`.
    pub tokens: &'a Tensor,
    /// All sounds, `[N, d]`.
    pub sounds: &'a Tensor,
    /// Which row of both is this rank's first.
    pub first: i64,
    /// Sounds that no picture shows, such as silence, where there are any.
    pub unseen: Option<UnseenSounds<'a>>,
}

/// Sounds that no picture shows.
#[derive(Debug)]
pub struct UnseenSounds<'a> {
    /// Their embeddings, `[m, d]`.
    pub sounds: &'a Tensor,
    /// Which of these rows count, `[m]` of booleans; the others stand for nothing.
    pub counted: &'a Tensor,
}

/// Symmetric InfoNCE of pictures and sounds by the tokens of the pictures: a picture should find its sound among all sounds and those
/// that no picture shows, and a sound its picture among all pictures.
///
/// ```text
/// s(i, x) = pool over n of cos(t_in, x)                                              t_in: token n of picture i
/// picture = meanᵢ −log ( exp(s(i, xᵢ) / tau) / (Σⱼ exp(s(i, xⱼ) / tau) + Σₖ exp(s(i, uₖ) / tau)) )     u: unseen
/// sound   = meanⱼ −log ( exp(s(j, xⱼ) / tau) / Σᵢ exp(s(i, xⱼ) / tau) )
/// loss    = ½ picture + ½ sound
/// ```
///
/// `top1` counts the pictures whose best sound is their own.
///
/// # Shapes
///
/// - `tokens`: `[n, t, d]`, those of this rank's pictures, of any length
/// - `sounds`: `[n, d]`, this rank's, of any length
/// - `keys`: as [`TokenKeys`] says, with `tokens` and `sounds` as their rows `first .. first + n`
/// - `chunk`: pictures whose cosines are held at a time; all without one. What stays for the backward pass is a
///   number for each picture and sound under [`TokenPool::Max`], and all cosines under [`TokenPool::LogSumExp`]
///
/// # Panics
///
/// If the sizes differ from those, `chunk` is below 1, a fixed `tau` is not above 0, or inside an autocast region.
#[track_caller]
pub fn token_nce<'t>(
    tokens: &Tensor,
    sounds: &Tensor,
    keys: &TokenKeys<'_>,
    pool: TokenPool,
    tau: impl Into<Temperature<'t>>,
    chunk: Option<i64>,
) -> Contrast {
    let n = check(tokens, sounds, keys);
    assert!(chunk.is_none_or(|chunk| chunk > 0), "token_nce: chunks of no pictures");
    let tau = tau.into();
    let scores = |tokens: &Tensor, sounds: &Tensor| {
        let parts = match chunk {
            None => vec![pooled(tokens, sounds, pool, tau)],
            Some(chunk) => {
                tokens.split(chunk, 0).iter().map(|part| pooled(part, sounds, pool, tau)).collect()
            }
        };
        Tensor::cat(&parts, 0)
    };
    let own = Tensor::arange(n, (Kind::Int64, tokens.device())) + keys.first;
    let mut pictures = scores(tokens, keys.sounds); // [n, N]
    if let Some(UnseenSounds { sounds, counted }) = &keys.unseen {
        let absent = counted.logical_not().unsqueeze(0);
        let unseen = scores(tokens, sounds).masked_fill(&absent, f64::NEG_INFINITY);
        pictures = Tensor::cat(&[pictures, unseen], 1); // [n, N + m]
    }
    let heard = scores(keys.tokens, sounds).tr(); // [n, N]
    let miss = |scores: &Tensor| {
        scores.cross_entropy_loss(&own, None::<&Tensor>, Reduction::Mean, -100, 0.0)
    };
    Contrast { loss: (miss(&pictures) + miss(&heard)) / 2.0, top1: top1(&pictures, &own) }
}

/// The similarities of pictures of `tokens` `[p, t, d]` with `sounds` `[m, d]` over the temperature, `[p, m]`.
#[track_caller]
fn pooled(tokens: &Tensor, sounds: &Tensor, pool: TokenPool, tau: Temperature<'_>) -> Tensor {
    let size = tokens.size();
    let (flat, sounds) = (unit(&tokens.flatten(0, 1)), unit(sounds));
    let cosines = flat.matmul(&sounds.tr());
    assert_full_precision(&cosines, &flat);
    let cosines = tau.divide(&cosines).unflatten(0, [size[0], size[1]]); // [p, t, m]
    match pool {
        // Of equal tokens one is given the gradient, so that no more than its place need be kept.
        TokenPool::Max => cosines.max_dim(1, false).0,
        TokenPool::LogSumExp => cosines.logsumexp([1i64].as_slice(), false) - (size[1] as f64).ln(),
    }
}

/// The number of this rank's rows, after every size has been checked.
#[track_caller]
fn check(tokens: &Tensor, sounds: &Tensor, keys: &TokenKeys<'_>) -> i64 {
    let [n, t, d] = tokens.size()[..] else {
        panic!("token_nce: tokens are [n, t, d], not {:?}", tokens.size())
    };
    assert!(n > 0 && t > 0 && d > 0, "token_nce: tokens of size {:?} hold nothing", tokens.size());
    assert_eq!(sounds.size(), [n, d], "token_nce: the sounds differ in size from the tokens");
    let all = keys.sounds.size()[0];
    assert_eq!(keys.sounds.size(), [all, d], "token_nce: the keys' sounds differ in size");
    assert_eq!(keys.tokens.size(), [all, t, d], "token_nce: the keys' tokens differ in size");
    assert!(
        0 <= keys.first && keys.first <= all - n,
        "token_nce: {n} rows from row {} on do not fit into {all} keys",
        keys.first
    );
    if let Some(UnseenSounds { sounds, counted }) = &keys.unseen {
        let m = sounds.size()[0];
        assert_eq!(sounds.size(), [m, d], "token_nce: the unseen sounds differ in size");
        let fits = (counted.size(), counted.kind()) == (vec![m], Kind::Bool);
        assert!(fits, "token_nce: which sounds count is [{m}] of booleans, not {counted:?}");
    }
    n
}

#[cfg(test)]
mod tests {
    use tch::{Device, no_grad};

    use super::*;

    const POOLS: [TokenPool; 2] = [TokenPool::Max, TokenPool::LogSumExp];
    const TAU: f64 = 0.3;

    /// Numbers of no pattern in `[-1, 1]`.
    fn numbers(size: &[i64], seed: f64) -> Tensor {
        let count = size.iter().product::<i64>();
        let all = Tensor::arange(count, (Kind::Double, Device::Cpu)) + seed;
        (all.square() * 1.7).sin().reshape(size)
    }

    fn value(x: &Tensor) -> f64 {
        x.double_value(&[])
    }

    fn plain(x: &Tensor) -> Vec<Vec<f64>> {
        Vec::try_from(x.detach()).expect("rows")
    }

    fn cosine(x: &[f64], y: &[f64]) -> f64 {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()
    }

    /// The documented formula in plain loops, of sounds of which the last rows are seen by no picture.
    fn naive(tokens: &[Vec<Vec<f64>>], sounds: &[Vec<f64>], pool: TokenPool) -> f64 {
        let n = tokens.len();
        let s = |i: usize, j: usize| {
            let cosines = tokens[i].iter().map(|token| cosine(token, &sounds[j]));
            match pool {
                TokenPool::Max => cosines.fold(f64::NEG_INFINITY, f64::max),
                TokenPool::LogSumExp => {
                    let mean = cosines.map(|cosine| (cosine / TAU).exp()).sum::<f64>();
                    TAU * (mean / tokens[i].len() as f64).ln()
                }
            }
        };
        let exp = |i: usize, j: usize| (s(i, j) / TAU).exp();
        let picture =
            |i: usize| -(exp(i, i) / (0..sounds.len()).map(|j| exp(i, j)).sum::<f64>()).ln();
        let sound = |j: usize| -(exp(j, j) / (0..n).map(|i| exp(i, j)).sum::<f64>()).ln();
        (0..n).map(|row| picture(row) + sound(row)).sum::<f64>() / (2 * n) as f64
    }

    /// Tokens of 4 pictures, their sounds, 3 unseen ones of which the second does not count.
    fn case() -> [Tensor; 4] {
        let counted = Tensor::from_slice(&[true, false, true]);
        [numbers(&[4, 5, 6], 0.1), numbers(&[4, 6], 0.5), numbers(&[3, 6], 0.9), counted]
    }

    #[test]
    fn equals_its_formula_whole_and_in_chunks() {
        let [tokens, sounds, unseen, counted] = case();
        let pictures: Vec<Vec<Vec<f64>>> = (0..4).map(|i| plain(&tokens.get(i))).collect();
        let mut heard = plain(&sounds);
        for pool in POOLS {
            for with in [false, true] {
                heard.truncate(4);
                if with {
                    heard.extend([plain(&unseen)[0].clone(), plain(&unseen)[2].clone()]);
                }
                let expected = naive(&pictures, &heard, pool);
                for chunk in [None, Some(1), Some(3), Some(9)] {
                    let unseen = UnseenSounds { sounds: &unseen, counted: &counted };
                    let unseen = with.then_some(unseen);
                    let keys = TokenKeys { tokens: &tokens, sounds: &sounds, first: 0, unseen };
                    // A longer row is no other row.
                    let ours = token_nce(&(&tokens * 3.0), &sounds, &keys, pool, TAU, chunk);
                    let error = value(&ours.loss) - expected;
                    assert!(error.abs() < 1e-12, "{pool:?}, {with}, {chunk:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn by_hand() {
        // Two pictures of two tokens; the best cosines are [[1, 0], [0.6, 1]], and 1 and 0 with silence.
        let tokens =
            Tensor::from_slice(&[1.0, 0.0, 0.8, -0.6, 0.0, 2.0, 0.6, 0.8]).reshape([2, 2, 2]);
        let sounds = Tensor::from_slice(&[2.0, 0.0, 0.0, 1.0]).reshape([2, 2]);
        let (silence, counted) =
            (Tensor::from_slice(&[0.64, -0.48]).reshape([1, 2]), Tensor::from_slice(&[true]));
        let unseen = Some(UnseenSounds { sounds: &silence, counted: &counted });
        let keys = TokenKeys { tokens: &tokens, sounds: &sounds, first: 0, unseen };
        let ours = token_nce(&tokens, &sounds, &keys, TokenPool::Max, 1.0, None);
        let miss = |own: f64, all: &[f64]| all.iter().map(|s| s.exp()).sum::<f64>().ln() - own;
        let pictures = miss(1.0, &[1.0, 0.0, 1.0]) + miss(1.0, &[0.6, 1.0, 0.0]);
        let heard = miss(1.0, &[1.0, 0.6]) + miss(1.0, &[0.0, 1.0]);
        let expected = (pictures + heard) / 4.0;
        assert!((value(&ours.loss) - expected).abs() < 1e-12, "{}, {expected}", value(&ours.loss));
    }

    #[test]
    fn gradients_are_slopes_and_reach_the_best_token_alone() {
        let [tokens, sounds, unseen, counted] = case();
        for pool in POOLS {
            let leaves = [&tokens, &sounds, &unseen].map(|x| x.copy().set_requires_grad(true));
            let loss = |[tokens, sounds, unseen]: &[Tensor; 3]| {
                let unseen = Some(UnseenSounds { sounds: unseen, counted: &counted });
                let keys = TokenKeys { tokens, sounds, first: 0, unseen };
                token_nce(tokens, sounds, &keys, pool, TAU, None).loss
            };
            loss(&leaves).backward();
            for place in 0..3 {
                let gradient = leaves[place].grad().flatten(0, -1);
                for element in (0..gradient.size()[0]).step_by(5) {
                    let at = |step: f64| {
                        let moved = leaves.each_ref().map(|leaf| leaf.detach().copy());
                        let _ = moved[place].flatten(0, -1).get(element).g_add_scalar_(step);
                        no_grad(|| value(&loss(&moved)))
                    };
                    let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
                    let error = slope - gradient.double_value(&[element]);
                    assert!(error.abs() < 1e-7, "{pool:?}: {error} of part {place}, {element}");
                }
            }
            let absent = leaves[2].grad().get(1).abs().max();
            assert_eq!(value(&absent), 0.0, "what does not count is not learned from");
        }
    }

    #[test]
    fn ranks_average_to_one_process_and_so_do_their_gradients() {
        let [tokens, sounds, unseen, counted] = case();
        for pool in POOLS {
            let of = |ranks: i64| {
                let [tokens, sounds, unseen] =
                    [&tokens, &sounds, &unseen].map(|x| x.copy().set_requires_grad(true));
                let rows = 4 / ranks;
                let one = |rank: i64| {
                    let first = rank * rows;
                    let unseen = Some(UnseenSounds { sounds: &unseen, counted: &counted });
                    let keys = TokenKeys { tokens: &tokens, sounds: &sounds, first, unseen };
                    let own = [&tokens, &sounds].map(|x| x.narrow(0, first, rows));
                    token_nce(&own[0], &own[1], &keys, pool, TAU, None).loss
                };
                let loss = Tensor::stack(&(0..ranks).map(one).collect::<Vec<_>>(), 0).mean(None);
                loss.backward();
                let mut all = vec![loss.detach().reshape([1])];
                all.extend([tokens, sounds, unseen].map(|x| x.grad().flatten(0, -1)));
                Tensor::cat(&all, 0)
            };
            for ranks in [2, 4] {
                let apart = (of(1) - of(ranks)).abs().max();
                assert!(value(&apart) < 1e-12, "{pool:?} of {ranks} ranks: {apart:?}");
            }
        }
    }

    #[test]
    fn wrong_sizes_are_named() {
        let [tokens, sounds, unseen, counted] = case();
        let refused = |sounds: &Tensor, first: i64, counted: &Tensor, chunk: Option<i64>| {
            let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let unseen = Some(UnseenSounds { sounds: &unseen, counted });
                let keys = TokenKeys { tokens: &tokens, sounds, first, unseen };
                token_nce(&tokens, sounds, &keys, TokenPool::Max, TAU, chunk)
            }));
            let payload = failure.err()?;
            Some(payload.downcast::<String>().map_or_else(|_| String::new(), |message| *message))
        };
        assert_eq!(refused(&sounds, 0, &counted, None), None);
        let narrow = sounds.narrow(1, 0, 3);
        assert!(
            refused(&narrow, 0, &counted, None).is_some_and(|text| text.contains("differ in size"))
        );
        assert!(
            refused(&sounds, 1, &counted, None).is_some_and(|text| text.contains("from row 1 on"))
        );
        let numbers = counted.to_kind(Kind::Float);
        assert!(
            refused(&sounds, 0, &numbers, None).is_some_and(|text| text.contains("of booleans"))
        );
        assert!(refused(&sounds, 0, &counted, Some(0)).is_some(), "chunks of no pictures");
    }
}
