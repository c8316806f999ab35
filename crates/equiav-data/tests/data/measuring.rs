//! What is measured and shown of a data set: statistics, speed, previews.

use std::time::{Duration, Instant};

use equiav_augment::Profile;
use equiav_data::profiler::{Recording, Stage};
use equiav_data::{
    DataError, Durations, Timing, loader_rate, preview, read_sound, stage_times, statistics,
};
use equiav_frontend::Analyzer;

use crate::corpus::{Corpus, tone, write_wav};

/// The filterbank values of `clips`, clip by clip.
fn values(corpus: &Corpus, clips: &[usize]) -> Vec<Vec<f64>> {
    let analyzer = Analyzer::new(corpus.config(Profile::Corrected, 0).front_end).unwrap();
    let values = |clip: &usize| {
        let sound = read_sound(&corpus.sound(*clip)).unwrap();
        let log_mel = analyzer.log_mel(&sound.samples, sound.rate).unwrap();
        log_mel.iter().map(|value| f64::from(*value)).collect()
    };
    clips.iter().map(values).collect()
}

/// Mean and standard deviation of all values.
fn mean_and_std(clips: &[Vec<f64>]) -> [f64; 2] {
    let values = clips.concat();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    [mean, (squares / values.len() as f64).sqrt()]
}

#[test]
fn statistics_equal_their_formula() {
    let corpus = Corpus::new(5);
    corpus.break_sounds([3]);
    write_wav(&corpus.sound(4), &[0.0005; 3_000], 16_000);
    let front_end = corpus.config(Profile::Corrected, 0).front_end;
    let found = statistics(&corpus.manifest.clone().into(), &front_end).unwrap();

    let values = values(&corpus, &[0, 1, 2, 4]);
    let [mean, std] = mean_and_std(&values);
    assert!((found.mean.value - mean).abs() < 1e-9 && (found.std.value - std).abs() < 1e-9);
    assert_eq!(found.clips, 4);
    assert_eq!(found.frames as usize * 16, values.concat().len());
    assert_eq!(found.skipped.len(), 1);
    assert_eq!(found.skipped[0].id, "c3");
    let lengths = [3_000.0, 4_000.0, 4_100.0, 4_200.0].map(|samples| samples / 16_000.0);
    let [shortest, _, _, longest] = lengths;
    let (median, total) = (0.5 * (lengths[1] + lengths[2]), lengths.iter().sum());
    assert_eq!(found.durations, Durations { shortest, median, longest, total });
    // A constant is silence to the filterbank, and one so small to the ear as well.
    assert_eq!((found.silent, found.empty_frames), (1, 17));
}

#[test]
fn errors_are_those_of_leaving_out_a_clip_each() {
    let corpus = Corpus::new(24);
    for clip in 0..24 {
        let level = 0.02 + 0.04 * clip as f32;
        let samples: Vec<f32> =
            tone(200.0 + 90.0 * clip as f32, 3_000 + 80 * clip).iter().map(|x| x * level).collect();
        write_wav(&corpus.sound(clip), &samples, 16_000);
    }
    let found = statistics(
        &corpus.manifest.clone().into(),
        &corpus.config(Profile::Corrected, 0).front_end,
    );
    let found = found.unwrap();

    let values = values(&corpus, &(0..24).collect::<Vec<_>>());
    let without = |clip: usize| {
        let others = values.iter().enumerate().filter(|(other, _)| *other != clip);
        mean_and_std(&others.map(|(_, values)| values.clone()).collect::<Vec<_>>())
    };
    let replicates: Vec<[f64; 2]> = (0..24).map(without).collect();
    for (figure, estimate) in [found.mean, found.std].into_iter().enumerate() {
        let middle = replicates.iter().map(|both| both[figure]).sum::<f64>() / 24.0;
        let spread = replicates.iter().map(|both| (both[figure] - middle).powi(2)).sum::<f64>();
        // The jackknife: another way to the same error, equal up to terms of 1 / clips.
        let jackknife = (spread * 23.0 / 24.0).sqrt();
        let ratio = estimate.standard_error / jackknife;
        assert!((0.8..1.25).contains(&ratio), "figure {figure}: {estimate:?}, {jackknife}");
        let [low, high] = estimate.interval().unwrap();
        assert!((high - low - 2.0 * 1.96 * estimate.standard_error).abs() < 1e-3 * (high - low));
        assert!((0.5 * (low + high) - estimate.value).abs() < 1e-9);
    }
}

#[test]
fn nothing_to_measure_is_an_error() {
    let corpus = Corpus::new(2);
    corpus.break_sounds(0..2);
    let front_end = corpus.config(Profile::Corrected, 0).front_end;
    let error = statistics(&corpus.manifest.clone().into(), &front_end).unwrap_err();
    assert!(matches!(error, DataError::Clip(error) if error.id == "c0"));
}

const SHORT: Timing = Timing { batch: 4, time: Duration::from_millis(60) };

#[test]
fn one_clip_gives_figures_without_an_interval() {
    let corpus = Corpus::new(1);
    let front_end = corpus.config(Profile::Corrected, 0).front_end;
    let found = statistics(&corpus.manifest.clone().into(), &front_end).unwrap();
    assert!(found.clips == 1 && found.mean.value.is_finite() && found.std.value > 0.0);
    assert_eq!([found.mean.interval(), found.std.interval()], [None; 2]);
    let two = statistics(&Corpus::new(2).manifest.clone().into(), &front_end).unwrap();
    assert!(two.mean.interval().is_some_and(|[low, high]| low < high));
}

#[test]
fn the_sample_path_itself_tells_its_stages() {
    let corpus = Corpus::new(6);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let started = Instant::now();
    let recording = Recording::start();
    let example = dataset.example(0, 3);
    let stages = recording.finish();
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
    let recording = Recording::start();
    dataset.example(0, 3).unwrap();
    let stages = recording.finish();
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
    assert!(times.samples > 0 && times.samples.is_multiple_of(4));
    assert!(times.stages.total() >= SHORT.time);
    assert_eq!(times.skipped.iter().map(|clip| &clip.id).collect::<Vec<_>>(), ["c2"]);
    for workers in [1, 3] {
        let rate = loader_rate(&dataset, workers, SHORT).unwrap();
        assert!(rate.samples > 0 && rate.samples.is_multiple_of(4));
        assert_eq!(rate.workers, workers);
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

#[test]
fn a_preview_has_a_row_for_every_clip_that_can_be_read() {
    let corpus = Corpus::new(6);
    corpus.break_sounds([2]);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let drawn = preview(&dataset, 3).unwrap();
    assert_eq!(drawn.clips, [0, 4], "taken evenly, without the bad one");
    assert_eq!(drawn.skipped[0].id, "c2");
    let one = preview(&dataset, 1).unwrap().sheet;
    assert_eq!(drawn.sheet.width(), one.width());
    let rows = drawn.sheet.height() - one.height();
    assert!(rows >= 144, "a row is as high as its views, not {rows}");
    assert_eq!(drawn.sheet, preview(&dataset, 3).unwrap().sheet, "equal clips, equal sheets");

    corpus.break_sounds(0..6);
    assert!(matches!(preview(&dataset, 2), Err(DataError::Clip(error)) if error.id == "c0"));
}
