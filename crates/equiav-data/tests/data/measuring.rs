//! Statistics of a data set.

use equiav_augment::Profile;
use equiav_data::{Analyzer, DataError, read_sound, statistics};

use crate::corpus::Corpus;

#[test]
fn statistics_equal_their_formula() {
    let corpus = Corpus::new(5);
    corpus.break_sounds([3]);
    let front_end = corpus.config(Profile::Corrected, 0).front_end;
    let found = statistics(&corpus.manifest.clone().into(), &front_end).unwrap();

    let analyzer = Analyzer::new(front_end).unwrap();
    let (mut values, mut means): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for clip in [0, 1, 2, 4] {
        let log_mel = analyzer.log_mel(&read_sound(&corpus.sound(clip)).unwrap()).unwrap();
        let clip: Vec<f64> = log_mel.iter().map(|value| f64::from(*value)).collect();
        means.push(clip.iter().sum::<f64>() / clip.len() as f64);
        values.extend(clip);
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviations = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    assert!((found.mean - mean).abs() < 1e-9);
    assert!((found.std - (deviations / values.len() as f64).sqrt()).abs() < 1e-9);
    let middle = means.iter().sum::<f64>() / 4.0;
    let spread = means.iter().map(|mean| (mean - middle).powi(2)).sum::<f64>() / 3.0;
    assert!((found.standard_error - (spread / 4.0).sqrt()).abs() < 1e-9);
    assert_eq!(found.clips, 4);
    assert_eq!(found.frames as usize * 16, values.len());
    assert_eq!(found.skipped.len(), 1);
    assert_eq!(found.skipped[0].id, "c3");
}

#[test]
fn nothing_to_measure_is_an_error() {
    let corpus = Corpus::new(2);
    corpus.break_sounds(0..2);
    let front_end = corpus.config(Profile::Corrected, 0).front_end;
    let error = statistics(&corpus.manifest.clone().into(), &front_end).unwrap_err();
    assert!(matches!(error, DataError::Clip(error) if error.id == "c0"));
}
