//! What is measured of a data set: its statistics, and how fast it is read.

use std::time::{Duration, Instant};

use equiav_augment::Profile;
use equiav_data::stage::{self, Stage};
use equiav_data::{Analyzer, DataError, Timing, loader_rate, read_sound, stage_times, statistics};

use crate::corpus::Corpus;

#[test]
fn statistics_equal_their_formula() {
    let corpus = Corpus::new(5);
    corpus.break_sounds([3]);
    let front_end = corpus.config(Profile::Corrected, 0).front_end;
    let found = statistics(&corpus.manifest, &front_end).unwrap();

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
    let error = statistics(&corpus.manifest, &front_end).unwrap_err();
    assert!(matches!(error, DataError::Clip(error) if error.id == "c0"));
}

const SHORT: Timing = Timing { batch: 4, time: Duration::from_millis(60) };

#[test]
fn the_sample_path_itself_tells_its_stages() {
    let corpus = Corpus::new(6);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let started = Instant::now();
    let (example, stages) = stage::measure(|| dataset.example(0, 3));
    let elapsed = started.elapsed();
    assert_eq!(example.unwrap(), dataset.example(0, 3).unwrap(), "measuring changes nothing");
    assert!(stages.total() <= elapsed, "{stages:?} in {elapsed:?}");
    for stage in Stage::ALL {
        // The sounds have the front end's rate.
        let idle = stage == Stage::Resample;
        assert_eq!(stages.of(stage) == Duration::ZERO, idle, "{stage:?} in {stages:?}");
    }
}

#[test]
fn what_is_cached_is_neither_read_nor_decoded() {
    let corpus = Corpus::new(6);
    let dataset = corpus.dataset(Profile::Corrected, 1 << 20);
    dataset.example(0, 3).unwrap();
    let (_, stages) = stage::measure(|| dataset.example(0, 3));
    for stage in [Stage::Read, Stage::DecodeSound, Stage::Filterbank, Stage::DecodeFrame] {
        assert_eq!(stages.of(stage), Duration::ZERO, "{stage:?} in {stages:?}");
    }
    assert!(stages.of(Stage::AugmentVisual) > Duration::ZERO);
}

#[test]
fn rates_count_whole_batches_and_pass_over_bad_clips() {
    let corpus = Corpus::new(6);
    corpus.break_sounds([2]);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let times = stage_times(&dataset, SHORT).unwrap();
    assert!(times.samples > 0 && times.samples % 4 == 0);
    assert!(times.stages.total() >= SHORT.time);
    for workers in [1, 3] {
        let rate = loader_rate(&dataset, workers, SHORT).unwrap();
        assert!(rate.samples > 0 && rate.samples % 4 == 0 && rate.workers == workers);
        assert!(rate.time >= SHORT.time);
        let expected = rate.samples as f64 / rate.time.as_secs_f64();
        assert!((rate.per_second() - expected).abs() < 1e-9);
    }
    assert_eq!(dataset.unreadable().clips.len(), 0, "no batch was asked for the bad clip");
}

#[test]
fn nothing_to_read_ends_a_measurement() {
    let corpus = Corpus::new(2);
    corpus.break_sounds(0..2);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let error = loader_rate(&dataset, 1, SHORT).unwrap_err();
    assert!(matches!(error, DataError::Clip(error) if error.id == "c0"));
    std::fs::remove_dir_all(corpus.folder.path()).unwrap();
    let error = stage_times(&dataset, SHORT).unwrap_err();
    assert!(matches!(error, DataError::FolderGone { .. }), "{error}");
}
