//! The text of a list, whichever editor or spreadsheet saved it: encodings told apart, nothing guessed.

use std::borrow::Cow;

/// The text in `bytes`: UTF-8 or UTF-16, with a byte order mark or, where the text is UTF-8 or begins with
/// an ASCII character, without.
///
/// # Errors
///
/// If it is neither, with the line at fault.
pub(crate) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            Err("is text in UTF-32: save it as UTF-8".to_owned())
        }
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [1..=255, 0, 1..=255, 0, ..] => wide(bytes, u16::from_le_bytes),
        [0, 1..=255, 0, 1..=255, ..] => wide(bytes, u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
                let before = &bytes[..error.valid_up_to()];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                format!("line {line}: is no UTF-8 text: save the file as UTF-8")
            })
        }
    }
}

/// The text of UTF-16.
fn wide(bytes: &[u8], number: impl Fn([u8; 2]) -> u16) -> Result<Cow<'_, str>, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let numbers: Vec<u16> = pairs.iter().map(|pair| number(*pair)).collect();
    match String::from_utf16(&numbers) {
        Ok(text) if rest.is_empty() => Ok(text.into()),
        _ => Err("is broken text in UTF-16: save it as UTF-8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_apart() {
        let little =
            |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        let said = "{\"ä\": \"🎧\"}\n";
        for bytes in [
            said.as_bytes().to_vec(),
            format!("\u{feff}{said}").into_bytes(),
            little(&format!("\u{feff}{said}")),
            big(&format!("\u{feff}{said}")),
            little(said),
            big(said),
        ] {
            assert_eq!(text(&bytes).unwrap(), said, "{bytes:?}");
        }
        assert_eq!(text(b"").unwrap(), "");
        for (bytes, expected) in [
            (&b"a\nb\xe4c"[..], "line 2: is no UTF-8 text"),
            (b"\xff\xfea", "broken text in UTF-16"),
            (b"\xff\xfe\0\xd8", "broken text in UTF-16"),
            (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        ] {
            let error = text(bytes).unwrap_err();
            assert!(error.contains(expected) && error.contains("save"), "{error}");
        }
    }
}
