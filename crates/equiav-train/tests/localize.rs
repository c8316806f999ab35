//! Maps of places: each is what leaving a token out takes from the similarity, and lists are scored by them.

#[path = "support/tiny.rs"]
mod tiny;

use std::path::{Path, PathBuf};

use equiav_augment::Modality;
use equiav_data::{Clips, Manifest, read_picture, read_sound};
use equiav_eval::localization::Rule;
use equiav_models::View;
use equiav_train::embedding::Variant;
use equiav_train::localize::{Compared, Localizer, MapOptions, Truths, localize};
use equiav_train::network::Network;
use equiav_train::{Recipe, Trained};
use tch::{Device, Tensor};
use tiny::tiny;

const CENTROID: Variant = Variant::Centroid { vectors: 3, seed: 0 };

/// A network that has learned nothing, and the list of its held-out clips.
fn fresh(folder: &Path) -> (Trained, PathBuf) {
    let recipe: Recipe = tiny(folder, &[]);
    let network = Network::new(&recipe, Device::Cpu).expect("a network");
    let trained = Trained { recipe, network, checkpoint: PathBuf::new(), epoch: 0 };
    (trained, folder.join("corpus/valid.json"))
}

/// The similarity's loss by leaving out each token, token by token through the public parts alone.
fn naive(trained: &Trained, clip: &equiav_data::Clip, variant: Variant) -> Vec<f64> {
    let manifest = Manifest { clips: vec![clip.clone()] };
    let dataset = equiav_train::dataset(&trained.recipe, manifest.into()).expect("a clip");
    let plain = dataset.plain(0).expect("a clip");
    let input =
        |modality| equiav_train::feed::tensor(&plain.parts[&modality], Device::Cpu).unsqueeze(0);
    let vectors = |modality| {
        let Variant::Centroid { vectors, seed } = variant else { return None };
        let purpose = equiav_augment::Purpose::Retrieval(modality);
        let mut rng = equiav_augment::stream(seed, 0, 0, purpose);
        let (augment, front_end) = (&trained.recipe.augment, &trained.recipe.front_end);
        let drawn = match modality {
            Modality::Audio => {
                augment.audio.sample(front_end.spectrogram_size(), vectors, &mut rng)
            }
            Modality::Visual => augment.visual.sample(front_end.image_size(), vectors, &mut rng),
        };
        Some(equiav_train::feed::tensor(&drawn, Device::Cpu))
    };
    let embed = |modality, tokens: &Tensor| {
        let branch = &trained.network.branches[&modality];
        let point = match vectors(modality) {
            None => tokens.mean_dim([1i64].as_slice(), false, None),
            Some(vectors) => branch.predict(tokens, &vectors.unsqueeze(0)).mean_dim(
                [1i64].as_slice(),
                false,
                None,
            ),
        };
        branch.project(&point)
    };
    let tokens =
        |modality| trained.network.branches[&modality].encode(&input(modality), View::Plain);
    let (heard, seen) = (tokens(Modality::Audio), tokens(Modality::Visual));
    let heard = embed(Modality::Audio, &heard);
    let cosine = |tokens: &Tensor| {
        let cosine = Tensor::cosine_similarity(&embed(Modality::Visual, tokens), &heard, 1, 1e-12);
        cosine.double_value(&[0])
    };
    let (all, count) = (cosine(&seen), seen.size()[1]);
    let without = |left_out: i64| {
        let others: Vec<i64> = (0..count).filter(|token| *token != left_out).collect();
        cosine(&seen.index_select(1, &Tensor::from_slice(&others)))
    };
    (0..count).map(|token| (count - 1) as f64 * (all - without(token))).collect()
}

#[test]
fn a_map_is_what_each_token_is_worth() {
    let folder = tempfile::tempdir().expect("a folder");
    let (trained, list) = fresh(folder.path());
    let manifest = Manifest::read(&list).expect("a list");
    let clip = &manifest.clips[3];
    let sound = read_sound(&clip.sound).expect("a sound");
    let picture = read_picture(&clip.frame_path(clip.middle_frame())).expect("a picture");
    for variant in [Variant::Clean, CENTROID] {
        let _no_grad = tch::no_grad_guard();
        let localizer =
            Localizer::new(&trained, MapOptions { variant, finer: 1, blur: 0.0, dark: -1.0 })
                .expect("one");
        let map = localizer.map(&sound, &picture).expect("a map");
        assert_eq!((map.part, map.lit), ([0.0, 0.0, 1.0, 1.0], true));
        let dark = MapOptions { variant, finer: 1, blur: 0.0, dark: 1.1 };
        let dark = Localizer::new(&trained, dark).expect("one").map(&sound, &picture);
        let dark = dark.expect("a map");
        assert_eq!((dark.lit, &dark.values), (false, &map.values));
        let same = dark.over(&picture).as_raw() == picture.as_slice();
        assert!(same, "nothing is drawn where nothing fits");
        let expected = naive(&trained, clip, variant);
        let expected: Vec<f32> = expected.into_iter().map(|value| value as f32).collect();
        // 3 x 3 patches of 16 pixels: maps are linear between the centers of patches.
        let cells = Tensor::from_slice(&expected).view([1, 1, 3, 3]);
        let scaled = cells.upsample_bilinear2d([48, 48], false, None, None);
        let values = map.values.as_slice().expect("row by row");
        let found = Tensor::from_slice(values).view([1, 1, 48, 48]);
        let difference = (found - &scaled).abs().max().double_value(&[]);
        let size = scaled.abs().max().double_value(&[]);
        assert!(difference < 1e-3 * size.max(1e-3), "{variant:?}: {difference} of {size}");
    }
}

#[test]
fn a_list_is_scored_beside_what_must_do_worse() {
    let folder = tempfile::tempdir().expect("a folder");
    let (trained, list) = fresh(folder.path());
    let truths = Truths::of_corpus(&list).expect("the corpus knows");
    let options = MapOptions { variant: Variant::Clean, finer: 2, blur: 0.5, dark: -1.0 };
    let localizer = Localizer::new(&trained, options).expect("a localizer");
    let measure = || {
        let clips = Clips::from(Manifest::read(&list).expect("a list"));
        let dataset = equiav_train::dataset(&trained.recipe, clips).expect("clips");
        localize("held-out", dataset, &localizer, &truths).expect("figures")
    };
    let figures = measure();
    assert_eq!((figures.found, figures.listed, figures.without_truth), (16, 16, 0));
    assert_eq!((figures.cells, figures.side), ([6, 6], 48));
    assert_eq!(figures, measure(), "the same bytes have the same figures");
    let whole = figures.rules.iter().map(|ruled| ruled.maps[&Compared::Whole].mean_iou.value);
    for value in whole {
        assert!((value - figures.truth_area).abs() < 1e-9, "the whole picture meets its share");
    }
    let rule = &figures.rules[2];
    assert_eq!(rule.rule, Rule::TruthArea);
    let value = |map| rule.maps[&map].mean_iou.value;
    assert!(value(Compared::Center) > value(Compared::Random), "objects are near the middle");
    let json = serde_json::to_value(&figures).expect("JSON");
    assert!(json["rules"][0]["maps"]["model"]["ap50"]["value"].is_number(), "{json}");
    assert!(
        json["pointing"]["center"]["value"].as_f64() > json["pointing"]["random"]["value"].as_f64()
    );
    assert_eq!(json["variant"]["kind"], "clean");
    assert!(json["controls"]["silence"]["map_auc"].is_number());
}

#[test]
fn what_cannot_be_measured_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let (trained, list) = fresh(folder.path());
    let options = MapOptions { variant: Variant::Clean, finer: 3, blur: 0.0, dark: -1.0 };
    let error = Localizer::new(&trained, options).expect_err("3 does not divide 8").to_string();
    assert!(error.contains("3 times finer"), "{error}");
    let error = Localizer::new(&trained, MapOptions { finer: 1, blur: f64::NAN, ..options });
    let error = error.expect_err("no number").to_string();
    assert!(error.contains("a blur of NaN patches: expected 0 to 8"), "{error}");
    let error = Truths::of_corpus(&folder.path().join("mine.json")).expect_err("not a corpus");
    assert!(error.to_string().contains("--boxes FILE"), "{error}");
    let none = folder.path().join("none.json");
    std::fs::write(&none, "{}").expect("a file");
    let truths = Truths::read(&none).expect("no boxes");
    let localizer = Localizer::new(
        &trained,
        MapOptions { variant: Variant::Clean, finer: 1, blur: 0.0, dark: -1.0 },
    );
    let clips = Clips::from(Manifest::read(&list).expect("a list"));
    let dataset = equiav_train::dataset(&trained.recipe, clips).expect("clips");
    let error = localize("mine", dataset, &localizer.expect("one"), &truths).expect_err("nothing");
    assert!(error.to_string().contains("no clip of `mine` can be read and has a truth"), "{error}");
}
