//! Maps of places: each is what leaving a token out takes from the similarity, and lists are scored by them.

#[path = "support/tiny.rs"]
mod tiny;

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use equiav_augment::Modality;
use equiav_data::{Clips, Manifest, read_picture, read_sound};
use equiav_eval::localization::{Rule, Truth, center_map, overlap, pointing};
use equiav_models::{Encode, EncodeOptions, Features, ViewKind};
use equiav_train::eval::embeddings::Variant;
use equiav_train::eval::localize::{
    Compared, Heard, Localizer, MapKind, MapOptions, PlaceMap, Truths, localize,
};
use equiav_train::model::Network;
use equiav_train::{LoadedModel, Recipe};
use tch::{Device, Tensor};
use tiny::tiny;

const CENTROID: Variant = Variant::Centroid { vectors: 3, seed: 0 };

/// A network that has learned nothing, and the list of its held-out clips.
fn fresh(folder: &Path, changes: &[&str]) -> (LoadedModel, PathBuf) {
    let recipe: Recipe = tiny(folder, changes);
    let network = Network::new(&recipe, Device::Cpu).expect("a network");
    let trained = LoadedModel { recipe, network, checkpoint: PathBuf::new(), epoch: 0 };
    (trained, folder.join("corpus/valid.json"))
}

/// The similarity's loss by leaving out each token, token by token through the public parts alone, and the
/// similarity itself.
fn naive(trained: &LoadedModel, clip: &equiav_data::Clip, variant: Variant) -> (Vec<f64>, f64) {
    let manifest = Manifest { clips: vec![clip.clone()] };
    let dataset = equiav_train::dataset(&trained.recipe, manifest.into()).expect("a clip");
    let plain = dataset.plain(0).expect("a clip");
    let input =
        |modality| equiav_train::clips::tensor(&plain.parts[&modality], Device::Cpu).unsqueeze(0);
    let vectors = |modality| {
        let Variant::Centroid { vectors, seed } = variant else { return None };
        let purpose = equiav_augment::Purpose::Retrieval(modality);
        let mut rng = equiav_augment::stream(seed, 0, 0, purpose);
        let (augment, front_end) = (&trained.recipe.augment, &trained.recipe.front_end);
        let drawn = augment.views()[&modality].sample(front_end, vectors, &mut rng);
        Some(equiav_train::clips::tensor(&drawn, Device::Cpu))
    };
    let embed = |modality, tokens: &Tensor| {
        let branch = &trained.network.branches[&modality];
        let point = match vectors(modality) {
            None if branch.pools_by_mean() => tokens.mean_dim([1i64].as_slice(), false, None),
            None => branch.pool(&Features::new(tokens.shallow_clone())).point,
            Some(vectors) => branch.predict(tokens, &vectors.unsqueeze(0), None).mean_dim(
                [1i64].as_slice(),
                false,
                None,
            ),
        };
        branch.project(&point)
    };
    let tokens =
        |modality| trained.network.branches[&modality].encode(&input(modality), ViewKind::Plain);
    let (heard, seen) = (tokens(Modality::AUDIO), tokens(Modality::VISUAL));
    let heard = embed(Modality::AUDIO, &heard);
    let cosine = |tokens: &Tensor| {
        let cosine = Tensor::cosine_similarity(&embed(Modality::VISUAL, tokens), &heard, 1, 1e-12);
        cosine.double_value(&[0])
    };
    let (all, count) = (cosine(&seen), seen.size()[1]);
    let without = |left_out: i64| {
        let others: Vec<i64> = (0..count).filter(|token| *token != left_out).collect();
        cosine(&seen.index_select(1, &Tensor::from_slice(&others)))
    };
    ((0..count).map(|token| (count - 1) as f64 * (all - without(token))).collect(), all)
}

#[test]
fn a_map_is_what_each_token_is_worth() {
    each_token_is_worth(&[]);
}

#[test]
fn with_a_pool_that_attends_too() {
    each_token_is_worth(&["model.encoder.pool={ kind = \"attention\", heads = 2 }"]);
}

/// Holds the maps of a network with `changes` to the naive ones.
fn each_token_is_worth(changes: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let (trained, list) = fresh(folder.path(), changes);
    let manifest = Manifest::read(&list).expect("a list");
    let clip = &manifest.clips[3];
    let sound = read_sound(&clip.sound).expect("a sound");
    let picture = read_picture(&clip.frame_path(clip.middle_frame())).expect("a picture");
    for variant in [Variant::Clean, CENTROID] {
        let _no_grad = tch::no_grad_guard();
        let localizer = Localizer::new(
            &trained,
            MapOptions { map: MapKind::LeftOut, variant, finer: 1, blur: 0.0, dark: -1.0 },
        )
        .expect("one");
        let map = localizer.map(&sound, &picture).expect("a map");
        assert_eq!((map.part, map.lit), ([0.0, 0.0, 1.0, 1.0], true));
        let dark = MapOptions { map: MapKind::LeftOut, variant, finer: 1, blur: 0.0, dark: 1.1 };
        let dark = Localizer::new(&trained, dark).expect("one").map(&sound, &picture);
        let dark = dark.expect("a map");
        assert_eq!((dark.lit, &dark.values), (false, &map.values));
        let same = dark.over(&picture).as_raw() == picture.as_slice();
        assert!(same, "nothing is drawn where nothing fits");
        let (expected, similarity) = naive(&trained, clip, variant);
        assert!((f64::from(map.similarity) - similarity).abs() < 1e-5, "{variant:?}");
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
fn a_map_of_tokens_is_the_cosine_of_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let (trained, list) = fresh(folder.path(), &[]);
    let manifest = Manifest::read(&list).expect("a list");
    let clip = &manifest.clips[3];
    let sound = read_sound(&clip.sound).expect("a sound");
    let picture = read_picture(&clip.frame_path(clip.middle_frame())).expect("a picture");
    let _no_grad = tch::no_grad_guard();
    let options = |dark| MapOptions {
        map: MapKind::Tokens,
        variant: Variant::Clean,
        finer: 1,
        blur: 0.0,
        dark,
    };
    let mapped = |dark| {
        let localizer = Localizer::new(&trained, options(dark)).expect("one");
        localizer.map(&sound, &picture).expect("a map")
    };
    let map = mapped(-1.0);
    let dataset =
        equiav_train::dataset(&trained.recipe, Manifest { clips: vec![clip.clone()] }.into());
    let plain = dataset.expect("a clip").plain(0).expect("a clip");
    let [tokens, heard] = [Modality::VISUAL, Modality::AUDIO].map(|modality| {
        let branch = &trained.network.branches[&modality];
        let input = equiav_train::clips::tensor(&plain.parts[&modality], Device::Cpu).unsqueeze(0);
        match modality {
            Modality::VISUAL => branch.project(&branch.encode(&input, ViewKind::Plain)),
            _ => branch.embed(&input, None, None).unsqueeze(1),
        }
    });
    let cosines = Tensor::cosine_similarity(&tokens, &heard, 2, 1e-12).view([1, 1, 3, 3]);
    let scaled = cosines.upsample_bilinear2d([48, 48], false, None, None);
    let found = Tensor::from_slice(map.values.as_slice().expect("row by row")).view([1, 1, 48, 48]);
    let apart = (found - &scaled).abs().max().double_value(&[]);
    assert!(apart < 1e-5, "{apart}");
    // It is the map's greatest value that decides whether it is shown.
    let greatest = map.greatest();
    assert!((f64::from(greatest) - scaled.max().double_value(&[])).abs() < 1e-5);
    assert!(mapped(greatest - 1e-3).lit && !mapped(greatest + 1e-3).lit);
}

/// An encoder whose tokens lie on no grid.
#[derive(Debug)]
struct Rows;

impl Encode for Rows {
    fn width(&self) -> i64 {
        48
    }

    fn encode(&self, input: &Tensor, _: &EncodeOptions<'_>) -> Features {
        Features::new(input.mean_dim([1i64].as_slice(), false, None))
    }
}

#[test]
fn an_encoder_without_a_grid_has_no_maps() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut trained, _) = fresh(folder.path(), &[]);
    trained.network = Network::with_branches(&trained.recipe, Device::Cpu, |config, root| {
        config.builder(root).encoder(|_| Rows).build()
    })
    .expect("a network");
    let options = MapOptions {
        map: MapKind::LeftOut,
        variant: Variant::Clean,
        finer: 1,
        blur: 0.0,
        dark: -1.0,
    };
    let error = Localizer::new(&trained, options).expect_err("no grid").to_string();
    assert!(error.contains("lie on a grid of 3 x 3 patches"), "{error}");
    let error = trained.network.sharing(&trained.recipe).expect_err("not the recipe's").to_string();
    assert!(error.contains("not the recipe's own"), "{error}");
}

#[test]
fn a_list_is_scored_beside_what_must_do_worse() {
    let folder = tempfile::tempdir().expect("a folder");
    let (trained, list) = fresh(folder.path(), &[]);
    let truths = Truths::of_corpus(&list).expect("the corpus knows");
    let options = MapOptions {
        map: MapKind::LeftOut,
        variant: Variant::Clean,
        finer: 2,
        blur: 0.5,
        dark: -1.0,
    };
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
fn one_clip_has_figures_without_intervals_and_no_other_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let (trained, list) = fresh(folder.path(), &[]);
    let truths = Truths::of_corpus(&list).expect("the corpus knows");
    let options = MapOptions {
        map: MapKind::LeftOut,
        variant: Variant::Clean,
        finer: 1,
        blur: 0.0,
        dark: -1.0,
    };
    let localizer = Localizer::new(&trained, options).expect("a localizer");
    let mut clips = Manifest::read(&list).expect("a list");
    clips.clips.truncate(1);
    let dataset = equiav_train::dataset(&trained.recipe, Clips::from(clips)).expect("a clip");
    let figures = localize("one", dataset, &localizer, &truths).expect("figures");
    assert_eq!((figures.found, figures.listed), (1, 1));
    for ruled in &figures.rules {
        assert_eq!((ruled.beyond_center.low, ruled.beyond_center.high), (None, None));
        assert!(!ruled.maps.contains_key(&Compared::OtherSound), "there is no other sound");
        assert!(ruled.maps.contains_key(&Compared::Model));
    }
    let controls: Vec<&String> = figures.controls.keys().collect();
    assert_eq!(controls, ["faint-noise", "silence"]);
    let text = serde_json::to_string(&figures).expect("JSON");
    assert_eq!(
        serde_json::from_str::<equiav_train::eval::localize::LocalizationMetrics>(&text)
            .expect("figures"),
        figures
    );
}

/// Seven clips: sounds of the corpus with pictures of it that are half as wide again; the third has no box, and
/// that of the fourth lies outside of the plain view.
fn wide_clips(folder: &Path, list: &Path) -> (PathBuf, Truths) {
    let (mut entries, mut boxes) = (Vec::new(), serde_json::Map::new());
    for (number, clip) in Manifest::read(list).expect("a list").clips.iter().take(7).enumerate() {
        let picture = read_picture(&clip.frame_path(clip.middle_frame())).expect("a picture");
        let wide = image::RgbImage::from_fn(72, 48, |x, y| {
            let at = 3 * (48 * y + (x + 5 * number as u32) % 48) as usize;
            image::Rgb([0, 1, 2].map(|color| picture.as_slice()[at + color]))
        });
        wide.save(folder.join(format!("{number}.png"))).expect("a picture");
        let (id, image) = (format!("clip-{number}"), format!("{number}.png"));
        entries.push(serde_json::json!({ "video_id": id, "wav": clip.sound, "image": image }));
        let left = 0.2 + 0.05 * number as f64;
        match number {
            2 => {}
            3 => drop(boxes.insert(id, serde_json::json!([[0.0, 0.0, 0.1, 1.0]]))),
            _ => drop(boxes.insert(id, serde_json::json!([[left, 0.25, left + 0.3, 0.75]]))),
        }
    }
    let (list, truths) = (folder.join("wide.json"), folder.join("boxes.json"));
    std::fs::write(&list, serde_json::json!({ "data": entries }).to_string()).expect("a list");
    std::fs::write(&truths, serde_json::Value::Object(boxes).to_string()).expect("boxes");
    (list, Truths::read(&truths).expect("boxes"))
}

#[test]
fn figures_are_those_of_one_clip_after_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut trained, list) = fresh(folder.path(), &[]);
    trained.recipe = tiny(folder.path(), &["evaluation.batch=3"]);
    let (list, truths) = wide_clips(folder.path(), &list);
    let options = MapOptions {
        map: MapKind::LeftOut,
        variant: Variant::Clean,
        finer: 2,
        blur: 0.5,
        dark: -1.0,
    };
    let localizer = Localizer::new(&trained, options).expect("a localizer");
    let clips = Manifest::read(&list).expect("a list").clips;
    let heard: Vec<Heard> = clips
        .iter()
        .map(|clip| localizer.sound(&read_sound(&clip.sound).expect("a sound")).expect("heard"))
        .collect();
    let (noise, silence) =
        (localizer.faint_noise().expect("one"), localizer.silence().expect("one"));
    // Per clip with a truth, in its picture: its own sound, that of the clip before, noise, silence.
    let (mut maps, mut known) = (Vec::new(), Vec::new());
    for (number, clip) in clips.iter().enumerate() {
        let picture = read_picture(&clip.frame_path(clip.middle_frame())).expect("a picture");
        let places = localizer.picture(&picture).expect("places");
        // Before the first stands the last of its batch.
        let before = if number == 0 { 2 } else { number - 1 };
        let sounds = [&heard[number], &heard[before], &noise, &silence];
        let found = sounds.map(|sound| localizer.fit(&places, sound).expect("a map"));
        assert_eq!(found[0].part, [1.0 / 6.0, 0.0, 5.0 / 6.0, 1.0]);
        if let Some(truth) = truths.of(&clip.id, found[0].part, [48, 48]) {
            maps.push(found);
            known.push(truth);
        }
    }
    let mut cosines: Vec<f32> = maps.iter().map(|found| found[0].similarity).collect();
    cosines.sort_by(f32::total_cmp);
    let dark = (cosines[1] + cosines[2]) / 2.0;
    let localizer = Localizer::new(&trained, MapOptions { dark, ..options }).expect("one");
    let dataset = equiav_train::dataset(
        &trained.recipe,
        Clips::open(&list.to_string_lossy()).expect("a list"),
    );
    let figures = localize("wide", dataset.expect("clips"), &localizer, &truths).expect("figures");
    assert_eq!((figures.found, figures.listed, figures.without_truth), (5, 7, 2));

    let near = |found: f64, expected: f64, what: &str| {
        assert!((found - expected).abs() < 1e-4, "{what}: {found}, expected {expected}");
    };
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    near(figures.truth_area, mean(known.iter().map(Truth::area).collect()), "area");
    for ruled in &figures.rules {
        let overlaps = |map: &dyn Fn(usize) -> ndarray::Array2<f32>| -> Vec<f64> {
            let region = |clip: usize| ruled.rule.region(map(clip).view(), &known[clip]);
            (0..5).map(|clip| overlap(region(clip).view(), &known[clip])).collect()
        };
        let own = overlaps(&|clip| maps[clip][0].values.clone());
        let other = overlaps(&|clip| maps[clip][1].values.clone());
        let center = overlaps(&|_| center_map([48, 48]));
        let beyond = own.iter().zip(&center).map(|(own, center)| own - center).collect();
        near(ruled.beyond_center.value, mean(beyond), "beyond the center");
        for (map, overlaps) in
            [(Compared::Model, own), (Compared::OtherSound, other), (Compared::Center, center)]
        {
            near(ruled.maps[&map].mean_iou.value, mean(overlaps), "overlap");
        }
    }
    let hits = (0..5).map(|clip| pointing(maps[clip][0].values.view(), &known[clip])).collect();
    near(figures.pointing[&Compared::Model].value, mean(hits), "pointing");

    let kinds = [
        (&figures.own, "own"),
        (&figures.controls["other-sound"], "other-sound"),
        (&figures.controls["faint-noise"], "faint-noise"),
        (&figures.controls["silence"], "silence"),
    ];
    for (sound, (scores, name)) in kinds.into_iter().enumerate() {
        let of = |sound: usize, value: fn(&PlaceMap) -> f32| -> Vec<f32> {
            let mut values: Vec<f32> = maps.iter().map(|found| value(&found[sound])).collect();
            values.sort_by(f32::total_cmp);
            values
        };
        let cosine: fn(&PlaceMap) -> f32 = |map| map.similarity;
        for (value, spread, auc) in [
            (PlaceMap::greatest as fn(&PlaceMap) -> f32, scores.map, scores.map_auc),
            (cosine, scores.cosine, scores.cosine_auc),
        ] {
            let (sorted, own) = (of(sound, value), of(0, value));
            for (found, expected) in
                [(spread.low, sorted[0]), (spread.median, sorted[2]), (spread.high, sorted[4])]
            {
                near(found, f64::from(expected), name);
            }
            let wins = own.iter().flat_map(|own| {
                sorted.iter().map(move |other| match own.total_cmp(other) {
                    Ordering::Greater => 1.0,
                    Ordering::Equal => 0.5,
                    Ordering::Less => 0.0,
                })
            });
            near(auc, mean(wins.collect()), name);
        }
        let lit = maps.iter().filter(|found| found[sound].similarity >= dark).count();
        near(scores.lit, lit as f64 / 5.0, name);
    }
}

#[test]
fn what_cannot_be_measured_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let (trained, list) = fresh(folder.path(), &[]);
    let options = MapOptions {
        map: MapKind::LeftOut,
        variant: Variant::Clean,
        finer: 3,
        blur: 0.0,
        dark: -1.0,
    };
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
        MapOptions {
            map: MapKind::LeftOut,
            variant: Variant::Clean,
            finer: 1,
            blur: 0.0,
            dark: -1.0,
        },
    );
    let clips = Clips::from(Manifest::read(&list).expect("a list"));
    let dataset = equiav_train::dataset(&trained.recipe, clips).expect("clips");
    let error = localize("mine", dataset, &localizer.expect("one"), &truths).expect_err("nothing");
    assert!(error.to_string().contains("no clip of `mine` can be read and has a truth"), "{error}");
}
