//! Pictures by other tools: which way up they are, and what stands between their segments.

use std::path::{Path, PathBuf};

use equiav_augment::{Image, Profile};
use equiav_data::{
    JpegDecoder, Orientation, decode_picture, decode_picture_as, read_picture, read_picture_as,
};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases").join(name)
}

/// The largest difference of two levels at one place.
#[track_caller]
fn farthest(found: &Image, expected: &Image) -> u8 {
    assert_eq!(found.size(), expected.size());
    let levels = found.as_slice().iter().zip(expected.as_slice());
    levels.map(|(found, expected)| found.abs_diff(*expected)).max().unwrap_or(0)
}

#[test]
fn bytes_between_and_behind_segments_do_not_matter() {
    let plain = read_picture(&case("13-jpg-extraneous/plain.jpg")).unwrap();
    let read = [
        "two-before-sof",
        "two-zeros-before-eoi",
        "eleven-before-eoi",
        "ff-fill",
        "mp4-behind",
        "zeros-behind-eoi",
    ];
    for name in read {
        let found = read_picture(&case(&format!("13-jpg-extraneous/{name}.jpg")));
        let found = found.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(farthest(&found, &plain), 0, "{name} by {:?}", JpegDecoder::BUILT);
    }
    for name in ["half", "no-eoi", "exif-thumbnail-half"] {
        let error = read_picture(&case(&format!("13-jpg-extraneous/{name}.jpg"))).unwrap_err();
        assert_eq!(error.reason, "truncated: it has no end-of-image marker", "{name}");
    }
}

/// How long the segment at `position` is, its marker included.
fn segment(bytes: &[u8], position: usize) -> usize {
    2 + usize::from(u16::from_be_bytes([bytes[position + 2], bytes[position + 3]]))
}

#[test]
fn noise_in_any_gap_between_segments_does_not_matter() {
    let bytes = std::fs::read(case("13-jpg-extraneous/plain.jpg")).unwrap();
    let name = Path::new("x.jpg");
    let plain = decode_picture(&bytes, name).unwrap();
    // What does not begin with a segment is no jpg for anybody.
    let mut position = 2 + segment(&bytes, 2);
    let mut gaps = 0;
    while bytes[position + 1] != 0xda {
        for noise in [&b"\0"[..], b"\0\0", b"\xff", b"\xff\0\x12\xff\xff", &[0; 999]] {
            let changed = [&bytes[..position], noise, &bytes[position..]].concat();
            let found = decode_picture(&changed, name);
            let found = found.unwrap_or_else(|error| panic!("{noise:?} at {position}: {error}"));
            assert_eq!(farthest(&found, &plain), 0, "{noise:?} at {position}");
        }
        position += segment(&bytes, position);
        gaps += 1;
    }
    assert!(gaps >= 3);
}

#[test]
fn pictures_of_other_tools_are_upright_unless_the_order_of_the_file_is_asked_for() {
    let upright = read_picture(&case("15-exif-orientation/ref.png")).unwrap();
    let sideways = read_picture(&case("15-exif-orientation/sideways.png")).unwrap();
    for name in [
        "turned-by-tag.jpg",
        "pillow.png",
        "pillow.webp",
        "behind-the-pixels.png",
        "imagemagick.png",
    ] {
        let path = case(&format!("15-exif-orientation/{name}"));
        // The jpg has lost a little at the edges of its areas.
        let most = if name.ends_with("jpg") { 110 } else { 0 };
        let found = read_picture(&path).unwrap();
        let off = found.as_slice().iter().zip(upright.as_slice());
        let far = off.filter(|(found, expected)| found.abs_diff(**expected) > 8).count();
        assert!(farthest(&found, &upright) <= most && far * 20 <= found.as_slice().len(), "{name}");
        let stored = read_picture_as(&path, Orientation::Stored).unwrap();
        assert_eq!(stored.size(), sideways.size(), "{name}");
        assert!(farthest(&stored, &sideways) <= most, "{name}");
    }
    assert_eq!(Orientation::of(Profile::Published), Orientation::Stored);
    assert_eq!(Orientation::of(Profile::Corrected), Orientation::Upright);
}

/// The least EXIF that says `value` under the tag of the orientation.
fn exif(value: u16, kind: u16, little: bool) -> Vec<u8> {
    let short = |number: u16| if little { number.to_le_bytes() } else { number.to_be_bytes() };
    let long = |number: u32| if little { number.to_le_bytes() } else { number.to_be_bytes() };
    let mut exif = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
    exif.extend(long(8));
    exif.extend(short(2));
    // Another entry before it: the unit of the resolution.
    for (tag, kind, value) in [(0x128, 3, 2), (0x112, kind, value)] {
        exif.extend([short(tag), short(kind)].concat());
        exif.extend(long(1));
        exif.extend([short(value), short(0)].concat());
    }
    exif.extend(long(0));
    exif
}

/// A png of 3 x 2 different pixels with `exif` before the pixels.
fn png(exif: &[u8]) -> Vec<u8> {
    let pixels: Vec<u8> = (0..18).map(|level| level * 10).collect();
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_raw(3, 2, pixels).unwrap();
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let mut bytes = bytes.into_inner();
    let mut chunk = (exif.len() as u32).to_be_bytes().to_vec();
    chunk.extend(b"eXIf");
    chunk.extend(exif);
    // The reader of png compares no checksum of a chunk that it can do without.
    chunk.extend([0; 4]);
    bytes.splice(33..33, chunk);
    bytes
}

/// `png` as a picture, row by row the number of each pixel.
fn order(exif: &[u8]) -> (usize, usize, Vec<u8>) {
    let picture = decode_picture(&png(exif), Path::new("x.png")).unwrap();
    let pixels = picture.as_slice().chunks(3).map(|pixel| pixel[0] / 30).collect();
    (picture.width(), picture.height(), pixels)
}

#[test]
fn each_orientation_in_each_byte_order_is_applied() {
    // What is stored: 0 1 2
    //                 3 4 5
    let expected: [(usize, usize, [u8; 6]); 8] = [
        (3, 2, [0, 1, 2, 3, 4, 5]),
        (3, 2, [2, 1, 0, 5, 4, 3]),
        (3, 2, [5, 4, 3, 2, 1, 0]),
        (3, 2, [3, 4, 5, 0, 1, 2]),
        (2, 3, [0, 3, 1, 4, 2, 5]),
        (2, 3, [3, 0, 4, 1, 5, 2]),
        (2, 3, [5, 2, 4, 1, 3, 0]),
        (2, 3, [2, 5, 1, 4, 0, 3]),
    ];
    for (value, (width, height, pixels)) in (1..).zip(expected) {
        for little in [false, true] {
            let found = order(&exif(value, 3, little));
            assert_eq!(found, (width, height, pixels.to_vec()), "{value}, little: {little}");
        }
        let headed = [b"Exif\0\0", &exif(value, 3, true)[..]].concat();
        assert_eq!(order(&headed).2, pixels, "{value} behind a head");
        let stored =
            decode_picture_as(&png(&exif(value, 3, true)), Path::new("x.png"), Orientation::Stored);
        assert_eq!(stored.unwrap().width(), 3, "{value}");
    }
}

#[test]
fn exif_that_makes_no_sense_turns_nothing() {
    let as_it_is = (3, 2, vec![0, 1, 2, 3, 4, 5]);
    for value in [0, 9, 255, 256, 0x0600, 65_535] {
        assert_eq!(order(&exif(value, 3, false)), as_it_is, "{value}");
    }
    let good = exif(6, 3, false);
    // Another type than a short number, and every cut.
    assert_eq!(order(&exif(6, 2, false)), as_it_is);
    for length in 0..30 {
        assert_eq!(order(&good[..length]), as_it_is, "cut at {length}");
    }
    for (at, byte) in [(0, b'X'), (4, 0xff), (7, 0xff), (9, 0)] {
        let mut changed = good.clone();
        changed[at] = byte;
        assert_eq!(order(&changed), as_it_is, "{byte} at {at}");
    }
}
