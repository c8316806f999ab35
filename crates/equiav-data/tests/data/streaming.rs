//! One data set over files and over shards: the same examples, orders and restarts.

use std::num::NonZeroUsize;
use std::sync::Arc;

use equiav_augment::{Modality, Profile};
use equiav_data::shard::{ShardSource, Shards, pack, verify};
use equiav_data::{
    Batch, Clips, DataError, Dataset, DatasetConfig, Loader, LoaderOptions, Order, Part, Sampler,
};
use proptest::prelude::*;

use crate::corpus::Corpus;

/// A corpus and its shards of three clips each, in a folder below it.
fn packed(clips: usize) -> (Corpus, String) {
    let corpus = Corpus::new(clips);
    let folder = corpus.folder.path().join("shards");
    let three = NonZeroUsize::new(3).unwrap();
    let packed = pack(&corpus.manifest, &folder, three, &mut |_, _| {}).unwrap();
    assert_eq!(packed.shards, clips.div_ceil(3));
    (corpus, folder.to_str().unwrap().to_owned())
}

fn dataset(corpus: &Corpus, clips: Clips) -> Arc<Dataset> {
    let config = DatasetConfig { clips, ..corpus.config(Profile::Corrected, 0) };
    Arc::new(Dataset::new(config).unwrap())
}

#[test]
fn packed_clips_give_the_same_examples() {
    let (corpus, folder) = packed(7);
    let files = corpus.dataset(Profile::Corrected, 0);
    let shards = dataset(&corpus, Clips::open(&folder).unwrap());
    assert_eq!(shards.len(), 7);
    for clip in 0..7 {
        assert_eq!(shards.clips().id(clip), format!("c{clip}"));
        assert_eq!(shards.clips().labels(clip), ["/m/a"]);
        assert_eq!(shards.clips().frames(clip), 3);
        assert_eq!(shards.example(1, clip).unwrap(), files.example(1, clip).unwrap());
        assert_eq!(shards.plain(clip).unwrap(), files.plain(clip).unwrap());
        for modality in Modality::AUDIO_VISUAL {
            let key = |dataset: &Dataset| dataset.content_key(clip, modality).unwrap();
            assert_eq!(key(&shards), key(&files));
        }
    }
    let again =
        pack(&corpus.manifest, folder.as_ref(), NonZeroUsize::new(3).unwrap(), &mut |_, _| {});
    let again = again.unwrap();
    assert_eq!((again.found, again.clips, again.skipped.len()), (3, 7, 0));
    let other = pack(&corpus.manifest, folder.as_ref(), NonZeroUsize::MIN, &mut |_, _| {});
    assert!(other.unwrap_err().to_string().contains("packed from another list"));
}

#[test]
fn clips_without_a_file_are_skipped_and_named() {
    let corpus = Corpus::new(4);
    std::fs::remove_file(corpus.sound(1)).unwrap();
    let frame = corpus.folder.path().join("frames/frame_0/c3.jpg");
    std::fs::write(&frame, "no picture").unwrap();
    let folder = corpus.folder.path().join("shards");
    let three = NonZeroUsize::new(3).unwrap();
    let first = pack(&corpus.manifest, &folder, three, &mut |_, _| {}).unwrap();
    assert_eq!((first.clips, first.skipped.len()), (2, 2));
    assert!(first.skipped[0].contains("c1.wav: no such file"), "{:?}", first.skipped);
    assert!(first.skipped[1].contains("c3.jpg: is no jpg, png or webp"), "{:?}", first.skipped);
    let second = pack(&corpus.manifest, &folder, three, &mut |_, _| {}).unwrap();
    assert_eq!(second.skipped, first.skipped, "a finished shard still tells");
    assert_eq!(Clips::open(folder.to_str().unwrap()).unwrap().len(), 2);
}

#[test]
fn bad_members_are_named_with_their_shard() {
    let (corpus, folder) = packed(6);
    let tar = format!("{folder}/clips-000001.tar");
    let scan = equiav_data::shard::Scan::file(tar.as_ref()).unwrap();
    assert_eq!(verify(tar.as_ref()).faults, [""; 0]);
    let mut bytes = std::fs::read(&tar).unwrap();
    let (_, place) = scan.contents.sound(1).unwrap();
    bytes[place.offset as usize..][..4].copy_from_slice(b"oops");
    std::fs::write(&tar, &bytes).unwrap();

    let shards = dataset(&corpus, Clips::open(&folder).unwrap());
    let error = shards.example(0, 4).unwrap_err().to_string();
    let expected = format!(
        "{tar}: c4.wav: is no known format: noise, or samples without a header that says what they are"
    );
    assert_eq!(error, format!("clip `c4`: {expected}"));
    let verified = verify(tar.as_ref());
    assert_eq!((verified.samples, verified.members), (3, 15));
    assert_eq!(verified.faults, [expected]);

    // A shard that shrinks under a run is an error of its members, not the end of the process.
    std::fs::write(&tar, &bytes[..1024]).unwrap();
    let error = shards.example(0, 3).unwrap_err().to_string();
    assert!(error.contains("clips-000001.tar: c3.wav: the shard was cut off"), "{error}");
    let error = Clips::open(&folder).unwrap_err().to_string();
    assert!(error.contains("the file has 1024 bytes, its index says"), "{error}");
    assert_eq!(verify(tar.as_ref()).faults.len(), 1);

    std::fs::remove_dir_all(&folder).unwrap();
    let mut loader = Loader::new(shards, 0, vec![0, 3, 5], 1, LoaderOptions::default()).unwrap();
    let error = loader.find_map(Result::err).unwrap();
    assert!(matches!(error, DataError::FolderGone { .. }), "{error}");
}

/// What must not depend on threads or restarts.
type Content = (Vec<usize>, Vec<(Modality, Part)>);

fn content(batch: Batch) -> Content {
    (batch.clips, batch.parts.into_iter().collect())
}

fn rows(batches: Vec<Content>) -> Vec<(usize, Vec<f32>)> {
    let mut rows = Vec::new();
    for (clips, parts) in batches {
        for (row, clip) in clips.into_iter().enumerate() {
            let axis = ndarray::Axis(0);
            let numbers = parts.iter().flat_map(|(_, part)| {
                let plain =
                    part.plain.index_axis(axis, row).into_iter().copied().collect::<Vec<_>>();
                let augmented = part.augmented.index_axis(axis, row).into_iter().copied();
                let vectors = part.vectors.index_axis(axis, row).into_iter().copied();
                let centroid = part.centroid.index_axis(axis, row).into_iter().copied();
                let rest: Vec<f32> = augmented.chain(vectors).chain(centroid).collect();
                [plain, rest].concat()
            });
            rows.push((clip, numbers.collect()));
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5))]
    #[test]
    fn two_epochs_are_the_same_for_any_workers_and_after_any_restart(
        number in 0u64..50, size in 1usize..4, buffer in 0usize..6, weight in 0.4f64..2.0, bad in 0usize..9,
    ) {
        let (corpus, folder) = packed(9);
        let tar = format!("{folder}/clips-{:06}.tar", bad / 3);
        let scan = equiav_data::shard::Scan::file(tar.as_ref()).unwrap();
        let (_, place) = scan.contents.sound(bad % 3).unwrap();
        let mut bytes = std::fs::read(&tar).unwrap();
        bytes[place.offset as usize] = b'X';
        std::fs::write(&tar, bytes).unwrap();
        let sources = [
            ShardSource { shards: format!("{folder}/clips-{{000000..000001}}.tar"), weight },
            ShardSource::from(&format!("{folder}/clips-000002.tar")[..]),
        ];
        for order in [Order::Shuffled, Order::Streamed { buffer }] {
            let run = |workers: usize, epoch: u64, done: usize| {
                let clips = Clips::from(Shards::open(&sources).unwrap());
                let dataset = dataset(&corpus, clips);
                let sampler = Sampler::over(dataset.seed(), dataset.clips().portions(), order, size);
                let options = LoaderOptions { workers, queue: 2, max_unreadable: 1.0 };
                let loader = Loader::resume(dataset, sampler.pass(epoch, done), options).unwrap();
                loader.map(|batch| content(batch.unwrap())).collect::<Vec<Content>>()
            };
            for epoch in [number, number + 1] {
                let whole = run(1, epoch, 0);
                for workers in [2, 4] {
                    prop_assert!(run(workers, epoch, 0) == whole, "{} workers", workers);
                }
                let samples = rows(whole.clone());
                for done in 0..=samples.len() {
                    let rest = run(1 + done % 4, epoch, done);
                    if done % size == 0 {
                        prop_assert!(rest == whole[done / size..], "batches from {}", done);
                    }
                    prop_assert!(rows(rest) == samples[done..], "restart at sample {}", done);
                }
            }
        }
    }
}
