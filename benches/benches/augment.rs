//! Every augmentation of both modalities on its own, whole views, and the sampling of 16 vectors.
//!
//! Sound at the published 1024 frames of 128 mel bins, pictures from 340 x 256 to 224 x 224.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use equiav_augment::audio::{self, crop::Resampling, spec_augment::Masks};
use equiav_augment::crop::Region;
use equiav_augment::visual::{self, resize::Filter};
use equiav_augment::{
    AudioAugment, AudioVector, Image, ImageSize, Modality, Profile, Purpose, Spectrogram, View,
    VisualAugment, VisualVector, stream,
};
use ndarray::{Array2, Array3};

const OUTPUT: ImageSize = ImageSize { height: 224, width: 224 };

fn spectrogram() -> Spectrogram {
    let value = |(t, m)| ((t * m) as f32 * 0.01).sin() + (m as f32 * 0.3).cos();
    Spectrogram::new(Array2::from_shape_fn((1024, 128), value))
}

fn picture(height: usize, width: usize) -> Image {
    let level = |(y, x, c): (usize, usize, usize)| (y * (7 + c) + x * (11 - c) + y * x / 64) as u8;
    Image::new(Array3::from_shape_fn((height, width, 3), level))
}

/// Times what changes a spectrogram in place.
fn on_sound(criterion: &mut Criterion, name: &str, act: impl Fn(&mut Spectrogram)) {
    let plain = spectrogram();
    criterion.bench_function(&format!("augment/audio/{name}"), |bencher| {
        bencher.iter_batched_ref(|| plain.clone(), &act, BatchSize::LargeInput);
    });
}

/// Times what changes a picture in place.
fn on_picture(criterion: &mut Criterion, name: &str, act: impl Fn(&mut Image)) {
    let plain = picture(OUTPUT.height, OUTPUT.width);
    criterion.bench_function(&format!("augment/visual/{name}"), |bencher| {
        bencher.iter_batched_ref(|| plain.clone(), &act, BatchSize::LargeInput);
    });
}

fn sound(criterion: &mut Criterion) {
    let masks = Masks { time: 100..230, mel: 17..50 };
    on_sound(criterion, "mask", |x| audio::spec_augment::mask(x, &masks));
    on_sound(criterion, "roll", |x| audio::spec_augment::roll(x, 311));
    on_sound(criterion, "jitter_corrected", |x| audio::color::gain_and_contrast(x, 0.2, 1.2));
    on_sound(criterion, "brightness_published", |x| audio::color::brightness(x, 1.2));
    on_sound(criterion, "contrast_published", |x| audio::color::contrast(x, 1.2));
    on_sound(criterion, "saturation_published", |x| audio::color::saturation(x, 1.2));
    on_sound(criterion, "hue_published", audio::color::hue);
    on_sound(criterion, "flip_time", audio::flip::flip_time);
    on_sound(criterion, "flip_mels", audio::flip::flip_mels);
    on_sound(criterion, "volume", |x| audio::volume::add(x, 0.1));
    let plain = spectrogram();
    let region = Region { top: 13, left: 5, height: 700, width: 90 };
    for (name, resampling) in
        [("crop_linear", Resampling::Linear), ("crop_antialiased", Resampling::Antialiased)]
    {
        criterion.bench_function(&format!("augment/audio/{name}"), |bencher| {
            bencher.iter(|| audio::crop::resized_crop(black_box(&plain), region, resampling));
        });
    }
    criterion.bench_function("augment/audio/blur", |bencher| {
        bencher.iter(|| audio::gaussian::blur(black_box(&plain), 1.7));
    });
}

fn pictures(criterion: &mut Criterion) {
    on_picture(criterion, "brightness", |x| visual::color::brightness(x, 1.2));
    on_picture(criterion, "contrast", |x| visual::color::contrast(x, 1.2));
    on_picture(criterion, "saturation", |x| visual::color::saturation(x, 1.2));
    on_picture(criterion, "hue", |x| visual::color::hue(x, 0.05));
    on_picture(criterion, "blur", |x| visual::gaussian::blur(x, 1.2));
    on_picture(criterion, "flip_horizontally", visual::flip::flip_horizontally);
    on_picture(criterion, "flip_vertically", visual::flip::flip_vertically);
    on_picture(criterion, "grayscale", visual::grayscale::grayscale);
    let view = picture(OUTPUT.height, OUTPUT.width);
    criterion.bench_function("augment/visual/rotate", |bencher| {
        let copy = || view.clone();
        bencher.iter_batched(copy, |x| visual::rotation::rotate(x, 1), BatchSize::LargeInput);
    });
    criterion.bench_function("augment/visual/standardized", |bencher| {
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        bencher.iter(|| black_box(&view).standardized(mean, std));
    });
    let file = picture(256, 340);
    criterion.bench_function("augment/visual/plain", |bencher| {
        let augment = VisualAugment::published();
        bencher.iter(|| augment.plain(black_box(&file), OUTPUT));
    });
    let region = Region { top: 20, left: 40, height: 180, width: 200 };
    for (name, filter) in [("crop_bilinear", Filter::Bilinear), ("crop_bicubic", Filter::Bicubic)] {
        criterion.bench_function(&format!("augment/visual/{name}"), |bencher| {
            bencher.iter(|| visual::resize::resized_crop(black_box(&file), region, OUTPUT, filter));
        });
    }
}

fn views(criterion: &mut Criterion) {
    let (plain, file) = (spectrogram(), picture(256, 340));
    let size = plain.size();
    for profile in Profile::ALL {
        let name = format!("{profile:?}").to_lowercase();
        let augment = AudioAugment::new(profile, AudioVector::P26);
        let mut rng = stream(0, 0, 0, Purpose::Augmentation(Modality::AUDIO));
        criterion.bench_function(&format!("augment/audio/views_{name}"), |bencher| {
            let copy = || plain.clone();
            bencher.iter_batched(copy, |x| augment.views(x, &mut rng), BatchSize::LargeInput);
        });
        criterion.bench_function(&format!("augment/audio/sample_16_{name}"), |bencher| {
            bencher.iter(|| augment.sample(size, 16, &mut rng));
        });

        let augment = VisualAugment::new(profile, VisualVector::P21);
        let mut rng = stream(0, 0, 0, Purpose::Augmentation(Modality::VISUAL));
        criterion.bench_function(&format!("augment/visual/views_{name}"), |bencher| {
            bencher.iter(|| augment.views(black_box(&file), &file, OUTPUT, &mut rng));
        });
        criterion.bench_function(&format!("augment/visual/sample_16_{name}"), |bencher| {
            bencher.iter(|| augment.sample(OUTPUT, 16, &mut rng));
        });
    }
}

criterion_group!(benches, sound, pictures, views);
criterion_main!(benches);
