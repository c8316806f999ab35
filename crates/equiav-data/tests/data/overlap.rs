//! Clips that two lists have in common.

use std::fs;
use std::path::Path;

use equiav_data::{Clips, Overlap};
use image::ImageFormat;
use serde_json::json;

use crate::corpus::{picture, tone, write_wav};

/// A list of `clips` in `folder`, of which each differs from all others and from those of another `salt`.
fn list(folder: &Path, clips: usize, salt: usize) -> Clips {
    let entries: Vec<_> = (0..clips)
        .map(|clip| {
            let place = |ending| folder.join(format!("{clip}.{ending}"));
            let number = salt + clip;
            write_wav(&place("wav"), &tone(200.0 + 7.0 * number as f32, 4_000), 16_000);
            let picture = picture(number as u32, 36 + (number % 7) as u32, 36 + (number % 11) as u32);
            picture.save_with_format(place("png"), ImageFormat::Png).unwrap();
            json!({"video_id": format!("s{salt}c{clip}"), "wav": place("wav"), "image": place("png")})
        })
        .collect();
    let path = folder.join("list.json");
    fs::write(&path, json!({ "data": entries }).to_string()).unwrap();
    Clips::open(path.to_str().unwrap()).unwrap()
}

#[test]
fn a_planted_overlap_is_found_to_the_clip() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [own, there] = folders.each_ref().map(|folder| folder.path());
    let (measured, _) = (list(own, 50, 0), list(there, 40, 1000));
    // 19 of 50, 38 %: 6 by their id, 7 by their sound, 8 by their picture, of which 2 have that sound as well.
    let text = fs::read_to_string(there.join("list.json")).unwrap();
    let renamed = (0..6).fold(text, |text, clip| {
        text.replace(&format!("\"s1000c{clip}\""), &format!("\"s0c{}\"", 2 * clip))
    });
    fs::write(there.join("list.json"), renamed).unwrap();
    let copy = |from: usize, to: usize, ending: &str| {
        let place = |folder: &Path, clip| folder.join(format!("{clip}.{ending}"));
        fs::copy(place(own, from), place(there, to)).unwrap();
    };
    (20..27).for_each(|clip| copy(clip, clip - 10, "wav"));
    (25..33).for_each(|clip| copy(clip, clip, "png"));
    let trained = Clips::open(there.join("list.json").to_str().unwrap()).unwrap();

    let found = Overlap::of(&measured, &trained);
    assert_eq!(found.by_id, [0, 2, 4, 6, 8, 10]);
    assert_eq!(found.by_sound, (20..27).collect::<Vec<_>>());
    assert_eq!(found.by_picture, (25..33).collect::<Vec<_>>());
    assert_eq!(found.any().len(), 19);
    assert_eq!(found.unreadable, []);
    assert_eq!(Overlap::of(&measured, &measured).any().len(), 50);

    fs::remove_file(own.join("49.wav")).unwrap();
    let found = Overlap::of(&measured, &trained);
    assert_eq!((found.any().len(), found.unreadable.len()), (19, 1));
    assert_eq!(found.unreadable[0].0, "s0c49");
}
