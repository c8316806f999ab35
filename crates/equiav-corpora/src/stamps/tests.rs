//! From a small made-up package to lists, without the network.

use std::fs;

use equiav_data::{Manifest, Pictures, read_picture, read_sound};
use image::{Rgba, RgbaImage};

use super::*;
use crate::wav;

/// Makes a tree of stamps as the package has it, finished, in a cache folder.
fn cache() -> anyhow::Result<tempfile::TempDir> {
    let cache = tempfile::tempdir()?;
    let package = cache.path().join(format!("stamps-{}", package::VERSION)).join("package");
    let recipe = json!({
        "corpus": "stamps-package",
        "version": package::VERSION,
        "sha256": "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
    });
    finished::finish(&package, &recipe, |partial| {
        for n in 0..20 {
            let stem = partial.join(format!("stamps/animals/birds/bird{n}"));
            fs::create_dir_all(stem.parent().expect("has a folder"))?;
            // A long transparent picture with a red middle.
            let red = Rgba([255, 0, 0, 255]);
            let mut picture = RgbaImage::from_pixel(100, 20, Rgba([0, 0, 0, 0]));
            picture.put_pixel(50, 10, red);
            picture.save(stem.with_extension("png"))?;
            fs::write(stem.with_extension("txt"), "A bird.\nfr.utf8=Un oiseau.\n")?;
            for (at, ending) in ["_desc_be.wav", "_desc_ru.wav", ".wav"].iter().enumerate() {
                // Birds 0 and 1 sound alike.
                let pitch = 10 * at + n.max(1);
                let samples: Vec<_> = (0..800).map(|t| (t * pitch % 2000) as i16).collect();
                let name = format!("{}{ending}", stem.display());
                wav::write(Path::new(&name), &samples, 8000)?;
            }
        }
        let silent = partial.join("stamps/animals/birds/bird3_desc_ru.wav");
        wav::write(&silent, &[0; 100], 8000)?;
        fs::write(partial.join("stamps/animals/birds/bird5.wav"), "RIFF")?;
        right_only(&partial.join("stamps/animals/birds/bird4_desc_ru.wav"))
    })?;
    Ok(cache)
}

/// Writes a sound of two channels, the first of which is empty.
fn right_only(path: &Path) -> anyhow::Result<()> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for at in 0..100_i16 {
        writer.write_sample(0_i16)?;
        writer.write_sample(100 * at)?;
    }
    Ok(writer.finalize()?)
}

fn stamps() -> Stamps {
    let codes = |code: &str| vec![code.to_owned()];
    Stamps {
        heard: codes("ru"),
        unheard: codes("be"),
        image: 64,
        held_out_pictures: 0.3,
        ..Stamps::default()
    }
}

#[test]
fn a_tree_becomes_lists_that_can_be_read() -> anyhow::Result<()> {
    let cache = cache()?;
    let mut told = 0;
    let paths = stamps().write(cache.path(), &mut |_, total| told = total)?;
    assert_eq!(told, 20 + 60);
    let train = Manifest::read(&paths.train)?;
    assert!(train.found().missing.is_empty());
    assert_eq!(train, Manifest::read(&paths.heard["ru"])?);
    for clip in &train.clips {
        assert!(!clip.id.contains("bird3_"), "what is silent is skipped");
        let sound = read_sound(&clip.sound)?;
        assert!(sound.samples.iter().any(|sample| *sample > 0.01), "{}", clip.id);
        let Pictures::Still(picture) = &clip.pictures else { panic!("a stamp is a still") };
        let picture = read_picture(picture)?;
        assert_eq!((picture.height(), picture.width()), (64, 64));
        assert_eq!(picture.pixels()[[0, 0, 1]], 255, "transparency is white");
        assert!(picture.pixels()[[32, 32, 1]] < 255, "the red middle is there");
    }
    let held_out = Manifest::read(&paths.heard_pictures["ru"])?.clips.len();
    assert_eq!(train.clips.len() + held_out, 19);
    let count = |clips, distinct, language: &str| LanguageCount {
        language: language.to_owned(),
        clips,
        distinct,
    };
    assert_eq!(paths.languages, [count(20, 19, "be"), count(19, 18, "ru")]);
    for what in ["silent sounds", "damaged sounds"] {
        assert!(paths.skipped.contains(&(what.to_owned(), 1)), "{:?}", paths.skipped);
    }
    Ok(())
}

#[test]
fn the_second_call_prepares_nothing_and_gives_the_same() -> anyhow::Result<()> {
    let cache = cache()?;
    let first = stamps().write(cache.path(), &mut |_, _| {})?;
    let mut told = 0;
    let second = stamps().write(cache.path(), &mut |_, _| told += 1)?;
    assert_eq!((told, &first), (0, &second));
    let more = Stamps { held_out_pictures: 0.5, ..stamps() };
    let third = more.write(cache.path(), &mut |_, _| told += 1)?;
    assert_eq!(told, 0, "other splits need no other preparation");
    assert_ne!(third.folder, first.folder);
    Ok(())
}

#[test]
fn wrong_knobs_are_named_with_the_way_out() -> anyhow::Result<()> {
    let cache = cache()?;
    let check = |stamps: Stamps, expected: &str| {
        let error = stamps.write(cache.path(), &mut |_, _| {}).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let rus = vec!["rus".to_owned()];
    check(Stamps { heard: rus, ..stamps() }, "no language rus in the stamps; did you mean ru?");
    let ru = vec!["ru".to_owned()];
    check(Stamps { unheard: ru, ..stamps() }, "language ru is in both heard and unheard");
    check(Stamps { heard: vec![], ..stamps() }, "no language to train on");
    check(Stamps { held_out_pictures: 1.0, ..stamps() }, "is not in 0 to 0.9");
    check(Stamps { image: 8, ..stamps() }, "is not in 32 to 512");
    let text = "heard = ['ru']\nimages = 3";
    let error = toml::from_str::<Stamps>(text).unwrap_err().to_string();
    assert!(error.contains("unknown field `images`"), "{error}");
    Ok(())
}
