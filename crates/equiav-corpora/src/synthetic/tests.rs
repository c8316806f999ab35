//! The factors are read back from the written files, by means that know nothing of how they came.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use super::*;

fn small() -> Synthetic {
    Synthetic { instances: 12, held_out: 6, image: 48, frames: 2, ..Synthetic::default() }
}

fn write(synthetic: &Synthetic, folder: &Path, threads: usize) -> anyhow::Result<CorpusPaths> {
    synthetic.write_on(folder, threads, &mut |_, _| {})
}

fn contents(folder: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder)?.to_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(files)
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    write(&small(), &home.path().join("one"), 1)?;
    write(&small(), &home.path().join("five"), 5)?;
    let one = contents(&home.path().join("one"))?;
    assert_eq!(one.len(), 18 * 3 + 4);
    assert!(one == contents(&home.path().join("five"))?, "the files differ");
    let other = Synthetic { seed: 1, ..small() };
    write(&other, &home.path().join("other"), 2)?;
    let other = contents(&home.path().join("other"))?;
    for (name, bytes) in one.iter().filter(|(name, _)| name.extension().is_some_and(|e| e == "wav"))
    {
        assert!(other[name] != *bytes, "another seed gives the same {}", name.display());
    }
    Ok(())
}

#[test]
fn held_out_clips_do_not_depend_on_how_many_are_trained_on() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let few = write(&small(), &home.path().join("few"), 2)?;
    let more = Synthetic { instances: 15, held_out: 7, ..small() };
    let more = write(&more, &home.path().join("more"), 2)?;
    let [few, more] = [few.valid, more.valid].map(|path| Manifest::read(&path));
    let (few, more) = (few?, more?);
    for (a, b) in few.clips.iter().zip(&more.clips) {
        assert_eq!(a.factors, b.factors);
        assert_eq!(fs::read(&a.sound)?, fs::read(&b.sound)?);
    }
    Ok(())
}

#[test]
fn the_same_knobs_reuse_and_others_are_refused() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path().join("corpus");
    let mut told = Vec::new();
    small().write(&folder, &mut |done, total| told.push((done, total)))?;
    assert_eq!((told.len(), told.last()), (18, Some(&(18, 18))));
    let paths = small().write(&folder, &mut |_, _| told.clear())?;
    assert_eq!(told.len(), 18, "a finished corpus is not made again");
    let manifest = Manifest::read(&paths.train)?;
    assert!(manifest.found().missing.is_empty());
    let labels = Labels::read(&paths.labels)?;
    for clip in &manifest.clips {
        assert!(labels.index_of(&clip.labels[0]).is_some(), "{:?}", clip.labels);
    }
    let error = Synthetic { nuisance: 0.75, ..small() }.write(&folder, &mut |_, _| {});
    let error = error.unwrap_err().to_string();
    assert!(error.contains("nuisance: 0.5 there, 0.75 asked for"), "{error}");
    Ok(())
}

#[test]
fn knobs_out_of_range_are_named() {
    let check = |synthetic: Synthetic, expected: &str| {
        let error = synthetic.check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(Synthetic { classes: 1, ..small() }, "classes = 1 is not in 2 to 72");
    check(Synthetic { instances: 0, ..small() }, "instances = 0");
    check(Synthetic { held_out: 0, ..small() }, "held_out = 0");
    check(Synthetic { nuisance: f64::NAN, ..small() }, "nuisance = NaN");
    check(Synthetic { image: 8, ..small() }, "image = 8");
    check(Synthetic { seconds: 0.0, ..small() }, "seconds = 0");
    check(Synthetic { sample_rate: 8000, ..small() }, "sample_rate = 8000");
    check(Synthetic { frames: 0, ..small() }, "frames = 0");
    let error = toml::from_str::<Synthetic>("instance = 5").unwrap_err().to_string();
    assert!(error.contains("unknown field `instance`"), "{error}");
}

/// The share of clips for which each of the factors read from the files is the manifest's.
#[derive(Debug, Default)]
struct Agreement {
    hue: f64,
    height: f64,
    pitch: f64,
    band_center: f64,
    count: f64,
    beads: f64,
    size: f64,
    shape: f64,
    pattern: f64,
}

fn agreement(synthetic: &Synthetic) -> anyhow::Result<Agreement> {
    let home = tempfile::tempdir()?;
    let paths = synthetic.write(&home.path().join("corpus"), &mut |_, _| {})?;
    let clips = Manifest::read(&paths.valid)?.clips;
    let mut agreement = Agreement::default();
    for clip in &clips {
        let factor = |name: &str| clip.factors[name].as_f64().unwrap_or(f64::NAN);
        let (seen, heard) = oracle::read(clip)?;
        let count = |agrees: bool| f64::from(agrees) / clips.len() as f64;
        let octaves = |heard: f64, factor: f64| (heard / factor).log2().abs();
        let turned = (seen.hue - factor("hue")).rem_euclid(1.0);
        agreement.hue += count(turned.min(1.0 - turned) < 0.02);
        // The center of what a bead does not cover.
        agreement.height += count((seen.from_top - (0.78 - 0.56 * factor("height"))).abs() < 0.05);
        agreement.pitch += count(octaves(heard.pitch, factor("pitch")) < 0.1);
        agreement.band_center += count(octaves(heard.band_center, factor("band_center")) < 0.35);
        agreement.count += count(heard.onsets as f64 == factor("count"));
        agreement.beads += count(seen.count as f64 == factor("count"));
        agreement.shape += count(clip.factors["shape"] == seen.shape.name());
        agreement.pattern += count(clip.factors["pattern"] == seen.pattern.name());
        // Size decides both: a large area and a low pitch, whatever the pattern and the shape.
        let radius = 0.11 * (0.29f64 / 0.11).powf((880.0 / heard.pitch).log2() / 3.0);
        let disc = TAU / 2.0 * radius * radius;
        agreement.size += count((0.3..1.8).contains(&(seen.area / disc)));
    }
    Ok(agreement)
}

#[test]
fn the_factors_can_be_seen_and_heard_in_the_files() -> anyhow::Result<()> {
    let synthetic = Synthetic { instances: 1, held_out: 48, frames: 1, ..Synthetic::default() };
    let found = agreement(&synthetic)?;
    for (share, name) in [
        (found.hue, "hue"),
        (found.height, "height"),
        (found.pitch, "pitch"),
        (found.band_center, "band center"),
        (found.count, "count"),
        (found.beads, "beads"),
        (found.size, "size"),
        (found.shape, "shape"),
        (found.pattern, "pattern"),
    ] {
        assert!(share >= 0.9, "{name} is right in {share} of the clips: {found:?}");
    }
    Ok(())
}

#[test]
fn an_oracle_finds_most_clips_and_the_same_ones_every_time() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let synthetic = Synthetic { instances: 120, held_out: 60, frames: 1, ..Synthetic::default() };
    let paths = synthetic.write(&home.path().join("corpus"), &mut |_, _| {})?;
    let [train, valid] = [&paths.train, &paths.valid].map(|path| Manifest::read(path));
    let (train, valid) = (train?.clips, valid?.clips);
    let mut told = (0, 0);
    let mut scores = || {
        let oracle = Oracle::fit(&train, &mut |_, _| {})?;
        oracle.scores(&valid, &mut |done, of| told = (done, of))
    };
    let first: Vec<Vec<f64>> = scores()?;
    assert_eq!(first, scores()?);
    assert_eq!(told, (60, 60));
    let best = |row: &Vec<f64>| {
        let numbers = row.iter().enumerate();
        numbers.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(number, _)| number)
    };
    let right = first.iter().enumerate().filter(|(own, row)| best(row) == Some(*own)).count();
    assert!(right >= 54, "{right} of 60 pictures find their sound");
    let error = Oracle::fit(&[], &mut |_, _| {}).unwrap_err().to_string();
    assert_eq!(error, "there is no clip to learn from");
    Ok(())
}
