//! What an example holds, with and without memory of earlier ones.

use equiav_augment::{Modality, Profile};
use equiav_data::{Dataset, Example, PlainExample, content_key};

use crate::corpus::Corpus;

#[test]
fn examples_have_their_shapes() {
    let corpus = Corpus::new(2);
    for profile in [Profile::Published, Profile::Corrected] {
        let dataset = corpus.dataset(profile, 0);
        let example = dataset.example(0, 1).unwrap();
        for (modality, shape) in [(Modality::AUDIO, [1, 16, 32]), (Modality::VISUAL, [3, 24, 24])] {
            let part = &example.parts[&modality];
            assert_eq!(part.plain.shape(), shape, "{modality}");
            assert_eq!(part.augmented.shape(), shape, "{modality}");
            assert_eq!(part.centroid.dim(), (3, part.vector.len()), "{modality}");
            assert!(part.plain.iter().chain(&part.augmented).all(|value| value.is_finite()));
        }
        // 4100 samples are 24 frames.
        assert_eq!(example.parts[&Modality::AUDIO].valid, 24);
        assert_eq!(example.parts[&Modality::VISUAL].valid, 24);
        let [plain, augmented] = &example.parts[&Modality::AUDIO].material;
        assert_eq!(plain.iter().filter(|holds| **holds).count(), 24);
        assert_eq!(plain.len(), augmented.len());
        let all = &example.parts[&Modality::VISUAL].material;
        assert!(all.iter().flatten().all(|holds| *holds), "pictures have no padding");
    }
}

#[test]
fn the_input_is_the_transposed_spectrogram_mel_first() {
    let corpus = Corpus::new(1);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let plain = &dataset.plain(0).unwrap().parts[&Modality::AUDIO];
    let waveform = equiav_data::read_sound(&corpus.sound(0)).unwrap();
    let analyzer = equiav_frontend::Analyzer::new(dataset.front_end().clone()).unwrap();
    let spectrogram = analyzer.audio(&waveform.samples, waveform.rate).unwrap().spectrogram;
    for ((frame, mel), value) in spectrogram.values().indexed_iter() {
        assert_eq!(plain[(0, mel, frame)], *value);
    }
}

#[test]
fn padding_is_silence_or_as_published() {
    let corpus = Corpus::new(1);
    for (profile, padding) in
        [(Profile::Published, 1.0), (Profile::Corrected, (f32::EPSILON.ln() + 4.0) / 4.0)]
    {
        let example = corpus.dataset(profile, 0).plain(0).unwrap();
        // 4000 samples are 23 frames of 32.
        assert_eq!(example.valid, [(Modality::AUDIO, 23)].into());
        let audio = &example.parts[&Modality::AUDIO];
        for (frame, column) in audio.axis_iter(ndarray::Axis(2)).enumerate() {
            let padded = column.iter().all(|value| (value - padding).abs() < 1e-6);
            assert_eq!(padded, frame >= 23, "{profile:?} at frame {frame}");
        }
    }
}

#[test]
fn epochs_differ_and_come_again() {
    let corpus = Corpus::new(2);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    let again = corpus.dataset(Profile::Corrected, 0);
    assert_eq!(dataset.example(3, 0).unwrap(), again.example(3, 0).unwrap());
    let (one, other) = (dataset.example(3, 0).unwrap(), dataset.example(4, 0).unwrap());
    for modality in Modality::AUDIO_VISUAL {
        assert_ne!(one.parts[&modality].vector, other.parts[&modality].vector);
        assert_ne!(one.parts[&modality].centroid, other.parts[&modality].centroid);
    }
}

#[test]
fn the_cache_changes_nothing_and_keeps_its_budget() {
    let corpus = Corpus::new(4);
    for profile in [Profile::Published, Profile::Corrected] {
        let examples = |bytes: usize| -> (Vec<Example>, Vec<PlainExample>, usize) {
            let dataset = corpus.dataset(profile, bytes);
            let clips = (0..3).flat_map(|epoch| (0..4).map(move |clip| (epoch, clip)));
            let examples = clips.map(|(epoch, clip)| dataset.example(epoch, clip).unwrap());
            let examples = examples.collect();
            let plain = (0..4).map(|clip| dataset.plain(clip).unwrap()).collect();
            (examples, plain, dataset.cached_bytes())
        };
        let (examples_off, plain_off, bytes_off) = examples(0);
        assert_eq!(bytes_off, 0);
        for budget in [5_000, 1 << 20] {
            let (examples, plain, bytes) = examples(budget);
            assert_eq!(examples, examples_off);
            assert_eq!(plain, plain_off);
            assert!(0 < bytes && bytes <= budget, "{bytes} of {budget}");
        }
    }
}

#[test]
fn a_full_cache_needs_no_files() {
    let corpus = Corpus::new(1);
    let dataset = corpus.dataset(Profile::Corrected, 1 << 20);
    let epochs = 0..40;
    let first: Vec<_> = epochs.clone().map(|epoch| dataset.example(epoch, 0).unwrap()).collect();
    std::fs::remove_dir_all(corpus.folder.path().join("wav")).unwrap();
    std::fs::remove_dir_all(corpus.folder.path().join("frames")).unwrap();
    let second: Vec<_> = epochs.map(|epoch| dataset.example(epoch, 0).unwrap()).collect();
    assert_eq!(first, second);
}

#[test]
fn only_the_published_profile_mixes_frames() {
    let corpus = Corpus::new(1);
    // Frames of one color, and no augmentation can make one of another.
    for (frame, level) in [0u8, 128, 255].into_iter().enumerate() {
        let path = corpus.folder.path().join(format!("frames/frame_{frame}/c0.jpg"));
        image::RgbImage::from_pixel(32, 32, image::Rgb([level; 3])).save(path).unwrap();
    }
    for profile in [Profile::Published, Profile::Corrected] {
        let dataset = corpus.dataset(profile, 1 << 20);
        let mut mixed = 0;
        let mut seen = std::collections::BTreeSet::new();
        for epoch in 0..60 {
            let example = dataset.example(epoch, 0).unwrap();
            let part = &example.parts[&Modality::VISUAL];
            // Jitter moves gray by less than the distance of the frames, blur and crop not at all.
            let level = |view: &ndarray::Array3<f32>| match view[(0, 12, 12)] {
                dark if dark < -1.5 => 0,
                bright if bright > 1.7 => 2,
                _ => 1,
            };
            seen.insert(level(&part.plain));
            let black = (level(&part.plain) == 0) != (level(&part.augmented) == 0);
            mixed += usize::from(black);
        }
        assert_eq!(seen.len(), 3, "every frame comes up");
        assert_eq!(mixed > 0, profile == Profile::Published, "{profile:?}: {mixed} of 60");
    }
}

#[test]
fn evaluation_takes_the_middle_frame_or_the_next_earlier_one() {
    let corpus = Corpus::new(1);
    let dataset = corpus.dataset(Profile::Corrected, 0);
    assert_eq!(dataset.plain(0).unwrap(), dataset.plain_frame(0, 1).unwrap());
    assert_ne!(dataset.plain(0).unwrap(), dataset.plain_frame(0, 2).unwrap());
    let earlier = dataset.plain_frame(0, 0).unwrap();
    let clip = &corpus.manifest.clips[0];
    let key = || dataset.content_key(0, Modality::VISUAL);
    let frame_file = |frame: &str| corpus.folder.path().join(frame).join("c0.jpg");
    assert_eq!(clip.frame_file(1), frame_file("frames/frame_1"));
    std::fs::remove_file(frame_file("frames/frame_1")).unwrap();
    assert_eq!(dataset.plain(0).unwrap(), earlier);
    assert_eq!(key().unwrap(), content_key(&frame_file("frames/frame_0")).unwrap());
    assert_eq!(clip.frame_file(1), frame_file("frames/frame_0"), "as the loader");
    std::fs::remove_file(frame_file("frames/frame_0")).unwrap();
    assert_eq!(clip.frame_file(1), frame_file("frames/frame_1"));
    let error = key().unwrap_err();
    assert!(error.to_string().ends_with("frame_1/c0.jpg: no such file"), "{error}");
    let error = dataset.plain(0).unwrap_err();
    assert!(error.media.missing);
    assert!(error.to_string().ends_with("frame_1/c0.jpg: no such file"), "{error}");
}

#[test]
fn a_further_modality_draws_for_itself_and_leaves_the_others_alone() {
    let corpus = Corpus::new(6);
    let context = Modality::new("context").unwrap();
    for profile in [Profile::Published, Profile::Corrected] {
        let two = corpus.dataset(profile, 0);
        let mut config = corpus.config(profile, 0);
        config.views.insert(context, config.views[&Modality::VISUAL].clone());
        let three = Dataset::new(config).unwrap();
        let mut other_frames = 0;
        for clip in 0..6 {
            let (mut example, plain) =
                (three.example(1, clip).unwrap(), three.plain(clip).unwrap());
            let own = example.parts.remove(&context).unwrap();
            assert_eq!(example, two.example(1, clip).unwrap());
            let visual = &example.parts[&Modality::VISUAL];
            assert_ne!(own.vector, visual.vector);
            assert_ne!(own.centroid, visual.centroid);
            other_frames += usize::from(own.plain != visual.plain);
            assert_eq!(plain.parts[&context], plain.parts[&Modality::VISUAL], "the middle frame");
            assert_eq!(plain.valid, two.plain(clip).unwrap().valid);
        }
        assert!(other_frames > 0, "{profile:?}: frames of its own");
    }
}

#[test]
fn a_data_set_of_pictures_alone_reads_no_sound() {
    let corpus = Corpus::new(1);
    corpus.break_sounds([0]);
    let mut config = corpus.config(Profile::Corrected, 0);
    config.views.remove(&Modality::AUDIO);
    let dataset = Dataset::new(config).unwrap();
    assert_eq!(
        dataset.example(0, 0).unwrap().parts.into_keys().collect::<Vec<_>>(),
        [Modality::VISUAL]
    );
    assert!(dataset.plain(0).unwrap().valid.is_empty());
}
