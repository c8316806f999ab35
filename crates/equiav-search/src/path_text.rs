//! Paths as text without loss: in JSON, and as keys of an index. A path that is Unicode is its own text.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What the text of a path begins with that is no Unicode, or begins so itself.
const ESCAPED: &str = "file:";

/// `path` as text: itself if it is Unicode, else `file:` and its bytes, of which all but ASCII letters,
/// digits and `/-._~` are written `%XX`, as in an address.
///
/// Different paths have different texts. In Python, the path of a text that begins with `file:` is
/// `os.fsdecode(urllib.parse.unquote_to_bytes(text[5:]))`.
pub fn path_text(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.starts_with(ESCAPED) => text.to_owned(),
        _ => {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
            let part = |byte: &u8| match plain(byte) {
                true => char::from(*byte).to_string(),
                false => format!("%{byte:02X}"),
            };
            let bytes = path.as_os_str().as_bytes();
            std::iter::once(ESCAPED.to_owned()).chain(bytes.iter().map(part)).collect()
        }
    }
}

/// The path whose [`path_text`] is `text`.
pub fn text_path(text: &str) -> PathBuf {
    let Some(escaped) = text.strip_prefix(ESCAPED) else { return text.into() };
    let mut parts = escaped.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(&part.as_bytes()[2..]);
            }
            // Nothing that was written here.
            None => bytes.extend([b"%", part.as_bytes()].concat()),
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn every_path_has_a_text_of_its_own() {
        let names: [&[u8]; 9] = [
            b"/data/a.wav",
            "Übung/猫 1.wav".as_bytes(),
            b"a\\xff%FF.wav",
            b"\xff.wav",
            b"/data/\xfc b%.wav",
            b"/data/\xfc\xfc/\xf0\x9f\x90\x88.wav",
            b"file:a.wav",
            b"file:%FF.wav",
            b"line\nbreak.wav",
        ];
        let mut texts = HashSet::new();
        for name in names {
            let path = Path::new(OsStr::from_bytes(name));
            let text = path_text(path);
            assert_eq!(text_path(&text), path, "{text}");
            assert_eq!(
                path.to_str() == Some(text.as_str()),
                std::str::from_utf8(name).is_ok_and(|name| !name.starts_with("file:"))
            );
            assert!(texts.insert(text));
        }
        assert_eq!(path_text(Path::new(OsStr::from_bytes(names[4]))), "file:/data/%FC%20b%25.wav");
        assert_eq!(text_path("file:a%zz%"), Path::new("a%zz%"));
    }
}
