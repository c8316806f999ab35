//! The factors are read back from the written files, by means that know nothing of how they came.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use equiav_data::{read_picture, read_sound};
use equiav_frontend::Waveform;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

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

/// What is to be seen in a frame: hue in turns, share of the area, distance from the top.
struct Seen {
    hue: f64,
    area: f64,
    from_top: f64,
}

/// Looks at the saturated pixels of a clip's middle frame; the beads are among them.
fn look(clip: &Clip) -> anyhow::Result<Seen> {
    let picture = read_picture(&clip.frame_path(clip.middle_frame()))?;
    let (mut x, mut y, mut area, mut rows) = (0.0, 0.0, 0.0, 0.0);
    let side = picture.height() as f64;
    for row in 0..picture.height() {
        for column in 0..picture.width() {
            let [r, g, b] = [0, 1, 2].map(|c| f64::from(picture.pixels()[[row, column, c]]));
            let (max, min) = (r.max(g).max(b), r.min(g).min(b));
            if max - min < 0.5 * max || max < 100.0 {
                continue;
            }
            // The hexagon's plane, in which hue is an angle.
            x += (r - 0.5 * (g + b)) / (max - min);
            y += 0.75f64.sqrt() * (g - b) / (max - min);
            area += 1.0 / (side * side);
            rows += (row as f64 + 0.5) / (side * side * side);
        }
    }
    Ok(Seen { hue: y.atan2(x) / TAU, area, from_top: rows / area })
}

/// What is to be heard in a sound: the pitch and the band's center in Hz, the number of onsets.
struct Heard {
    pitch: f64,
    band_center: f64,
    onsets: usize,
}

fn listen(sound: &Waveform) -> Heard {
    let power = mean_power(sound, 8192);
    let width = f64::from(sound.rate) / 8192.0;
    Heard {
        pitch: lowest_strong_line(&power, width),
        band_center: widest_band(&power, width),
        onsets: onsets(sound),
    }
}

/// Power by frequency, the mean over windows of `length` samples.
fn mean_power(sound: &Waveform, length: usize) -> Vec<f64> {
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(length);
    let mut power = vec![0.0; length / 2 + 1];
    for start in (0..=sound.samples.len() - length).step_by(length / 2) {
        let window = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / length as f64).cos();
        let mut input: Vec<_> =
            (0..length).map(|n| f64::from(sound.samples[start + n]) * window(n)).collect();
        let mut output = vec![Complex::default(); length / 2 + 1];
        fft.process(&mut input, &mut output).expect("the lengths fit");
        for (sum, value) in power.iter_mut().zip(output) {
            *sum += value.norm_sqr();
        }
    }
    power
}

/// The lowest frequency between 100 and 1000 Hz that has a third of the strongest one's power.
fn lowest_strong_line(power: &[f64], width: f64) -> f64 {
    let range = (100.0 / width) as usize..(1000.0 / width) as usize;
    let strongest = power[range.clone()].iter().copied().fold(0.0, f64::max);
    let first = range.clone().find(|&bin| power[bin] > strongest / 3.0).unwrap_or(range.start);
    let summit = (first..first + 8).max_by(|&a, &b| power[a].total_cmp(&power[b]));
    summit.unwrap_or(first) as f64 * width
}

/// The center of the widest band: where even the weaker part of 0.4 octaves has most power.
///
/// Lines do not count there; power is taken per octave, in which the band is equally wide anywhere.
fn widest_band(power: &[f64], width: f64) -> f64 {
    let level = |center: f64| {
        let [low, high] = [-0.2, 0.2].map(|octaves| center * 2f64.powf(octaves) / width);
        let mut inside = power[low as usize..=high as usize].to_vec();
        inside.sort_by(f64::total_cmp);
        inside[inside.len() / 4] * center
    };
    let centers = (0..85).map(|step| 420.0 * 2f64.powf(step as f64 / 21.0));
    centers.max_by(|a, b| level(*a).total_cmp(&level(*b))).unwrap_or(0.0)
}

/// How often the loudness, smoothed over 120 ms, rises above 15 % of its greatest value.
fn onsets(sound: &Waveform) -> usize {
    let length = sound.rate as usize * 12 / 100;
    let energies: Vec<f64> =
        sound.samples.iter().map(|sample| f64::from(sample * sample)).collect();
    let smooth: Vec<f64> =
        energies.windows(length).step_by(length / 10).map(|w| w.iter().sum::<f64>()).collect();
    let threshold = smooth.iter().copied().fold(0.0, f64::max) * 0.15;
    let loud: Vec<_> = smooth.iter().map(|&energy| energy > threshold).collect();
    usize::from(loud[0]) + loud.windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

/// The share of clips for which each of the factors read from the files is the manifest's.
#[derive(Debug, Default)]
struct Agreement {
    hue: f64,
    height: f64,
    pitch: f64,
    band_center: f64,
    count: f64,
    size: f64,
}

fn agreement(synthetic: &Synthetic) -> anyhow::Result<Agreement> {
    let home = tempfile::tempdir()?;
    let paths = synthetic.write(&home.path().join("corpus"), &mut |_, _| {})?;
    let clips = Manifest::read(&paths.valid)?.clips;
    let mut agreement = Agreement::default();
    for clip in &clips {
        let factor = |name: &str| clip.factors[name].as_f64().unwrap_or(f64::NAN);
        let (seen, heard) = (look(clip)?, listen(&read_sound(&clip.sound)?));
        let count = |agrees: bool| f64::from(agrees) / clips.len() as f64;
        let octaves = |heard: f64, factor: f64| (heard / factor).log2().abs();
        let turned = (seen.hue - factor("hue")).rem_euclid(1.0);
        agreement.hue += count(turned.min(1.0 - turned) < 0.02);
        // The beads, which are near the object, pull the center towards the middle.
        agreement.height += count((seen.from_top - (0.78 - 0.56 * factor("height"))).abs() < 0.15);
        agreement.pitch += count(octaves(heard.pitch, factor("pitch")) < 0.1);
        agreement.band_center += count(octaves(heard.band_center, factor("band_center")) < 0.35);
        agreement.count += count(heard.onsets as f64 == factor("count"));
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
        (found.size, "size"),
    ] {
        assert!(share >= 0.9, "{name} is right in {share} of the clips: {found:?}");
    }
    Ok(())
}
