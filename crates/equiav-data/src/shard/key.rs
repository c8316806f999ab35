//! What a sample may be called, and how a member's path splits into key and suffix.

/// The longest path that a member may have, in bytes; as long as file systems have it.
const LONGEST_PATH: usize = 4_096;

/// Why `key` cannot name a sample that is to be written, if it cannot.
///
/// WebDataset splits a path at the first dot of its last part, so that part must hold none.
pub(crate) fn check_key(key: &str) -> Result<(), String> {
    check_path(key)?;
    let last = key.rsplit('/').next().unwrap_or_default();
    match last.contains('.') {
        true => {
            Err("its key holds a dot, at which readers of shards would cut it; replace it"
                .to_owned())
        }
        false => Ok(()),
    }
}

/// Why `suffix` cannot follow a key and its dot, if it cannot.
pub(crate) fn check_suffix(suffix: &str) -> Result<(), String> {
    if suffix.is_empty() || suffix.contains('/') || suffix.chars().any(char::is_control) {
        return Err(format!("`{}` is no suffix of a member", suffix.escape_debug()));
    }
    Ok(())
}

/// Why `path` is no plain path below the shard, if it is none.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    if path.len() > LONGEST_PATH {
        return Err(format!("its name is longer than {LONGEST_PATH} bytes"));
    }
    if path.chars().any(char::is_control) {
        return Err("its name holds a control character".to_owned());
    }
    if path.starts_with('/') {
        return Err("its name is absolute, and must be relative".to_owned());
    }
    if path.split('/').any(|part| part == "..") {
        return Err("its name leads out of the shard with `..`".to_owned());
    }
    if path.split('/').any(str::is_empty) {
        return Err("its name has an empty part".to_owned());
    }
    Ok(())
}

/// Key and suffix of a member at `path`: cut at the first dot of its last part.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    let last = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = last + path[last..].find('.')?;
    let (key, suffix) = (&path[..dot], &path[dot + 1..]);
    (dot > last && !suffix.is_empty()).then_some((key, suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_split_at_the_first_dot_of_their_last_part() {
        assert_eq!(split("a/b.c/key.0.jpg"), Some(("a/b.c/key", "0.jpg")));
        assert_eq!(split("key.flac"), Some(("key", "flac")));
        for path in ["key", "a.b/key", ".hidden", "a/.hidden", "key."] {
            assert_eq!(split(path), None, "{path}");
        }
    }

    #[test]
    fn keys_that_would_be_read_otherwise_are_refused() {
        for key in ["clip", "folder.mp4/clip", "Ünï/クリップ 1", "-"] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in ["", "/a", "a/", "a//b", "../a", "a/../b", "..", "a.b", "x/a.b", "a\nb", "a\0"] {
            assert!(check_key(key).is_err(), "{key:?}");
        }
        for suffix in ["", "a/b", "x\n"] {
            assert!(check_suffix(suffix).is_err(), "{suffix:?}");
        }
    }
}
