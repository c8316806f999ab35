//! Labeled clips: mixing, masks, frames, and batches that no number of threads changes.

use std::sync::Arc;

use equiav_augment::audio::spec_augment::SpecAugment;
use equiav_augment::{Chance, Modality, Positive, Profile, Share};
use equiav_data::{
    FramedBatch, Frames, Label, Labeled, LabeledAugment, LabeledBatch, LabeledConfig,
    LabeledEvaluation, LabeledExample, LabeledLoader, Labels, LoaderOptions, Mix, Pass,
    SampleWeights, Sampler, Targets, Visit,
};

use crate::corpus::Corpus;

/// Every clip is of class `/m/a` but each third, which is of `/m/c`.
fn labeled(corpus: &Corpus, modalities: &[Modality], augment: LabeledAugment) -> Arc<Labeled> {
    let mut config = corpus.config(Profile::Corrected, 0);
    let mut manifest = corpus.manifest.clone();
    for clip in manifest.clips.iter_mut().step_by(3) {
        clip.labels = vec!["/m/c".to_owned()];
    }
    config.clips = manifest.into();
    let label = |mid: &str| Label { mid: mid.to_owned(), name: mid.to_owned() };
    let labels = Labels::new(["/m/a", "/m/b", "/m/c"].map(label).into());
    let targets = Targets::of(&config.clips, &labels).unwrap();
    let dataset = Arc::new(equiav_data::Dataset::new(config).unwrap());
    let train = (0..dataset.len() - 2).collect();
    let (targets, modalities) = (Arc::new(targets), modalities.to_vec());
    let config =
        LabeledConfig { dataset, targets, modalities, train, augment, cache_bytes: 1 << 20 };
    Arc::new(Labeled::new(config).unwrap())
}

fn mixed(chance: f64) -> LabeledAugment {
    let mix = Mix { chance: Chance::of(chance), alpha: Positive::of(10.0) };
    LabeledAugment { mix: Some(mix), ..LabeledAugment::default() }
}

fn visit(epoch: u64, clip: usize) -> Visit {
    Visit { epoch, repetition: 0, clip }
}

const BOTH: [Modality; 2] = Modality::AUDIO_VISUAL;

#[test]
fn without_augmentation_an_example_is_the_plain_one_and_its_classes() {
    let corpus = Corpus::new(5);
    let labeled = labeled(&corpus, &BOTH, LabeledAugment::default());
    for clip in 0..5 {
        for epoch in 0..6 {
            let example = labeled.example(visit(epoch, clip)).unwrap();
            let frames = (0..3).map(|frame| labeled.dataset().plain_frame(clip, frame).unwrap());
            let frames: Vec<_> = frames.map(|plain| plain.parts).collect();
            assert!(frames.contains(&example.parts), "one of the clip's frames");
            let third = if clip % 3 == 0 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
            assert_eq!(example.target, third);
        }
    }
}

#[test]
fn a_mixed_example_lies_between_two_clips_and_its_target_tells_how() {
    let corpus = Corpus::new(6);
    let labeled = labeled(&corpus, &BOTH, mixed(1.0));
    let plain = |clip: usize, frame: usize| {
        let plain = labeled.dataset().plain_frame(clip, frame).unwrap();
        plain.parts[&Modality::VISUAL].clone()
    };
    let mut shares = 0;
    for epoch in 0..20 {
        let LabeledExample { target, parts, .. } = labeled.example(visit(epoch, 1)).unwrap();
        assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{target:?}");
        let share = target[2];
        if share == 0.0 {
            continue;
        }
        shares += 1;
        // Of the training clips 0 and 3 are of the third class; 4 and 5 are not among them.
        let picture = &parts[&Modality::VISUAL];
        let distance = |own: usize, other: usize, frame: usize| {
            let expected = plain(1, own) * (1.0 - share) + plain(other, frame) * share;
            (picture - &expected).iter().map(|x| x.abs()).fold(0.0, f32::max)
        };
        let pairs = (0..3).flat_map(|own| [0, 3].map(|other| (own, other)));
        let triples = pairs.flat_map(|(own, other)| (0..3).map(move |frame| (own, other, frame)));
        let nearest = triples.map(|(own, other, frame)| distance(own, other, frame));
        assert!(nearest.fold(f32::MAX, f32::min) < 1e-5, "share {share}");
    }
    assert!(shares > 3, "{shares} of 20 met the other class");
}

#[test]
fn sounds_are_mixed_as_waveforms() {
    let corpus = Corpus::new(4);
    let labeled = labeled(&corpus, &[Modality::AUDIO], mixed(1.0));
    let plain = |clip| labeled.dataset().plain(clip).unwrap().parts[&Modality::AUDIO].clone();
    let example = labeled.example(visit(0, 1)).unwrap();
    assert_eq!(example.parts.len(), 1, "no picture is read");
    let sound = &example.parts[&Modality::AUDIO];
    assert_ne!(*sound, plain(1));
    // Logarithms of energies do not mix linearly; both tones are there.
    assert!(sound.iter().all(|value| value.is_finite()));
}

#[test]
fn masks_and_rolls_act_in_training_alone() {
    let corpus = Corpus::new(3);
    let masks =
        SpecAugment { chance: Chance::ALWAYS, max_time: Share::of(0.5), max_mel: Share::of(0.5) };
    let augment = LabeledAugment { masks: Some(masks), ..LabeledAugment::default() };
    let masked = labeled(&corpus, &[Modality::AUDIO], augment);
    let plain = labeled(&corpus, &[Modality::AUDIO], LabeledAugment::default());
    let sound = |labeled: &Labeled, epoch| {
        labeled.example(visit(epoch, 0)).unwrap().parts[&Modality::AUDIO].clone()
    };
    let blanked = (0..8).filter(|epoch| {
        let (masked, plain) = (sound(&masked, *epoch), sound(&plain, *epoch));
        let pairs = masked.iter().zip(&plain);
        assert!(pairs.clone().all(|(masked, plain)| masked == plain || *masked == 0.0));
        masked != plain
    });
    assert!(blanked.count() >= 6);
    let evaluated = framed(&masked, Frames::Middle, 1);
    assert_eq!(evaluated, framed(&plain, Frames::Middle, 1));

    let augment = LabeledAugment { roll: true, ..LabeledAugment::default() };
    let rolled = labeled(&corpus, &[Modality::AUDIO], augment);
    let sorted = |labeled: &Labeled| {
        let mut values: Vec<f32> = sound(labeled, 1).iter().copied().collect();
        values.sort_by(f32::total_cmp);
        values
    };
    assert_eq!(sorted(&rolled), sorted(&plain), "the same columns");
    assert!((0..4).any(|epoch| sound(&rolled, epoch) != sound(&plain, epoch)), "in another order");
}

fn options(workers: usize) -> LoaderOptions {
    LoaderOptions { workers, queue: 2, max_unreadable: 0.5 }
}

/// What must not depend on threads.
fn content(batch: LabeledBatch) -> String {
    let reasons = batch.replaced.iter().map(|one| one.reason.to_string());
    let reasons: Vec<String> = reasons.collect();
    format!("{:?} {:?} {:?} {reasons:?}", batch.visits, batch.parts, batch.targets)
}

fn batches(labeled: &Arc<Labeled>, pass: Pass, workers: usize) -> Vec<String> {
    let loader = LabeledLoader::resume(Arc::clone(labeled), pass, options(workers)).unwrap();
    loader.map(|batch| content(batch.unwrap())).collect()
}

#[test]
fn batches_do_not_depend_on_the_number_of_workers_nor_on_where_a_pass_goes_on() {
    let corpus = Corpus::new(9);
    corpus.break_sounds([2]);
    let weights = SampleWeights::new(&[5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]).unwrap();
    let order = Sampler::weighted(3, weights, 3).order(4);
    assert!(order.iter().filter(|clip| **clip == 0).count() > 1, "{order:?}");
    let pass = |done| Pass { epoch: 4, order: order.clone(), batch: 3, done };
    let fresh = || labeled(&corpus, &BOTH, mixed(0.5));
    let single = batches(&fresh(), pass(0), 1);
    assert_eq!(single.len(), 2);
    for workers in [2, 4] {
        assert!(batches(&fresh(), pass(0), workers) == single, "{workers} workers");
    }
    assert_eq!(batches(&fresh(), pass(3), 3)[0], single[1]);
    // The rest of the first batch comes by itself.
    let rest = LabeledLoader::resume(fresh(), pass(1), options(2)).unwrap();
    let sizes: Vec<usize> = rest.map(|batch| batch.unwrap().visits.len()).collect();
    assert_eq!(sizes, [2, 3]);
}

#[test]
fn a_clip_that_comes_twice_in_an_epoch_is_another_example() {
    let corpus = Corpus::new(12);
    let labeled = labeled(&corpus, &[Modality::AUDIO], mixed(1.0));
    let pass = Pass { epoch: 0, order: vec![0, 0, 1, 0], batch: 4, done: 0 };
    let mut loader = LabeledLoader::resume(labeled, pass, options(1)).unwrap();
    let batch = loader.next().unwrap().unwrap();
    let repetitions: Vec<u64> = batch.visits.iter().map(|visit| visit.repetition).collect();
    assert_eq!(repetitions, [0, 1, 0, 2]);
    let sound = |row: usize| batch.parts[&Modality::AUDIO].index_axis(ndarray::Axis(0), row);
    assert!(sound(0) != sound(1) && sound(1) != sound(3) && sound(0) != sound(3));
    assert_eq!(batch.targets.dim(), (4, 3));
}

#[test]
fn only_training_clips_are_mixed_in_or_take_the_place_of_others() {
    let corpus = Corpus::new(8);
    // Of the training clips 0 to 5 only one can be read; 6 and 7 are not theirs.
    corpus.break_sounds([0, 1, 2, 4, 5]);
    let labeled = labeled(&corpus, &[Modality::AUDIO], LabeledAugment::default());
    let pass = Pass { epoch: 1, order: vec![0, 3, 1], batch: 1, done: 0 };
    let options = LoaderOptions { max_unreadable: 1.0, ..options(2) };
    let loader = LabeledLoader::resume(Arc::clone(&labeled), pass, options).unwrap();
    let batches: Vec<LabeledBatch> = loader.map(Result::unwrap).collect();
    assert!(batches.iter().all(|batch| batch.clips() == [3]));
    assert_eq!(batches[0].substituted, 1);
    assert!(batches[0].replaced[0].reason.to_string().contains("clip `c0`"));

    let corpus = Corpus::new(5);
    corpus.break_sounds([3, 4]);
    let labeled = self::labeled(&corpus, &[Modality::AUDIO], mixed(1.0));
    assert_eq!(labeled.train(), [0, 1, 2]);
    for epoch in 0..40 {
        labeled.example(visit(epoch, 0)).expect("mixed with a clip that can be read");
    }
}

fn framed(labeled: &Arc<Labeled>, frames: Frames, batch: usize) -> Vec<FramedBatch> {
    let all = (0..labeled.dataset().len()).collect();
    let batches =
        LabeledEvaluation::new(Arc::clone(labeled), all, frames, batch, options(2)).unwrap();
    batches.map(Result::unwrap).collect()
}

#[test]
fn evaluation_sees_one_frame_or_all_of_them_and_leaves_out_what_cannot_be_read() {
    let corpus = Corpus::new(5);
    corpus.break_sounds([3]);
    let labeled = labeled(&corpus, &BOTH, mixed(1.0));
    let one = framed(&labeled, Frames::Middle, 3);
    let clips: Vec<&[usize]> = one.iter().map(|batch| &batch.clips[..]).collect();
    assert_eq!(clips, [&[0, 1, 2][..], &[4]]);
    assert_eq!(one[0].frames, [1, 1, 1]);
    let all = framed(&labeled, Frames::All, 3);
    assert_eq!(all[0].frames, [3, 3, 3]);
    assert_eq!(all[0].parts[&Modality::VISUAL].dim().0, 9);
    assert_eq!(all[0].parts[&Modality::AUDIO], one[0].parts[&Modality::AUDIO]);
    for (clip, frame) in [(0, 2), (2, 0)] {
        let plain = labeled.dataset().plain_frame(clip, frame).unwrap();
        let row = all[0].parts[&Modality::VISUAL].index_axis(ndarray::Axis(0), clip * 3 + frame);
        assert_eq!(row, plain.parts[&Modality::VISUAL]);
    }
}

#[test]
fn unknown_and_missing_labels_are_told() {
    let corpus = Corpus::new(2);
    let labels = Labels::new(vec![Label { mid: "/m/z".into(), name: "z".into() }]);
    let mut manifest = corpus.manifest.clone();
    let error = Targets::of(&manifest.clone().into(), &labels).unwrap_err().to_string();
    assert!(error.starts_with("clip `c0`: label `/m/a` is not in the label table"), "{error}");
    manifest.clips[0].labels.clear();
    let error = Targets::of(&manifest.into(), &labels).unwrap_err().to_string();
    assert!(error.starts_with("clip `c0`: it has no label"), "{error}");
}
