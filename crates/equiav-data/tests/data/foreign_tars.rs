//! Tar files as other tools leave them: attributes, several archives in one file, names with dots.

use std::path::{Path, PathBuf};
use std::slice;

use equiav_data::shard::{Scan, verify};
use tar::EntryType;

use crate::tars::{closed, file, header, member};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases").join(name)
}

fn keys(scan: &Scan) -> Vec<&str> {
    (0..scan.contents.len()).map(|sample| scan.contents.key(sample)).collect()
}

fn scan(tar: &[u8]) -> Scan {
    Scan::bytes(Path::new("x.tar"), tar).unwrap_or_else(|error| panic!("{error}"))
}

/// A sample of a sound, a picture and JSON that decode.
fn sample(key: &str) -> Vec<u8> {
    let picture = std::fs::read(case("15-exif-orientation/pillow.webp")).unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut sound = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut sound, spec).unwrap();
    (0..400).for_each(|_| writer.write_sample(16_i16).unwrap());
    writer.finalize().unwrap();
    let members = [
        file(&format!("{key}.wav"), &sound.into_inner()),
        file(&format!("{key}.webp"), &picture),
        file(&format!("{key}.json"), b"{}"),
    ];
    members.concat()
}

/// What `verify` says of a file that holds `tar`, without the file's name.
fn faults(tar: &[u8]) -> (usize, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar");
    std::fs::write(&path, tar).unwrap();
    let verified = verify(&path);
    let shown = format!("{}: ", path.display());
    let bare = verified
        .faults
        .iter()
        .map(|fault| fault.strip_prefix(&shown).unwrap_or_else(|| panic!("{fault}")).to_owned());
    (verified.samples, bare.collect())
}

#[test]
fn extended_attributes_and_archives_in_a_row_are_read() {
    for (name, expected) in [
        ("25-tar-xattr/gnu-xattrs.tar", 3),
        ("25-tar-xattr/python-pax.tar", 3),
        ("25-tar-xattr/bsd-xattrs.tar", 3),
        ("26-tar-concatenated/concatenated.tar", 6),
        ("26-tar-concatenated/appended.tar", 6),
    ] {
        let verified = verify(&case(name));
        assert_eq!((verified.samples, verified.faults), (expected, Vec::new()), "{name}");
        assert_eq!(verified.members, 3 * expected, "{name}");
    }
}

#[test]
fn archives_in_a_row_are_read_however_many_zeros_stand_between() {
    let (first, second) = (sample("a"), sample("b"));
    for zeros in [1, 2, 3, 20, 127, 128, 129, 1000] {
        let tar = [&first[..], &vec![0; 512 * zeros], &second, &[0; 1024]].concat();
        assert_eq!(faults(&tar), (2, Vec::new()), "{zeros} blocks of zeros");
    }
    let three =
        [closed(slice::from_ref(&first)), closed(&[second]), closed(&[sample("c")])].concat();
    assert_eq!(keys(&scan(&three)), ["a", "b", "c"]);
    // A second archive that is not closed was cut off.
    let cut = [closed(slice::from_ref(&first)), sample("b")].concat();
    let (_, said) = faults(&cut);
    assert!(said[0].contains("truncated: it ends without the zero block"), "{said:?}");
    let twice = [closed(slice::from_ref(&first)), closed(&[first])].concat();
    let (_, said) = faults(&twice);
    assert!(said[0].contains("member `a.wav` comes twice"), "{said:?}");
}

#[test]
fn what_is_no_archive_behind_the_end_is_a_fault_and_keeps_no_sample_away() {
    let tar = closed(&[sample("a")]);
    let end = tar.len();
    for behind in [&b"<html>"[..], &[7; 600], &[&[0; 511][..], b"x"].concat(), &tar[512..]] {
        let bytes = [&tar[..], &[0; 512], behind].concat();
        let (samples, said) = faults(&bytes);
        let from = scan(&bytes).unread.unwrap();
        assert!(samples == 1 && said.len() == 1, "{said:?}");
        assert!(said[0].contains(&format!("from byte {from} on")), "{said:?}");
        assert!((end as u64 + 512..bytes.len() as u64).contains(&from), "{from}");
    }
    // An archive that does not begin at a block.
    let shifted = [&tar[..], b"\n", &tar].concat();
    assert_eq!(scan(&shifted).unread, Some(end as u64));
    assert_eq!(scan(&[&tar[..], &[0; 100]].concat()).unread, None, "zeros to no end");
}

#[test]
fn samples_passed_over_for_their_dots_are_named() {
    let tar = closed(&[sample("good"), sample("talk.first"), file("good.mask.png", b"x")]);
    let (samples, said) = faults(&tar);
    assert_eq!((samples, said.len()), (1, 3), "{said:?}");
    let expected = "member `talk.first.wav` is passed over: its key ends at the first dot of its name, and \
                    the rest is no ending of a sound, a picture or JSON; replace the dots of keys";
    assert_eq!(said[0], expected);
    let many: Vec<Vec<u8>> = (0..20).map(|one| sample(&format!("a.b{one}"))).collect();
    let (_, said) = faults(&closed(&[&[sample("good")][..], &many].concat()));
    assert_eq!((said.len(), &*said[10]), (11, "50 more members are passed over for their dots"));
    let none = Scan::bytes("x.tar".as_ref(), &closed(&many)).unwrap_err().to_string();
    assert!(none.contains("the key of member `a.b0.wav` is `a`, up to the first dot"), "{none}");
    // Frames have numbers, and files of the system are no media.
    let frames = closed(&[sample("a"), file("a.7.jpg", b"x"), file("._a.wav", b"Mac OS X")]);
    let frames = scan(&frames);
    assert_eq!((frames.contents.pictures(0), frames.passed_over.len()), (2, 0));
    assert_eq!(keys(&frames), ["a"]);
}

#[test]
fn entries_of_archivers_are_passed_over_and_others_refused_by_name() {
    let entry = |name: &str, kind: u8, content: &[u8]| {
        member(&header(name, EntryType::new(kind), content.len() as u64), content)
    };
    let link = entry("././@LongLink", b'K', &[b'x'; 300]);
    let old_folder = file("old/", b"");
    let read = closed(&[
        entry("backup", b'V', b""),
        entry("old", b'D', b"Ya.wav\0\0"),
        old_folder,
        entry("x", b'X', b"12 path=a.b\n"),
        file("x", b""),
        sample("old/a"),
    ]);
    assert_eq!(faults(&read), (1, Vec::new()));
    let sparse = b"22 GNU.sparse.major=1\n34 GNU.sparse.name=dir/sparse.wav\n";
    for (members, expected) in [
        (vec![link, entry("l.wav", b'2', b"")], "member `l.wav`: is a symbolic link"),
        (vec![entry("l.wav", b'1', b"")], "member `l.wav`: is a hard link"),
        (
            vec![entry("x", b'x', sparse), file("GNUSparseFile.1/sparse.wav", b"")],
            "member `dir/sparse.wav`: is a sparse file",
        ),
    ] {
        let (_, said) = faults(&closed(&members));
        assert!(said.len() == 1 && said[0].starts_with(expected), "{said:?}");
    }
}
