//! Run folders as they come: finished, interrupted, in training, broken, foreign, empty.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use equiav_report::page::Table;
use equiav_report::{
    MetricSummary, Run, RunFolders, RunStatus, RunSummary, default_metrics, find, plot, table,
    write_csv,
};

/// A run folder with `epochs` of 2 epochs saved, and `log` in it.
fn run(folder: &Path, lr: &str, saved: u64, log: &str) {
    fs::create_dir_all(folder).expect("a folder");
    let recipe = format!("name = \"quick\"\n[optimizer]\nlr = {lr}\n[run]\nepochs = 2\n");
    fs::write(folder.join("recipe.toml"), recipe).expect("a recipe");
    fs::write(folder.join("metrics.jsonl"), log).expect("a log");
    fs::write(folder.join("lock"), "").expect("a lock");
    for epoch in 1..=saved {
        let checkpoint = folder.join(format!("checkpoints/step-{epoch:09}"));
        fs::create_dir_all(&checkpoint).expect("a folder");
        let state = format!("{{\"epoch\": {epoch}}}");
        fs::write(checkpoint.join("state.json"), state).expect("a state");
    }
}

const LOG: &str = r#"{"step":1,"epoch":1,"train/loss":4.0,"train/data_time":0.1,"train/batch_time":0.5,"train/samples_per_second":10}
{"step":2,"epoch":1,"train/loss":2.0,"train/data_time":0.1,"train/batch_time":0.5,"train/samples_per_second":30,"train/skipped":0}
{"step":2,"epoch":1,"val/held-out/visual_to_audio/r1":0.5}
{"step":4,"epoch":2,"val/held-out/visual_to_audio/r1":0.25}
"#;

/// Runs of every kind, and what is none.
fn zoo() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    run(&at("done"), "0.1", 2, LOG);
    run(&at("early"), "0.2", 0, "");
    run(&at("stopped"), "0.1", 1, &format!("{LOG}{{\"step\":5,\"trai"));
    run(&at("deep/er"), "0.1", 1, &format!("hello\n{LOG}"));
    run(&at("text"), "0.1", 0, "not\na log\nof ours\n");
    run(&at("wrong"), "=", 0, "");
    fs::create_dir(at("empty")).expect("a folder");
    fs::write(at("notes.txt"), "foreign").expect("a file");
    folder
}

fn found(folder: &Path) -> RunFolders {
    find(&[folder.to_owned()])
}

#[test]
fn states_and_reasons() {
    let folder = zoo();
    let held = File::open(folder.path().join("early/lock")).expect("a lock");
    let states = || {
        let found = found(folder.path());
        found.runs.into_iter().map(|run| (run.name, run.state)).collect::<Vec<_>>()
    };
    let mut expected = vec![
        ("deep/er".to_owned(), RunStatus::Interrupted),
        ("done".to_owned(), RunStatus::Finished),
        ("early".to_owned(), RunStatus::NoCheckpoint),
        ("stopped".to_owned(), RunStatus::Interrupted),
    ];
    assert_eq!(states(), expected);
    held.lock().expect("a lock that is free");
    expected[2].1 = RunStatus::Training;
    assert_eq!(states(), expected);

    let found = found(folder.path());
    let broken: Vec<_> = found.broken.iter().map(|broken| broken.name.as_str()).collect();
    assert_eq!(broken, ["empty", "text", "wrong"]);
    assert!(found.broken[0].reason.contains("no recipe.toml"));
    assert!(found.broken[1].reason.contains("metrics.jsonl holds no record"));
    assert!(found.broken[2].reason.contains("recipe.toml is no TOML"));
    assert_eq!(find(&[PathBuf::from("nowhere")]).broken[0].reason, "no such folder");
}

#[test]
fn figures_are_those_of_the_log() {
    let folder = zoo();
    let found = found(folder.path());
    let summary = RunSummary::of(&found.runs[1]);
    assert_eq!((summary.steps, summary.epochs_done, summary.epochs), (4, 2, Some(2)));
    assert_eq!((summary.loss, summary.samples_per_second), (Some(3.0), Some(20.0)));
    assert!((summary.data_wait.expect("a share") - 0.2).abs() < 1e-12);
    let recall = MetricSummary { best: 0.5, best_step: 2, last: 0.25 };
    assert_eq!(summary.best["held-out/visual_to_audio"], recall);
    assert_eq!(summary.last["train/skipped"], 0.0);
    assert!(summary.checkpoint_age_seconds.expect("an age") < 600);
    assert_eq!(RunSummary::of(&found.runs[0]).unreadable_lines, [1]);
    assert_eq!(RunSummary::of(&found.runs[2]).loss, None);
}

#[test]
fn a_collapsed_epoch_is_the_best_only_where_there_is_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let log = |collapsed: [u8; 3]| {
        let line = |(epoch, r1): (usize, f64)| {
            let collapsed = collapsed[epoch];
            let (step, key) = (epoch + 1, "val/a/b/visual_to_audio/r1");
            format!(
                "{{\"step\":{step},\"epoch\":{step},\"{key}\":{r1},\"val/a/b/collapsed\":{collapsed}}}\n"
            )
        };
        [0.5, 0.125, 0.25].into_iter().enumerate().map(line).collect::<String>()
    };
    run(&folder.path().join("a"), "0.1", 3, &log([1, 0, 0]));
    run(&folder.path().join("b"), "0.1", 3, &log([1, 1, 1]));
    let found = found(folder.path());
    let recall = |run: usize| RunSummary::of(&found.runs[run]).best["a/b/visual_to_audio"];
    assert_eq!(recall(0), MetricSummary { best: 0.25, best_step: 3, last: 0.25 });
    assert_eq!(recall(1), MetricSummary { best: 0.5, best_step: 1, last: 0.25 });
}

/// A run of another method: its own metric, with intervals, on lists whose names hold slashes.
fn foreign(folder: &Path, evaluation: &str) -> Run {
    let line = |(step, value): (u64, f64)| {
        let (low, high) = (value - 0.5, value + 0.25);
        format!(
            "{{\"step\":{step},\"train/loss\":1,\"val/a/b/purity\":{value},\"val/a/b/purity/low\":{low},\
             \"val/a/b/purity/high\":{high},\"val/a/b/collapsed\":0,\"val/a/collapsed\":1}}\n"
        )
    };
    let log: String = [(1, 2.5), (2, 3.5), (3, 3.0)].into_iter().map(line).collect();
    run(folder, "0.1", 1, &log);
    let recipe = folder.join("recipe.toml");
    let text = fs::read_to_string(&recipe).expect("a recipe") + evaluation;
    fs::write(recipe, text).expect("a recipe");
    Run::open("foreign".to_owned(), folder).expect("a run")
}

#[test]
fn the_recipe_names_the_metric_that_is_the_best() {
    let folder = tempfile::tempdir().expect("a folder");
    for key in ["best", "choose_by"] {
        let run = foreign(folder.path(), &format!("[evaluation]\n{key} = \"purity\"\n"));
        let summary = RunSummary::of(&run);
        assert_eq!(summary.best_metric, "purity");
        // another list, "a", has collapsed
        let expected = MetricSummary { best: 3.5, best_step: 2, last: 3.0 };
        assert_eq!(summary.best.into_iter().collect::<Vec<_>>(), [("a/b".to_owned(), expected)]);
        let runs = std::slice::from_ref(&run);
        assert_eq!(default_metrics(runs), ["train/loss", "val/a/b/purity"]);
        let text = table(&RunFolders { runs: vec![run], broken: vec![] });
        assert!(text.contains("purity  last  best  at step\n"), "{text}");
        assert!(text.contains("foreign  a, b    3     3.5   2"), "{text}");
    }
}

#[test]
fn metrics_of_any_name_are_plotted_and_listed_with_their_intervals() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = foreign(folder.path(), "");
    assert_eq!(run.best_metric(), "r1");
    let runs = std::slice::from_ref(&run);
    assert_eq!(default_metrics(runs), ["train/loss", "val/a/b/purity"], "no r1: all there is");
    let listed = Table::of_metrics(&run).expect("metrics");
    assert_eq!(listed.rows, [["a/b/purity", "3", "2.5 to 3.25", "3"]]);

    let lines = |metrics: &[&str]| {
        let path = folder.path().join("plot.svg");
        let metrics: Vec<String> = metrics.iter().map(|metric| (*metric).to_owned()).collect();
        plot(runs, &metrics, &path).expect("a plot");
        fs::read_to_string(path).expect("an SVG").matches("stroke=\"#0072B2\"").count()
    };
    // the legend's line and the curve's, and a bar for each of three intervals
    assert_eq!((lines(&["train/loss"]), lines(&["val/a/b/purity"])), (2, 5));
}

#[test]
fn the_json_of_a_summary_keeps_its_keys() {
    let folder = zoo();
    let summary = RunSummary::of(&found(folder.path()).runs[1]);
    let json = serde_json::to_value(summary).expect("JSON");
    let recall = serde_json::json!({"best": 0.5, "best_step": 2, "last": 0.25});
    assert_eq!(json["recall"]["held-out/visual_to_audio"], recall);
    assert_eq!((&json["state"], &json["best_metric"]), (&"finished".into(), &"r1".into()));
}

#[test]
fn the_table_compares_and_names_what_is_broken() {
    let folder = zoo();
    let text = table(&found(folder.path()));
    for part in [
        "done     quick   finished       2/2     4      3.000  20.0",
        "held-out, visual to audio  25.0 %  50.0 %  2",
        "optimizer.lr  0.1      0.1   0.2    0.1",
        "deep/er: metrics.jsonl: lines that cannot be read, skipped: [1]",
        "empty: holds no recipe.toml",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert_eq!(table(&RunFolders::default()), "no runs\n");
}

#[test]
fn the_csv_has_the_union_of_keys_and_quotes() {
    let folder = tempfile::tempdir().expect("a folder");
    run(&folder.path().join("a, \"b\""), "1", 0, "{\"step\":1,\"epoch\":1,\"x\":0.5}\n");
    run(&folder.path().join("c"), "1", 0, "{\"step\":2,\"y,z\":1e-7}\n");
    let mut bytes = Vec::new();
    write_csv(&found(folder.path()).runs, &mut bytes).expect("a CSV");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let expected = "run,step,epoch,x,\"y,z\"\n\"a, \"\"b\"\"\",1,1,0.5,\nc,2,,,0.0000001\n";
    assert_eq!(text, expected);
}

#[test]
fn the_plot_has_a_line_a_run_and_a_panel_a_metric() {
    let folder = zoo();
    let runs = found(folder.path()).runs;
    let metrics = default_metrics(&runs);
    assert_eq!(metrics, ["train/loss", "val/held-out/visual_to_audio/r1"]);
    let svg = folder.path().join("plot.svg");
    plot(&runs, &metrics, &svg).expect("a plot");
    let text = fs::read_to_string(&svg).expect("an SVG");
    for part in ["done", "stopped", "train / loss", "R@1 (%)", "step", "deep/er"] {
        assert!(text.contains(&format!(">\n{part}\n<")), "{part} in {text}");
    }
    // each run's line in each panel and in the legend; "early" has the legend alone
    let lines = |color| text.matches(&format!("stroke=\"{color}\"")).count();
    assert_eq!((lines("#0072B2"), lines("#D55E00"), lines("#009E73")), (3, 3, 1));

    let png = folder.path().join("plot.png");
    plot(&runs, &metrics, &png).expect("a plot");
    let picture = image::open(&png).expect("a PNG").to_rgb8();
    let inked = picture.pixels().filter(|pixel| pixel.0 == [0, 114, 178]).count();
    assert!(inked > 200, "{inked} pixels of the first run's color");
}

#[test]
fn what_cannot_be_plotted_is_said() {
    let folder = zoo();
    let runs = found(folder.path()).runs;
    let error = |metric: &str, file: &str| {
        let path = folder.path().join(file);
        format!("{:#}", plot(&runs, &[metric.to_owned()], &path).unwrap_err())
    };
    assert!(error("train/los", "a.svg").contains("(there are: train/batch_time"));
    assert!(error("train/loss", "a.gif").contains("ends in .png or .svg"));
    assert!(plot(&runs, &[], &folder.path().join("a.svg")).is_err());
}
