//! What headers of their own say of the member that follows them: names too long for its header, and pax
//! records.
//!
//! Records are told apart by their lengths: values may hold line breaks and any other byte, as extended
//! attributes do.

/// What is known of the member that comes next.
#[derive(Default)]
pub(crate) struct Extension {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    /// Whether its content is a map of what is not zeros, and that.
    pub(crate) sparse: bool,
}

impl Extension {
    /// Takes in a name as GNU tar writes it.
    pub(crate) fn long_name(&mut self, mut content: Vec<u8>) {
        let end = content.iter().position(|byte| *byte == 0).unwrap_or(content.len());
        content.truncate(end);
        self.path = Some(content);
    }

    /// Takes in pax records; `None` if `content` holds something else.
    pub(crate) fn pax(&mut self, content: &[u8]) -> Option<()> {
        for Record { key, value } in records(content)? {
            match key {
                b"path" | b"GNU.sparse.name" => self.path = Some(value.to_vec()),
                b"size" => self.size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
                _ => {}
            }
            self.sparse |= key.starts_with(b"GNU.sparse");
        }
        Some(())
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Record<'a> {
    /// What it says something of.
    key: &'a [u8],
    /// What it says.
    value: &'a [u8],
}

/// The records in `content`, each `LENGTH KEY=VALUE` and a line break, all of which its length counts;
/// `None` if that is not what it holds.
fn records(mut content: &[u8]) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    while !content.iter().all(|byte| *byte == 0) {
        let blank = memchr::memchr(b' ', content)?;
        let digits = std::str::from_utf8(&content[..blank]).ok()?;
        let length =
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
        let (record, rest) = content.split_at_checked(length?)?;
        let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
        let equals = memchr::memchr(b'=', record)?;
        records.push(Record { key: &record[..equals], value: &record[equals + 1..] });
        content = rest;
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_by_their_lengths() {
        let record = |key, value| Record { key, value };
        let content = b"12 path=a.b\n24 x=one\n13 path=/etc\n\xff\n8 y==\0=\n5 z=\n";
        let expected = [
            record(b"path", b"a.b"),
            record(b"x", b"one\n13 path=/etc\n\xff"),
            record(b"y", b"=\0="),
            record(b"z", b""),
        ];
        assert_eq!(records(content).as_deref(), Some(&expected[..]));
        assert_eq!(records(&[&content[..12], &[0; 500]].concat()).unwrap().len(), 1);
        assert_eq!(records(b""), Some(Vec::new()));
        for wrong in [
            &b"12 path=a.b"[..],
            b"13 path=a.b\n",
            b"11 path=a.b\n",
            b"3 path=a.b\n",
            b"99 path=a.b\n",
            b"+9 path=a\n",
            b" path=a\n",
            b"99999999999999999999999 a=b\n",
            b"7 path\n",
            b"no record at all\n",
        ] {
            assert_eq!(records(wrong), None, "{:?}", String::from_utf8_lossy(wrong));
        }
    }
}
