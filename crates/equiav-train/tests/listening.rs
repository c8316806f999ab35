//! Tokens that are compared with sounds: what training makes of them, and that recipes without them are what they were.

#[path = "support/tiny.rs"]
mod tiny;

use equiav_augment::Modality;
use equiav_data::{Clips, Loader, Manifest};
use equiav_train::clips::HostBatch;
use equiav_train::engine::Method;
use equiav_train::eval::embeddings::Variant;
use equiav_train::eval::localize::{
    LocalizationMetrics, Localizer, MapKind, MapOptions, Truths, localize,
};
use equiav_train::methods::equiav::EquiAv;
use equiav_train::{LoadedModel, NoOp, Recipe};
use tch::{Device, Kind, Tensor};
use tiny::{QUICK, tiny};

const LISTENING: [&str; 2] = ["objective.tokens=max", "objective.silent_negatives=4"];

/// How the maps of the model in `run` do on the list that it was not trained on.
fn measured(run: &std::path::Path, list: &std::path::Path) -> LocalizationMetrics {
    let trained = LoadedModel::open(run, &mut NoOp).expect("a model");
    let (map, variant) = (MapKind::of(&trained.recipe), Variant::of(&trained.recipe));
    assert_eq!(map, MapKind::Tokens);
    let options = MapOptions { map, variant, finer: 1, blur: 0.0, dark: 0.5 };
    let localizer = Localizer::new(&trained, options).expect("a localizer");
    let clips = Clips::from(Manifest::read(list).expect("a list"));
    let dataset = equiav_train::dataset(&trained.recipe, clips).expect("clips");
    let truths = Truths::of_corpus(list).expect("the corpus knows");
    localize("held-out", dataset, &localizer, &truths).expect("figures")
}

#[test]
fn a_short_training_tells_sounds_from_silence() {
    let folder = tempfile::tempdir().expect("a folder");
    for source in ["objective.token_source=encoded", "objective.token_source=patches"] {
        let longer = ["run.epochs=15", "evaluation.every=15", "optimizer.lr=3e-3", source];
        let recipe = tiny(folder.path(), &[&LISTENING[..], &longer].concat());
        let run = folder.path().join(source);
        tiny::run(&recipe, &run).expect("a run");
        let figures = measured(&run, &folder.path().join("corpus/valid.json"));
        for name in ["silence", "faint-noise"] {
            let scores = &figures.controls[name];
            assert!(scores.map_auc > 0.9, "{source}, {name}: {scores:?} beside {:?}", figures.own);
            assert!(scores.lit < figures.own.lit, "{source}, {name}: {scores:?}");
        }
        assert_eq!((figures.map, figures.own.map_auc), (MapKind::Tokens, 0.5));
    }
}

/// What becomes of the clips at `order`, in epoch `epoch`.
fn embedded(recipe: &Recipe, order: &[usize], epoch: u64) -> equiav_train::engine::Named {
    let corpus = recipe.data.source.prepare(&mut NoOp).expect("a corpus");
    let dataset = equiav_train::dataset(recipe, corpus.train).expect("clips");
    let loader = Loader::new(dataset, 0, order.to_vec(), order.len(), Default::default());
    let batch = loader.expect("a loader").next().expect("one batch").expect("readable clips");
    let method = EquiAv::fresh(recipe, Device::Cpu).expect("a network");
    let batch = HostBatch::Unlabeled(batch).to_device(epoch, Device::Cpu);
    tch::no_grad(|| method.embed(&batch)).expect("rows")
}

#[test]
fn whether_a_clip_brings_silence_depends_on_itself_and_its_epoch_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = tiny(folder.path(), &[&LISTENING[..], &["run.batch=16"]].concat());
    let all: Vec<usize> = (0..32).collect();
    let rows = embedded(&recipe, &all, 0);
    assert_eq!(rows["tokens_visual"].size(), [32, 9 * 128]);
    let (quiet, counted) = (&rows["quiet_audio"], &rows["quiet_counted"]);
    assert_eq!((quiet.size(), counted.size()), (vec![32, 128], vec![32, 1]));
    let brought = counted.sum(Kind::Double).double_value(&[]);
    assert!((2.0..=16.0).contains(&brought), "{brought} of 32, each by a chance of a quarter");
    let filled = quiet.abs().amax([1i64].as_slice(), true).gt(0.0);
    assert!(filled.equal(&counted.gt(0.5)), "what does not count is empty");
    // In another order and company the rows are the same.
    let order: Vec<usize> = (0..8).rev().collect();
    let part = embedded(&recipe, &order, 0);
    assert!(part["quiet_counted"].equal(&counted.narrow(0, 0, 8).flip([0])));
    let apart = (&part["quiet_audio"] - quiet.narrow(0, 0, 8).flip([0])).abs().max();
    assert!(apart.double_value(&[]) < 1e-4, "{apart:?}");
    assert!(!embedded(&recipe, &all, 1)["quiet_counted"].equal(counted), "another epoch");
}

#[test]
fn recipes_without_it_have_no_row_no_variable_and_no_key_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, listening) = (tiny(folder.path(), &[]), tiny(folder.path(), &LISTENING));
    assert!(!plain.to_toml().contains("tokens") && !plain.to_toml().contains("silent"));
    let rows: Vec<String> = embedded(&plain, &[0, 1], 0).into_keys().collect();
    assert!(
        rows.iter().all(|name| !name.contains("tokens") && !name.contains("quiet")),
        "{rows:?}"
    );
    let variables = |recipe: &Recipe| {
        let method = EquiAv::fresh(recipe, Device::Cpu).expect("a network");
        let named = method.network.store.variables().into_iter();
        named.map(|(name, tensor)| (name, tensor.copy())).collect::<Vec<(String, Tensor)>>()
    };
    let mut sorted = [variables(&plain), variables(&listening)];
    sorted.iter_mut().for_each(|all| all.sort_by(|a, b| a.0.cmp(&b.0)));
    let same = |((a, x), (b, y)): (&(String, Tensor), &(String, Tensor))| a == b && x.equal(y);
    assert!(sorted[0].iter().zip(&sorted[1]).all(same), "tokens have no variables of their own");
    assert_eq!(sorted[0].len(), sorted[1].len());
    assert!(plain.branches().contains_key(&Modality::VISUAL));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |changes: &[&str]| {
        let changes: Vec<_> = changes.iter().map(|text| text.parse().expect("KEY=VALUE")).collect();
        format!("{:#}", Recipe::parse(QUICK, &changes).expect_err("no sense"))
    };
    let error = refused(&["objective.silent_negatives=3"]);
    assert!(error.contains("objective.silent_negatives = 3: only tokens are compared"), "{error}");
    let error = refused(&["objective.token_source=patches"]);
    assert!(error.contains("objective.token_source: no tokens are compared"), "{error}");
    let error = refused(&["objective.silent_negatives=33", "objective.tokens=max"]);
    assert!(error.contains("at most one for each clip of run.batch = 32"), "{error}");
    let plain = ["objective.tokens=max", "objective.intra=none", "objective.inter=augmented-pair"];
    assert!(refused(&plain).contains("objective.tokens: the plain view"), "{}", refused(&plain));
    assert!(refused(&["objective.tokens=mean"]).contains("objective.tokens"), "names the key");
}
