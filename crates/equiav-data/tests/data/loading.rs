//! The loader: order, replacement, failures and shutdown.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use equiav_augment::{Modality, Profile};
use equiav_data::{
    Batch, DataError, Dataset, Loader, LoaderOptions, Part, Pass, PlainBatch, Sampler,
};
use proptest::prelude::*;

use crate::corpus::Corpus;

fn options(workers: usize) -> LoaderOptions {
    LoaderOptions { workers, queue: 2, max_unreadable: 0.5 }
}

/// What must not depend on threads.
type Content = (Vec<usize>, Vec<(Modality, Part)>, Vec<String>, usize);

fn content(batch: Batch) -> Content {
    let replaced =
        batch.replaced.iter().map(|one| format!("{} by {}: {}", one.clip, one.by, one.reason));
    (batch.clips, batch.parts.into_iter().collect(), replaced.collect(), batch.substituted)
}

fn epoch(dataset: &Arc<Dataset>, epoch: u64, batch: usize, workers: usize) -> Vec<Content> {
    let order = Sampler::new(dataset.seed(), dataset.len(), batch).order(epoch);
    let loader = Loader::new(Arc::clone(dataset), epoch, order, batch, options(workers)).unwrap();
    loader.map(|batch| content(batch.unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn batches_do_not_depend_on_the_number_of_workers(
        number in 0u64..50, batch in 1usize..5, cache in 0usize..40_000, bad in 0usize..9,
    ) {
        let corpus = Corpus::new(9);
        corpus.break_sounds([bad]);
        let batches = |workers| {
            let dataset = corpus.dataset(Profile::Corrected, cache);
            (epoch(&dataset, number, batch, workers), epoch(&dataset, number + 1, batch, workers))
        };
        let single = batches(1);
        prop_assert_eq!(single.0.len(), 9 / batch);
        for workers in [2, 4] {
            prop_assert!(batches(workers) == single, "{} workers", workers);
        }
    }
}

#[test]
fn a_batch_is_its_examples_side_by_side() {
    let corpus = Corpus::new(5);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let loader = Loader::new(Arc::clone(&dataset), 2, vec![3, 0, 4, 1], 2, options(2)).unwrap();
    let batches: Vec<Batch> = loader.map(Result::unwrap).collect();
    assert_eq!(
        batches.iter().map(|batch| batch.clips.clone()).collect::<Vec<_>>(),
        [[3, 0], [4, 1]]
    );
    for batch in &batches {
        for (row, clip) in batch.clips.iter().enumerate() {
            let example = dataset.example(2, *clip).unwrap();
            for (modality, part) in &batch.parts {
                let one = &example.parts[modality];
                assert_eq!(part.plain.index_axis(ndarray::Axis(0), row), one.plain);
                assert_eq!(part.augmented.index_axis(ndarray::Axis(0), row), one.augmented);
                assert_eq!(part.vectors.row(row).as_slice().unwrap(), one.vector);
                assert_eq!(part.centroid.index_axis(ndarray::Axis(0), row), one.centroid);
                assert_eq!(part.valid[row], one.valid);
                let material = [&part.material.plain, &part.material.augmented];
                assert_eq!(material.map(|columns| columns.row(row).to_vec()), one.material);
            }
        }
    }
    let second = batches[1].rows(1..2);
    assert_eq!(
        (second.clips.as_slice(), second.parts[&Modality::VISUAL].valid.len()),
        (&[1][..], 1)
    );
    for (modality, part) in &second.parts {
        let one = &dataset.example(2, 1).unwrap().parts[modality];
        assert_eq!(part.plain.index_axis(ndarray::Axis(0), 0), one.plain);
        assert_eq!(part.augmented.index_axis(ndarray::Axis(0), 0), one.augmented);
        assert_eq!(part.centroid.index_axis(ndarray::Axis(0), 0), one.centroid);
    }
    assert_eq!(batches[0].parts[&Modality::AUDIO].plain.dim(), (2, 1, 16, 32));
    assert_eq!(batches[0].parts[&Modality::VISUAL].plain.dim(), (2, 3, 24, 24));
}

#[test]
fn an_unreadable_clip_is_replaced_by_a_real_one_and_reported_once() {
    let corpus = Corpus::new(8);
    corpus.break_sounds([2]);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let mut reported = Vec::new();
    for number in 0..3 {
        for (clips, parts, replaced, substituted) in epoch(&dataset, number, 4, 2) {
            assert!(!clips.contains(&2), "the broken clip is in no batch");
            assert_eq!(
                clips.iter().collect::<std::collections::BTreeSet<_>>().len(),
                4,
                "all differ"
            );
            for (_, part) in &parts {
                assert!(part.plain.outer_iter().all(|view| {
                    let first = view.first().unwrap();
                    view.iter().any(|value| value != first)
                }));
            }
            assert!(substituted <= 1);
            reported.extend(replaced);
        }
    }
    assert_eq!(reported.len(), 1, "{reported:?}");
    let expected = format!("clip `c2`: {}: is a text, no sound", corpus.sound(2).display());
    assert!(reported[0].ends_with(&expected), "{}", reported[0]);
    let unreadable = dataset.unreadable();
    assert_eq!((unreadable.seen, unreadable.clips.len(), unreadable.substituted), (8, 1, 3));
}

#[test]
fn too_many_unreadable_clips_stop_the_run() {
    let corpus = Corpus::new(10);
    corpus.break_sounds([1, 3, 5, 7]);
    let run = |max_unreadable: f64| {
        let dataset = corpus.dataset(Profile::Corrected, 0);
        let options = LoaderOptions { max_unreadable, ..options(2) };
        let loader = Loader::new(dataset, 0, (0..10).collect(), 2, options).unwrap();
        loader.map(|batch| batch.map(|batch| batch.clips)).collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(run(0.4).unwrap().len(), 5);
    let error = run(0.2).unwrap_err();
    assert!(matches!(error, DataError::TooManyUnreadable { unreadable, .. } if unreadable >= 3));
    let message = error.to_string();
    assert!(message.contains("more than `max_unreadable` = 0.2 allows"), "{message}");
    assert!(message.contains("c1.wav: is a text"), "{message}");
    assert_eq!(message.lines().count(), 1);
    assert!(matches!(run(0.0).unwrap_err(), DataError::TooManyUnreadable { .. }));
}

#[test]
fn a_missing_folder_stops_the_run_at_once() {
    for folder in ["wav", "frames"] {
        for emptied in [false, true] {
            let corpus = Corpus::new(6);
            let dataset = corpus.dataset(Profile::Corrected, 0);
            let gone = corpus.folder.path().join(folder);
            fs::remove_dir_all(&gone).unwrap();
            if emptied {
                fs::create_dir(&gone).unwrap();
            }
            let mut loader =
                Loader::new(Arc::clone(&dataset), 0, (0..6).collect(), 2, options(2)).unwrap();
            let error = loader.next().unwrap().unwrap_err();
            let expected = format!("the data folder {} is missing or empty", gone.display());
            assert!(error.to_string().starts_with(&expected), "{error}");
            assert!(loader.next().is_none());
            let mut evaluation = Loader::evaluation(dataset, 2, options(2)).unwrap();
            assert!(matches!(evaluation.next(), Some(Err(DataError::FolderGone { .. }))));
            assert!(evaluation.next().is_none());
        }
    }
}

#[test]
fn a_run_goes_on_while_one_clip_can_be_read_and_ends_when_none_can() {
    // More clips than are drawn before the rest is looked through; one that can be read.
    let corpus = Corpus::new(40);
    corpus.break_sounds((0..40).filter(|clip| *clip != 23));
    let run = |max_unreadable: f64, workers| {
        let dataset = corpus.dataset(Profile::Corrected, 0);
        let options = LoaderOptions { max_unreadable, ..options(workers) };
        let loader = Loader::new(dataset, 0, (0..8).collect(), 4, options).unwrap();
        loader.map(|batch| batch.map(|batch| batch.clips)).collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(run(1.0, 2).unwrap(), [[23; 4], [23; 4]]);
    let error = run(0.1, 1).unwrap_err().to_string();
    assert!(error.starts_with("17 of 17 clips cannot be read, more than"), "{error}");
    // One clip is left that is no neighbor: it is found, whatever is drawn.
    for clips in [5, 9, 33] {
        let corpus = Corpus::new(clips);
        corpus.break_sounds([0]);
        let epoch = |workers| {
            let dataset = corpus.dataset(Profile::Corrected, 0);
            let order = (0..clips - 1).collect();
            let options = LoaderOptions { max_unreadable: 1.0, ..options(workers) };
            let mut loader = Loader::new(dataset, 3, order, clips - 1, options).unwrap();
            loader.next().unwrap().unwrap().clips
        };
        assert_eq!(epoch(1)[0], clips - 1, "of {clips}");
        assert_eq!(epoch(1), epoch(3));
    }
}

#[test]
fn nothing_readable_at_all_is_an_error_of_its_own() {
    let corpus = Corpus::new(3);
    corpus.break_sounds(0..3);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let mut loader = Loader::new(dataset, 0, vec![0, 1], 2, options(1)).unwrap();
    let error = loader.next().unwrap().unwrap_err();
    assert!(matches!(error, DataError::NoReplacement { .. }), "{error}");
}

#[test]
fn evaluation_leaves_unreadable_clips_out_and_lists_them() {
    let corpus = Corpus::new(7);
    corpus.break_sounds([0, 4]);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    for workers in [1, 3] {
        let mut evaluation = Loader::evaluation(Arc::clone(&dataset), 2, options(workers)).unwrap();
        let batches: Result<Vec<PlainBatch>, _> = evaluation.by_ref().collect();
        let batches = batches.unwrap();
        let clips: Vec<_> = batches.iter().map(|batch| batch.clips.clone()).collect();
        assert_eq!(clips, [vec![1, 2], vec![3, 5], vec![6]]);
        let skipped: Vec<_> = evaluation.skipped().iter().map(|error| error.id.as_str()).collect();
        assert_eq!(skipped, ["c0", "c4"]);
        let last = &batches[2];
        let plain = dataset.plain(6).unwrap();
        assert_eq!(last.valid[&Modality::AUDIO], [plain.valid[&Modality::AUDIO]]);
        for modality in Modality::AUDIO_VISUAL {
            let view = last.parts[&modality].index_axis(ndarray::Axis(0), 0).to_owned();
            assert_eq!(view, plain.parts[&modality]);
        }
    }
}

#[test]
fn dropped_at_any_time_it_lets_go_of_the_data_set() {
    let corpus = Corpus::new(8);
    for taken in 0..4 {
        let dataset = corpus.dataset(Profile::Corrected, 0);
        let order = (0..8).collect();
        let mut loader = Loader::new(Arc::clone(&dataset), 0, order, 2, options(3)).unwrap();
        for _ in 0..taken {
            loader.next().unwrap().unwrap();
        }
        drop(loader);
        assert_eq!(Arc::strong_count(&dataset), 1, "no thread is left after {taken} batches");
    }
}

#[test]
fn waiting_is_measured() {
    let corpus = Corpus::new(4);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let mut loader = Loader::new(dataset, 0, (0..4).collect(), 4, options(1)).unwrap();
    assert_eq!(loader.waited(), Duration::ZERO);
    loader.next().unwrap().unwrap();
    assert!(loader.waited() > Duration::ZERO);
}

#[test]
fn batches_given_back_change_nothing() {
    let corpus = Corpus::new(9);
    corpus.break_sounds([3]);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let pass = || Pass { epoch: 1, order: (0..9).collect(), batch: 2, done: 1 };
    let new = |pass| Loader::resume(corpus.dataset(Profile::Corrected, 0), pass, options(2));
    let kept: Vec<Content> = new(pass()).unwrap().map(|batch| content(batch.unwrap())).collect();
    assert_eq!(kept.iter().map(|one| one.0.len()).collect::<Vec<_>>(), [1, 2, 2, 2]);
    let mut loader = Loader::resume(Arc::clone(&dataset), pass(), options(2)).unwrap();
    // Memory of other sizes is of no use, and does no harm.
    for batch in Loader::new(Arc::clone(&dataset), 0, vec![0, 1], 1, options(1)).unwrap() {
        loader.recycle(batch.unwrap());
    }
    for expected in kept {
        let batch = loader.next().unwrap().unwrap();
        assert!(content(batch.clone()) == expected);
        loader.recycle(batch);
    }
    assert!(loader.next().is_none());
}
