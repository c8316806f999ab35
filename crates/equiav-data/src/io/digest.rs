//! Digests: of a file's bytes to find duplicates, of a list to say what was measured.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// A key of the bytes of the file at `path`; equal files have equal keys.
///
/// It is the first eight bytes of the SHA-256, so two different files among a million share one
/// with a probability of about 3e-8.
///
/// # Errors
///
/// If the file cannot be read.
pub fn content_key(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(head(hash))
}

/// As [`content_key`] of a file that holds `bytes`.
pub(crate) fn bytes_key(bytes: &[u8]) -> u64 {
    head(Sha256::new_with_prefix(bytes))
}

/// The first eight bytes of a finished hash.
fn head(hash: Sha256) -> u64 {
    let digest = hash.finalize();
    let (head, _) = digest.as_chunks::<8>();
    u64::from_be_bytes(head[0])
}

/// The first 12 hexadecimal digits of the SHA-256 of `fields`, each closed by a zero byte.
pub(crate) fn list_digest<'a>(fields: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update(field.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_files_have_equal_keys_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let key = content_key(&path).unwrap();
            assert_eq!(key, bytes_key(bytes));
            key
        };
        assert_eq!(write("a", b"abc"), write("b", b"abc"));
        assert_ne!(write("a", b"abc"), write("b", b"abd"));
        assert_eq!(write("a", b"abc"), 0xba78_16bf_8f01_cfea, "the SHA-256 of abc");
        assert!(content_key(&folder.path().join("none")).is_err());
    }
}
