//! Files that are not what they claim to be: each is an error of one line that names the file.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use equiav_data::{MediaError, read_picture, read_sound, read_sound_start};
use image::{DynamicImage, GrayAlphaImage, ImageFormat, LumaA, Rgba, RgbaImage};
use proptest::prelude::*;

use crate::corpus::{picture, tone, write_wav};

/// The reason for refusing a file called `name` with `bytes`.
fn refused<T: std::fmt::Debug>(
    read: fn(&Path) -> Result<T, MediaError>,
    name: &str,
    bytes: &[u8],
) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    reason(&path, read(&path))
}

/// The error's reason; the whole message is one line that names the file.
fn reason<T: std::fmt::Debug>(path: &Path, read: Result<T, MediaError>) -> String {
    let error = read.unwrap_err();
    let message = error.to_string();
    assert_eq!(message, format!("{}: {}", path.display(), error.reason));
    assert_eq!(message.lines().count(), 1, "{message}");
    error.reason
}

fn wav(samples: &[f32]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    write_wav(&path, samples, 16_000);
    fs::read(path).unwrap()
}

fn float_wav(samples: &[f32], rate: u32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: rate,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for sample in samples {
        writer.write_sample(*sample).unwrap();
        writer.write_sample(0.25f32).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn encoded(picture: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn samples_and_rate_of_a_wav_are_read_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let samples: Vec<f32> = (-4..4).map(|n| n as f32 / 4.0).collect();
    fs::write(&path, float_wav(&samples, 22_050)).unwrap();
    let waveform = read_sound(&path).unwrap();
    assert_eq!((waveform.samples, waveform.rate), (samples, 22_050), "the first of two channels");
    write_wav(&path, &tone(440.0, 16_000), 16_000);
    let start = read_sound_start(&path, 0.1).unwrap();
    assert_eq!(start.samples, read_sound(&path).unwrap().samples[..1_600]);
}

#[test]
fn broken_sounds_are_refused_with_their_reason() {
    let whole = wav(&tone(440.0, 4_000));
    let check = |name: &str, bytes: &[u8], expected: &str| {
        assert_eq!(refused(read_sound, name, bytes), expected, "{name}");
    };
    check("empty.wav", b"", "empty file");
    check("text.wav", b"dear diary, today", "is a text, no sound");
    check("cut.wav", &whole[..whole.len() / 2], "truncated: 1989 of 4000 samples");
    check("odd.wav", &whole[..whole.len() - 1], "truncated: 3999 of 4000 samples");
    check("head.wav", &whole[..20], "truncated: it ends in the middle");
    check("silent.wav", &wav(&[]), "holds no sample");
    let mut nan = tone(440.0, 100);
    nan[42] = f32::NAN;
    check("nan.wav", &float_wav(&nan, 16_000), "non-finite sample at 42");
    nan[17] = f32::INFINITY;
    check("infinite.wav", &float_wav(&nan, 16_000), "non-finite sample at 17");
    for rate in [0, 8, 4_000_000_000u32] {
        let mut absurd = whole.clone();
        absurd[24..28].copy_from_slice(&rate.to_le_bytes());
        let expected = format!("sample rate {rate} Hz is outside 1000 to 768000");
        check("absurd-rate.wav", &absurd, &expected);
    }
    check(
        "picture.wav",
        &encoded(picture(0, 9, 9).into(), ImageFormat::Png),
        "is a png picture, no sound",
    );
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("folder.wav");
    fs::create_dir(&directory).unwrap();
    assert_eq!(reason(&directory, read_sound(&directory)), "is a folder, expected a file");
    assert_eq!(reason(&directory, read_picture(&directory)), "is a folder, expected a file");
    let missing = folder.path().join("none.wav");
    assert_eq!(reason(&missing, read_sound(&missing)), "no such file");
    assert!(read_sound(&missing).unwrap_err().missing);
    assert!(!read_sound(&directory).unwrap_err().missing);
}

#[test]
fn broken_pictures_are_refused_with_their_reason() {
    let check = |name: &str, bytes: &[u8], expected: &str| {
        assert_eq!(refused(read_picture, name, bytes), expected, "{name}");
    };
    let jpg = encoded(picture(3, 64, 48).into(), ImageFormat::Jpeg);
    let truncated = "truncated: it has no end-of-image marker";
    for length in [jpg.len() - 1, jpg.len() - 2, jpg.len() / 2, 30, 3] {
        check("cut.jpg", &jpg[..length], truncated);
    }
    check("empty.jpg", b"", "empty file");
    check("text.jpg", b"this is a poem", "is no jpg, png or webp picture");
    for (name, format) in [("cut.png", ImageFormat::Png), ("cut.webp", ImageFormat::WebP)] {
        let bytes = encoded(picture(3, 64, 48).into(), format);
        for length in [bytes.len() - 20, bytes.len() / 2] {
            let reason = refused(read_picture, name, &bytes[..length]);
            assert!(reason.contains("truncated") || reason.contains("corrupt"), "{name}: {reason}");
        }
    }
}

/// A PNG of a few bytes that claims to be `width` by `height`.
fn png_of_size(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encoded(picture(0, 4, 4).into(), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = bytes[12..29].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    bytes[29..33].copy_from_slice(&(!checksum).to_be_bytes());
    bytes
}

#[test]
fn absurd_dimensions_are_refused_before_memory_is_taken() {
    for (width, height) in [(1_000_000, 1_000_000), (16_000, 16_000), (20_000, 1)] {
        let reason = refused(read_picture, "bomb.png", &png_of_size(width, height));
        let expected = format!("absurd dimensions {width} x {height}: at most 16384 a side");
        assert!(reason.starts_with(&expected), "{reason}");
    }
    let mut jpg = encoded(picture(0, 16, 16).into(), ImageFormat::Jpeg);
    let frame = jpg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpg[frame + 5..frame + 9].copy_from_slice(&[0x3f, 0xff, 0x3f, 0xff]);
    let reason = refused(read_picture, "bomb.jpg", &jpg);
    assert!(reason.starts_with("absurd dimensions 16383 x 16383"), "{reason}");
}

fn pixels(bytes: &[u8], name: &str) -> equiav_augment::Image {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    read_picture(&path).unwrap()
}

#[test]
fn the_content_decides_on_the_format() {
    let png = encoded(picture(5, 20, 10).into(), ImageFormat::Png);
    let read = pixels(&png, "in-truth-a-png.jpg");
    assert_eq!((read.height(), read.width()), (10, 20));
    for ((y, x, channel), level) in read.pixels().indexed_iter() {
        assert_eq!(*level, picture(5, 20, 10).get_pixel(x as u32, y as u32).0[channel]);
    }
}

#[test]
fn transparency_lies_on_white() {
    let mut rgba = RgbaImage::from_pixel(3, 1, Rgba([10, 20, 30, 255]));
    rgba.put_pixel(1, 0, Rgba([10, 20, 30, 0]));
    rgba.put_pixel(2, 0, Rgba([0, 100, 255, 51]));
    let mut gray = GrayAlphaImage::from_pixel(2, 1, LumaA([40, 255]));
    gray.put_pixel(1, 0, LumaA([40, 0]));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let read = pixels(&encoded(rgba.clone().into(), format), "a");
        let expected = [10, 20, 30, 255, 255, 255, 204, 224, 255];
        assert_eq!(read.pixels().iter().copied().collect::<Vec<u8>>(), expected);
    }
    let read = pixels(&encoded(gray.into(), ImageFormat::Png), "a");
    assert_eq!(read.pixels().iter().copied().collect::<Vec<u8>>(), [40, 40, 40, 255, 255, 255]);
}

#[test]
fn gray_and_color_jpg_are_rgb() {
    let gray = image::GrayImage::from_fn(32, 24, |x, _| image::Luma([(x * 8) as u8]));
    let read = pixels(&encoded(gray.clone().into(), ImageFormat::Jpeg), "gray.jpg");
    for ((y, x, _), level) in read.pixels().indexed_iter() {
        assert!(level.abs_diff(gray.get_pixel(x as u32, y as u32).0[0]) < 12);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn damage_never_panics(
        place in 0.0f64..1.0, byte: u8, length in 0.0f64..1.0, cut: bool, kind in 0usize..4,
    ) {
        let mut bytes = match kind {
            0 => wav(&tone(300.0, 600)),
            1 => encoded(picture(1, 40, 30).into(), ImageFormat::Jpeg),
            2 => encoded(picture(1, 40, 30).into(), ImageFormat::Png),
            _ => encoded(picture(1, 40, 30).into(), ImageFormat::WebP),
        };
        let end = bytes.len();
        bytes[(place * end as f64) as usize] ^= byte;
        if cut {
            bytes.truncate((length * end as f64) as usize);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged");
        fs::write(&path, &bytes).unwrap();
        if let Ok(waveform) = read_sound(&path) {
            prop_assert!(waveform.samples.iter().all(|sample| sample.is_finite()));
            prop_assert!(waveform.rate >= 1_000);
        }
        if let Ok(picture) = read_picture(&path) {
            prop_assert!(picture.height() > 0 && picture.width() > 0);
        }
    }
}
