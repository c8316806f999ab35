//! Tar files by anyone: read where they can be, refused in one line that names the member.

use std::io::Write;
use std::path::Path;

use equiav_data::shard::{Scan, ShardSource, Shards};
use proptest::prelude::*;
use tar::{EntryType, Header};

/// A header as an attacker would write it: nothing is checked.
pub(crate) fn header(path: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    let name = &mut header.as_old_mut().name;
    name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

/// Bytes of a member: header and content, padded.
pub(crate) fn member(header: &Header, content: &[u8]) -> Vec<u8> {
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub(crate) fn file(path: &str, content: &[u8]) -> Vec<u8> {
    member(&header(path, EntryType::Regular, content.len() as u64), content)
}

pub(crate) fn closed(members: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = members.concat();
    tar.extend([0; 1024]);
    tar
}

/// The error of scanning `tar`, one line that names the file.
fn refused(tar: &[u8]) -> String {
    let error = Scan::bytes(Path::new("x.tar"), tar).unwrap_err().to_string();
    assert!(error.starts_with("x.tar: ") && error.lines().count() == 1, "{error}");
    assert!(error.len() < 500, "{error}");
    error["x.tar: ".len()..].to_owned()
}

fn check(members: &[Vec<u8>], expected: &str) {
    let error = refused(&closed(members));
    assert!(error.contains(expected), "`{error}` does not say `{expected}`");
}

#[test]
fn attacks_are_refused_and_named() {
    let good = file("a.wav", b"sound");
    let with = |bad: Vec<u8>| [good.clone(), bad];
    check(&with(file("/etc/x.wav", b"")), "member `/etc/x.wav`: its name is absolute");
    check(&with(file("../x.wav", b"")), "leads out of the shard with `..`");
    check(&with(file("a/../../x.wav", b"")), "member `a/../../x.wav`");
    check(&with(file("./../x.wav", b"")), "leads out");
    check(&with(file("a\u{1b}[2J.wav", b"")), "member `a\\u{1b}[2J.wav`: its name");
    for (kind, expected) in [
        (EntryType::Symlink, "is a symbolic link"),
        (EntryType::Link, "is a hard link"),
        (EntryType::Char, "is a device"),
        (EntryType::Block, "is a device"),
        (EntryType::Fifo, "is a device"),
        (EntryType::GNUSparse, "is a sparse file"),
        (EntryType::new(b'Z'), "is of a kind that shards do not have"),
    ] {
        check(
            &with(member(&header("l.wav", kind, 0), b"")),
            &format!("member `l.wav`: {expected}"),
        );
    }
    for size in [1 << 60, 1 << 33, u64::MAX] {
        let huge = member(&header("h.wav", EntryType::Regular, size), b"");
        check(&with(huge), &format!("member `h.wav`: claims {size} bytes, more than 4 GiB"));
    }
    let long = member(&header("l.wav", EntryType::Regular, 1 << 20), b"");
    check(&with(long), "truncated: member `l.wav` lacks its last");
    check(&with(file("a.wav", b"other")), "member `a.wav` comes twice");

    let mut broken = file("b.wav", b"x");
    broken[0] = b'c';
    check(&with(broken), "broken checksum of the header at byte 1024, behind member `a.wav`");
    let mut latin = header("b.wav", EntryType::Regular, 0);
    latin.as_old_mut().name[0] = 0xe4;
    latin.set_cksum();
    check(&with(member(&latin, b"")), "its name is no UTF-8");
    let mut size = header("b.wav", EntryType::Regular, 0);
    size.as_old_mut().size = *b"nonsense 123";
    size.set_cksum();
    check(&with(member(&size, b"")), "member `b.wav`: its size is no number");
}

#[test]
fn extension_headers_are_read_and_bounded() {
    let pax = |records: &str| {
        member(&header("PaxHeader", EntryType::XHeader, records.len() as u64), records.as_bytes())
    };
    let good = file("a.wav", b"sound");
    check(&[pax("15 path=/b.wav\n"), good.clone()], "member `/b.wav`");
    check(
        &[pax("28 size=1152921504606846976\n"), good.clone()],
        "claims 1152921504606846976 bytes",
    );
    check(&[pax("18 size=many here\n"), good.clone()], "broken pax header at byte 0");
    check(&[pax("no record at all\n"), good.clone()], "broken pax header");
    check(&[pax("22 GNU.sparse.major=1\n"), good.clone()], "member `a.wav`: is a sparse file");
    for kind in [EntryType::XHeader, EntryType::XGlobalHeader, EntryType::GNULongName] {
        let huge = member(&header("x", kind, 1 << 40), b"");
        check(&[good.clone(), huge], "extension header at byte 1024 is larger than 1 MiB");
    }
    let long = format!("{}.wav", "k".repeat(200));
    let name = member(&header("x", EntryType::GNULongName, 205), format!("{long}\0").as_bytes());
    let scan = Scan::bytes("x.tar".as_ref(), &closed(&[name, good])).unwrap();
    assert_eq!(scan.contents.key(0), "k".repeat(200));
}

#[test]
fn a_million_empty_members_end_early() {
    let one = file("000000.jpg", b"");
    let mut tar = Vec::with_capacity(512 * 600_000);
    for number in 0..600_000 {
        let start = tar.len();
        tar.extend_from_slice(&one);
        write!(&mut tar[start..start + 6], "{number:06}").unwrap();
        let sum: u32 = tar[start..start + 148]
            .iter()
            .chain(&tar[start + 156..start + 512])
            .map(|byte| u32::from(*byte))
            .sum::<u32>()
            + 8 * 32;
        write!(&mut tar[start + 148..start + 156], "{sum:06o}\0").unwrap();
    }
    assert!(refused(&tar).starts_with("has more than 524288 headers: pack fewer"));
}

#[test]
fn what_is_no_tar_file_says_what_it_is() {
    assert_eq!(refused(b""), "empty file");
    assert_eq!(refused(b"x"), "is no tar file");
    assert_eq!(refused(&[0xff; 2048]), "is no tar file: its first header has no valid checksum");
    assert_eq!(refused(&[0x1f, 0x8b, 8, 0]), "is compressed with gzip: run gunzip on it first");
    assert_eq!(refused(b"\x28\xb5\x2f\xfdx"), "is compressed with zstd: run unzstd on it first");
    assert!(refused(&[0; 1024]).starts_with("holds no sample"));
    assert!(refused(&closed(&[file("a.txt", b"x")])).starts_with("holds no sample"));
    let whole = [file("a.wav", b"x"), file("a.jpg", b"y")].concat();
    assert!(refused(&whole).starts_with("truncated: it ends without the zero block"));
}

#[test]
fn unsorted_members_are_gathered_and_named() {
    let folder = member(&header("./", EntryType::Directory, 0), b"");
    let json = file("./b.json", br#"{"labels": "/m/x"}"#);
    let tar = closed(&[
        folder,
        file("./a.wav", b"A"),
        file("./b.1.jpg", b"B1"),
        file("./a.jpg", b"P"),
        file("notes.txt", b"x"),
        json,
        file("./b.0.jpg", b"B0"),
        file("./b.flac", b"B"),
    ]);
    let scan = Scan::bytes("x.tar".as_ref(), &tar).unwrap();
    assert_eq!(scan.out_of_order.as_deref(), Some("a.jpg"));
    let contents = &scan.contents;
    assert_eq!((contents.len(), contents.key(0), contents.key(1)), (2, "a", "b"));
    assert_eq!(contents.labels(1).collect::<Vec<_>>(), ["/m/x"]);
    let bytes = |found: Option<(&str, equiav_data::shard::Place)>| {
        let (_, place) = found.unwrap();
        tar[place.offset as usize..][..place.length as usize].to_vec()
    };
    assert_eq!(bytes(contents.sound(0)), b"A");
    assert_eq!(bytes(contents.picture(1, 0)), b"B0", "in the order of the frames");
    assert_eq!(bytes(contents.picture(1, 1)), b"B1");
}

#[test]
fn an_index_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar");
    let tar = closed(&[file("a.wav", b"A"), file("a.jpg", b"P")]);
    std::fs::write(&path, &tar).unwrap();
    let open = || Shards::open(&[ShardSource::from(path.to_str().unwrap())]);
    assert_eq!(open().unwrap().len(), 1);
    let bytes = tar.len();
    let head = |samples| format!("{{\"shard_index\":1,\"bytes\":{bytes},\"samples\":{samples}}}\n");
    let line = r#"{"key":"a","members":[["wav",512,1],["jpg",1536,1]]}"#;
    for (text, expected) in [
        (String::new(), "line 1 is no head"),
        ("{\"url\": 1}\n".to_owned(), "line 1 is no head"),
        (head(1).replace("index\":1", "index\":9"), "index format 9 is not known"),
        (head(0).replace(&bytes.to_string(), "99"), "its index says 99"),
        (head(2) + line, "1 samples where the head says 2"),
        (head(1) + "{\"key\":\"a\"}", "line 2: missing field `members`"),
        (head(1) + &line.replace("1536", "1537"), "line 2: member `a.jpg` offset 1537 is no mul"),
        (head(1) + &line.replace("1536,1", "1536,9999"), "lie beyond the end"),
        (head(1) + &line.replace("1536", "18446744073709551104"), "lie beyond the end"),
        (head(1) + &line.replace("\"a\"", "\"../a\""), "leads out"),
        (head(1) + &line.replace("jpg", "wav"), "member `a.wav` comes twice"),
        (head(1) + "\u{0}", "line 2: expected value"),
    ] {
        std::fs::write(path.with_extension("jsonl"), &text).unwrap();
        let error = open().unwrap_err().to_string();
        assert!(error.contains(expected) && error.lines().count() == 1, "{text}: {error}");
    }
    std::fs::write(path.with_extension("jsonl"), head(1) + line).unwrap();
    assert_eq!(open().unwrap().len(), 1);
}

#[test]
fn sources_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x-0.tar");
    let pattern = path.to_str().unwrap().to_owned();
    std::fs::write(&path, closed(&[file("a.wav", b"A")])).unwrap();
    let open = |shards: &str, weight| {
        let source = ShardSource { shards: shards.to_owned(), weight };
        Shards::open(&[source.clone(), source]).unwrap_err().to_string()
    };
    assert!(open(&pattern, 1.0).contains("is named twice"));
    assert!(open(&pattern, 0.0).contains("weight 0 is not above 0"));
    assert!(open(&pattern, f64::NAN).contains("weight NaN is not above 0"));
    let one = |name: &str| Shards::open(&[ShardSource::from(name)]).unwrap_err().to_string();
    assert!(one(&pattern).contains("no sample has both a sound"));
    let missing = one(&pattern.replace("x-0", "x-{0..1}"));
    assert!(missing.contains("x-1.tar: No such file"), "{missing}");
    assert!(matches!(Shards::open(&[]), Err(equiav_data::DataError::Empty)));
}

proptest! {
    #[test]
    fn any_damage_is_an_error_or_harmless(
        at in 0usize..4096, byte: u8, cut in 0usize..5000,
    ) {
        let mut tar = closed(&[
            file("a.wav", b"A"), file("a.jpg", b"P"), file("a.json", b"{}"),
        ]);
        tar[at] = byte;
        tar.truncate(tar.len().saturating_sub(cut));
        if let Ok(scan) = Scan::bytes("x.tar".as_ref(), &tar) {
            for (_, _, place) in scan.contents.members(0) {
                prop_assert!(place.offset + place.length <= tar.len() as u64);
            }
        }
    }
}
