//! Probes of a tiny run: what they give, and that features are kept.

#[path = "support/tiny.rs"]
mod tiny;

use std::fs;

use equiav_train::{
    DeviceChoice, EquivarianceProbe, LoadedModel, Probe, Warnings, equivariance, probe,
};

#[test]
fn probes_tell_classes_and_keep_their_features() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    tiny::run(&tiny::tiny(folder.path(), &["run.epochs=2"]), &run).expect("a run");
    let mut warnings = Warnings::default();
    let trained = LoadedModel::open_on(&run, DeviceChoice::Cpu, &mut warnings).expect("a run");
    let options = Probe {
        train: None,
        lists: Vec::new(),
        labels: Some(folder.path().join("corpus/class_labels_indices.csv")),
        validation: 0.25,
        per_class: None,
        seed: 0,
        random: false,
    };
    let export = folder.path().join("export");
    trained.export(&export).expect("an export");
    let mut probed =
        |options: &Probe| probe(&trained, &run, options, &mut warnings).expect("probes");
    let first = probed(&options);
    let names: Vec<(&str, &str)> = first.iter().map(|one| (one.input, one.method)).collect();
    assert_eq!(names.len(), 6);
    assert!(names.contains(&("both", "linear")) && names.contains(&("audio", "neighbors")));
    for one in &first {
        assert_eq!((one.clips, one.validation.found, one.test[0].found), (24, 8, 16));
        assert!(one.test[0].top1.is_some() && one.test[0].map > 0.0);
    }
    let files = || fs::read_dir(run.join("features")).expect("features").flatten();
    assert_eq!(files().count(), 2, "one a list");
    let figures = |all: &[equiav_train::ProbeMetrics]| serde_json::to_string(all).expect("JSON");
    assert_eq!(figures(&probed(&options)), figures(&first), "from the disk");
    let few = probed(&Probe { per_class: Some(2), ..options.clone() });
    assert!(few.iter().all(|one| one.clips <= 8));
    assert_eq!(files().count(), 2, "the same features");
    let random = probed(&Probe { random: true, ..options.clone() });
    assert_eq!(files().count(), 4, "those of another network");
    assert_ne!(figures(&random), figures(&first));

    let damaged = files().next().expect("a file").path();
    fs::write(&damaged, "nonsense").expect("a damaged file");
    probed(&options);
    probed(&Probe { random: true, ..options.clone() });
    assert_eq!(warnings.0.len(), 1, "{:?}", warnings.0);
    assert!(warnings.0[0].contains("computing it anew"), "{:?}", warnings.0);

    // An export knows none of its own lists; with them its figures are those of the run.
    let exported = LoadedModel::open(&export, &mut warnings).expect("an export");
    let refused = probe(&exported, &export, &options, &mut warnings).expect_err("no list");
    assert!(format!("{refused:#}").contains("give --train and --list"), "{refused:#}");
    let list = |name: &str| folder.path().join(name).display().to_string();
    let with_lists = Probe {
        train: Some(list("corpus/train.json")),
        lists: vec![list("corpus/valid.json")],
        ..options.clone()
    };
    for _ in 0..2 {
        let found = probe(&exported, &export, &with_lists, &mut warnings).expect("probes");
        for (ours, of_run) in found.iter().zip(&first) {
            assert_eq!((ours.input, &ours.chosen), (of_run.input, &of_run.chosen));
            assert_eq!(
                (ours.test[0].map, ours.test[0].top1),
                (of_run.test[0].map, of_run.test[0].top1)
            );
        }
    }
    let kept = fs::read_dir(export.join("features")).expect("features");
    assert_eq!((kept.count(), warnings.0.len()), (2, 1), "{:?}", warnings.0);
}

#[test]
fn parameters_of_augmentations_are_probed_on_the_same_views_whoever_stands_beside() {
    let folder = tempfile::tempdir().expect("a folder");
    let train = |name: &str, changes: &[&str]| {
        let run = folder.path().join(name);
        tiny::run(&tiny::tiny(folder.path(), &[&["run.epochs=1"][..], changes].concat()), &run)
            .expect("a run");
        let opened = LoadedModel::open_on(&run, DeviceChoice::Cpu, &mut Warnings::default());
        (name.to_owned(), opened.expect("a run"))
    };
    let own = train("own", &[]);
    let twin = train("twin", &["objective.intra=invariant", "objective.inter=clean-pair"]);
    let options = EquivarianceProbe { train: None, list: None, clips: 32 };
    let probed = |runs: &[(String, LoadedModel)]| {
        equivariance(runs, &options, &mut Warnings::default()).expect("figures")
    };
    let both = probed(&[own, twin]);
    assert_eq!(both.networks, ["own", "twin", "random"]);
    assert_eq!((both.clips, both.epochs), ((32, 16), 1));
    assert!(both.slots.iter().all(|slot| slot.r2.len() == 3));
    let again = LoadedModel::open_on(
        &folder.path().join("own"),
        DeviceChoice::Cpu,
        &mut Warnings::default(),
    );
    let alone = probed(&[("own".to_owned(), again.expect("a run"))]);
    for (slot, of_both) in alone.slots.iter().zip(&both.slots) {
        assert_eq!(slot.r2, [of_both.r2[0], of_both.r2[2]], "{}", slot.slot);
    }
    for (query, of_both) in alone.queries.iter().zip(&both.queries) {
        assert_eq!(query.plain_r1, [of_both.plain_r1[0], of_both.plain_r1[2]]);
        assert_eq!(query.disturbed_r1, [of_both.disturbed_r1[0], of_both.disturbed_r1[2]]);
    }
    // The twin is embedded as it was trained, by its plain views, not through a predictor that has learned nothing.
    let twin = LoadedModel::open_on(
        &folder.path().join("twin"),
        DeviceChoice::Cpu,
        &mut Warnings::default(),
    );
    let alone = probed(&[("twin".to_owned(), twin.expect("a run"))]);
    for (query, of_both) in alone.queries.iter().zip(&both.queries) {
        assert_eq!(query.plain_r1[0], of_both.plain_r1[1]);
    }
}
