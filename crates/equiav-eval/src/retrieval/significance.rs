//! Recall by chance, and the p-value of a recall against chance.

/// The chance that at least one of `correct` candidates is among the first `depth` of a `gallery`
/// in random order: `1 − C(gallery − correct, depth) / C(gallery, depth)`, in [0, 1].
///
/// # Panics
///
/// If more candidates are correct than there are.
#[track_caller]
pub fn chance_of_recall(gallery: usize, correct: usize, depth: usize) -> f64 {
    assert!(correct <= gallery, "{correct} of {gallery} candidates cannot be correct");
    let wrong = gallery - correct;
    if wrong < depth {
        return f64::from(u8::from(correct > 0));
    }
    let all_miss: f64 =
        (0..depth).map(|place| (wrong - place) as f64 / (gallery - place) as f64).product();
    1.0 - all_miss
}

/// The chance of at least `hits` successes in `trials` independent ones that each succeed with
/// probability `chance`: the one-sided p-value against guessing, in [0, 1].
///
/// ```text
/// p = Σ  C(trials, k) chance^k (1 − chance)^(trials − k),   k = hits ..= trials
/// ```
///
/// Where the trials differ in their chance, their mean is a safe choice for more hits than expected:
/// the true tail is then the smaller one (Hoeffding 1956). Values below about 1e-308 become 0.
///
/// # Panics
///
/// If there are more hits than trials or `chance` is outside [0, 1].
#[track_caller]
pub fn binomial_tail(hits: usize, trials: usize, chance: f64) -> f64 {
    assert!(hits <= trials, "{hits} hits in {trials} trials");
    assert!((0.0..=1.0).contains(&chance), "{chance} is no chance");
    if hits == 0 || chance == 1.0 {
        return 1.0;
    }
    if chance == 0.0 {
        return 0.0;
    }
    let (n, k) = (trials as f64, hits as f64);
    let ways: f64 = (0..hits).map(|i| ((n - i as f64) / (k - i as f64)).ln()).sum();
    let first = ways + k * chance.ln() + (n - k) * (-chance).ln_1p();
    // each further term over the first, which alone can underflow
    let odds = chance / (1.0 - chance);
    let (mut term, mut sum) = (1.0, 1.0);
    for k in hits..trials {
        term *= (trials - k) as f64 / (k + 1) as f64 * odds;
        sum += term;
        if term < sum * f64::EPSILON && k as f64 > n * chance {
            break;
        }
    }
    (first + sum.ln()).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every order of a small gallery, tried out.
    fn share_of_orders(gallery: usize, correct: usize, depth: usize) -> f64 {
        let subsets = (0u32..1 << gallery).filter(|set| set.count_ones() as usize == depth);
        let (mut all, mut found) = (0, 0);
        for subset in subsets {
            all += 1;
            found += u32::from(subset & ((1 << correct) - 1) != 0);
        }
        f64::from(found) / f64::from(all)
    }

    /// The documented sum, with exact products.
    fn tail(hits: usize, trials: usize, chance: f64) -> f64 {
        let term = |k: usize| {
            let ways: f64 = (0..k).map(|i| (trials - i) as f64 / (i + 1) as f64).product();
            ways * chance.powi(k as i32) * (1.0 - chance).powi((trials - k) as i32)
        };
        (hits..=trials).map(term).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn chance_is_the_share_of_orders(gallery in 1usize..10, correct in 0usize..10, depth in 0usize..10) {
            let (correct, depth) = (correct.min(gallery), depth.min(gallery));
            let ours = chance_of_recall(gallery, correct, depth);
            prop_assert!((ours - share_of_orders(gallery, correct, depth)).abs() < 1e-12);
        }

        #[test]
        fn tail_equals_its_formula(trials in 1usize..60, hits in 0usize..60, chance in 0.0f64..=1.0) {
            let hits = hits.min(trials);
            let (ours, formula) = (binomial_tail(hits, trials, chance), tail(hits, trials, chance));
            prop_assert!((ours - formula).abs() <= 1e-11 * formula + 1e-300, "{} {}", ours, formula);
        }
    }

    #[test]
    fn a_depth_beyond_the_gallery_finds_everything() {
        assert_eq!(chance_of_recall(3, 1, 10), 1.0);
        assert_eq!(chance_of_recall(3, 0, 10), 0.0);
    }

    #[test]
    fn long_series_stay_accurate() {
        // summed with 40 decimal digits
        for (hits, trials, chance, expected) in [
            (60, 1000, 0.05, 8.673_217_838_486_096e-2),
            (5100, 100_000, 0.05, 7.474_041_229_408_387e-2),
            (120, 1000, 0.0133, 5.396_859_169_913_126e-73),
        ] {
            let ours = binomial_tail(hits, trials, chance);
            assert!((ours / expected - 1.0).abs() < 1e-9, "{ours} {expected}");
        }
        assert_eq!(binomial_tail(700, 1000, 0.0133), 0.0, "too small for 64 bits");
    }
}
