//! A clip's way from its files to a batch: decoding, resampling, filterbank, one example, the loader.

use std::f32::consts::TAU;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use equiav_augment::{AudioAugment, AudioVector, VisualAugment, VisualVector};
use equiav_data::{
    Clip, Dataset, DatasetConfig, Loader, LoaderOptions, Manifest, Pictures, audio_visual,
    read_picture, read_sound,
};
use equiav_frontend::{Filterbank, FrontEnd, Resampler};
use image::{Rgb, RgbImage};

const CLIPS: usize = 16;
const RATE: u32 = 16_000;
const SECONDS: usize = 10;

fn samples(clip: usize) -> Vec<f32> {
    let tone = move |n: usize| (n as f32 * (200.0 + 50.0 * clip as f32) * TAU / RATE as f32).sin();
    let beat = |n: usize| (n as f32 * 3.0 * TAU / RATE as f32).cos();
    (0..SECONDS * RATE as usize).map(|n| 0.4 * tone(n) * (1.0 + beat(n))).collect()
}

/// Writes a clip of 10 s at 16 kHz with a picture of 340 by 256, the size of usual frame dumps.
fn write_clip(folder: &Path, clip: usize) -> Clip {
    let (sound, picture) = (folder.join(format!("{clip}.wav")), folder.join(format!("{clip}.jpg")));
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&sound, spec).expect("a wav to write");
    for sample in samples(clip) {
        writer.write_sample((sample * 32_767.0) as i16).expect("a sample to write");
    }
    writer.finalize().expect("a wav to finish");
    let pixel =
        |x: u32, y: u32| Rgb([(x + y) as u8, (x * y / 7) as u8, (clip as u32 * 16 + y) as u8]);
    RgbImage::from_fn(340, 256, pixel).save(&picture).expect("a jpg to write");
    Clip {
        id: clip.to_string(),
        sound,
        pictures: Pictures::Still(picture),
        labels: Vec::new(),
        factors: Default::default(),
    }
}

fn dataset(clips: &[Clip], cache_bytes: usize) -> Arc<Dataset> {
    let front_end = FrontEnd {
        sample_rate: Some(RATE),
        frames: 1_024,
        mels: 128,
        mean: -4.346,
        std: 4.332,
        image: 224,
        profile: Default::default(),
        window: None,
    };
    let config = DatasetConfig {
        clips: Manifest { clips: clips.to_vec() }.into(),
        front_end,
        views: audio_visual(
            AudioAugment::corrected(AudioVector::P24),
            VisualAugment::corrected(VisualVector::P18),
        ),
        centroid: 16,
        seed: 1,
        cache_bytes,
    };
    Arc::new(Dataset::new(config).expect("a data set"))
}

fn signal(criterion: &mut Criterion) {
    let samples = samples(0);
    let bank = Filterbank::new(RATE, 128);
    criterion.bench_function("filterbank of 10 s", |bencher| {
        bencher.iter(|| bank.compute(&samples));
    });
    let mut group = criterion.benchmark_group("resample 160000 samples to 16 kHz");
    for from in [8_000, 44_100, 48_000] {
        let resampler = Resampler::new(from, RATE);
        group.bench_function(BenchmarkId::from_parameter(from), |bencher| {
            bencher.iter(|| resampler.apply(&samples));
        });
    }
    group.finish();
}

fn files(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let clips: Vec<Clip> = (0..CLIPS).map(|clip| write_clip(folder.path(), clip)).collect();
    let mut group = criterion.benchmark_group("decode");
    group.bench_function("wav of 10 s", |bencher| {
        bencher.iter(|| read_sound(&clips[0].sound).expect("a sound"));
    });
    let picture = clips[0].frame_path(0);
    group.bench_function("jpg of 340 x 256", |bencher| {
        bencher.iter(|| read_picture(&picture).expect("a picture"));
    });
    group.finish();

    let mut group = criterion.benchmark_group("example");
    for (name, cache_bytes) in [("from files", 0), ("from memory", 1 << 30)] {
        let dataset = dataset(&clips, cache_bytes);
        let mut epoch = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                epoch += 1;
                dataset.example(epoch, 0).expect("an example")
            });
        });
    }
    group.finish();
    loaders(criterion, &clips);
}

fn loaders(criterion: &mut Criterion, clips: &[Clip]) {
    let mut group = criterion.benchmark_group("loader, batches of 8");
    group.throughput(Throughput::Elements(CLIPS as u64)).sample_size(10);
    for workers in [1, 2, 4] {
        let dataset = dataset(clips, 0);
        let options = LoaderOptions { workers, ..LoaderOptions::default() };
        group.bench_function(BenchmarkId::new("workers", workers), |bencher| {
            bencher.iter(|| {
                let order = (0..CLIPS).collect();
                let loader = Loader::new(Arc::clone(&dataset), 0, order, 8, options);
                loader
                    .expect("a loader")
                    .map(|batch| batch.expect("a batch").clips.len())
                    .sum::<usize>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, signal, files);
criterion_main!(benches);
