//! Names of hostile files as text: for people, and as keys of clips.

use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The longest stem of a key, in bytes; a longer one ends in a digest instead.
const LONGEST: usize = 160;

/// `path` as one line of text, without loss: control characters, backslashes and bytes that are no
/// Unicode are escaped.
pub(crate) fn shown(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '\\' {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The stem of the keys of the clips of the file at the relative `path`.
///
/// `some/video.mp4` becomes `some/video_mp4`. Letters, digits, `-` and `_` stay, as does `/`;
/// everything else in a name is written `%XX`, byte by byte. The ending follows the last `_` and
/// holds none, so no two files share a stem. A very long one is cut, and a digest tells it apart.
pub(crate) fn stem(path: &Path) -> String {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut stem = String::new();
    for part in folder.components() {
        escape(part.as_os_str().as_encoded_bytes(), &mut stem);
        stem.push('/');
    }
    escape(path.file_stem().unwrap_or_default().as_encoded_bytes(), &mut stem);
    stem.push('_');
    escape(path.extension().unwrap_or_default().as_encoded_bytes(), &mut stem);
    if stem.len() > LONGEST { shortened(&stem) } else { stem }
}

/// The key of window `number` of the file with `stem`.
pub(crate) fn key(stem: &str, number: usize) -> String {
    format!("{stem}-{number:05}")
}

fn escape(name: &[u8], text: &mut String) {
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_alphanumeric() || c == '-' || c == '_' {
                text.push(c);
            } else {
                escape_bytes(c.encode_utf8(&mut [0; 4]).as_bytes(), text);
            }
        }
        escape_bytes(chunk.invalid(), text);
    }
}

fn escape_bytes(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        let _ = write!(text, "%{byte:02X}");
    }
}

/// The start of `stem` in one part, and a digest of the whole.
fn shortened(stem: &str) -> String {
    let start: String =
        stem.chars().take(LONGEST / 5).map(|c| if c == '/' { '_' } else { c }).collect();
    let digest = Sha256::digest(stem.as_bytes());
    let digest: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // No other stem holds this character: escaped names spell it %7E.
    format!("{start}~{digest}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay_readable() {
        assert_eq!(stem(Path::new("cats/a-b_1.mp4")), "cats/a-b_1_mp4");
        assert_eq!(key("cats/a_mp4", 7), "cats/a_mp4-00007");
        assert_eq!(shown(Path::new("cats/ä.mp4")), "cats/ä.mp4");
    }

    #[test]
    fn hostile_names_become_tame() {
        let hostile = OsStr::from_bytes(b"..x/-rf \n\"\xff..mp4");
        assert_eq!(stem(Path::new(hostile)), "%2E%2Ex/-rf%20%0A%22%FF%2E_mp4");
        assert_eq!(shown(Path::new(hostile)), "..x/-rf \\n\"\\xff..mp4");
        let long = "x/".repeat(300) + "a.mp4";
        assert!(stem(Path::new(&long)).len() <= LONGEST);
    }

    proptest! {
        #[test]
        fn no_two_files_share_a_key_or_a_shown_name(
            names in prop::collection::hash_set(prop::collection::vec(any::<u8>(), 1..12), 2..20),
        ) {
            let usable = |name: &Vec<u8>| !name.contains(&0) && !name.contains(&b'/');
            let names: Vec<_> = names.into_iter().filter(usable).collect();
            let path = |name: &Vec<u8>| {
                Path::new(OsStr::from_bytes(name)).with_added_extension("mp4")
            };
            let stems: HashSet<_> = names.iter().map(|name| stem(&path(name))).collect();
            prop_assert_eq!(stems.len(), names.len());
            let texts: HashSet<_> = names.iter().map(|name| shown(&path(name))).collect();
            prop_assert_eq!(texts.len(), names.len());
            for stem in stems {
                prop_assert!(!stem.contains('.') && !stem.chars().any(char::is_control));
            }
        }
    }
}
