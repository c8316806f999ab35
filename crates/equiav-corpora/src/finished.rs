//! Folders that are either finished and say what they hold, or absent: never half written.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use equiav_data::atomic_dir;
use serde_json::Value;

/// Name of the file that makes a folder a finished one; it holds what the folder was made from.
pub(crate) const MARKER: &str = "corpus.json";

/// Makes `folder` by `fill`, unless it is there already and was made from the same `recipe`.
///
/// `fill` gets a temporary folder beside `folder`, which takes its place in one step at the end.
/// What a killed process left there is removed; a second process waits for the first.
///
/// # Errors
///
/// If `folder` holds something else, and when the files cannot be written or `fill` fails.
pub(crate) fn finish(
    folder: &Path,
    recipe: &Value,
    fill: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if is_finished(folder, recipe)? {
        return Ok(());
    }
    let (partial, lock) = beside(folder)?;
    let parent = partial.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let lock_file =
        File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    lock_file.lock().with_context(|| format!("cannot lock {}", lock.display()))?;
    // Another process may have finished it while this one waited for the lock.
    if is_finished(folder, recipe)? {
        return Ok(());
    }
    atomic_dir(folder, partial, |partial| {
        fill(partial)?;
        write_marker(&partial.join(MARKER), recipe)
    })
}

/// Whether `folder` is finished and made from `recipe`; false when it is absent or empty.
fn is_finished(folder: &Path, recipe: &Value) -> anyhow::Result<bool> {
    let marker = folder.join(MARKER);
    if marker.exists() {
        let text =
            fs::read(&marker).with_context(|| format!("cannot read {}", marker.display()))?;
        let found: Value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no JSON; delete its folder", marker.display()))?;
        // By way of text, as the marker: numbers need not survive that to the last bit.
        let asked: Value = serde_json::from_str(&recipe.to_string())?;
        if found == asked {
            return Ok(true);
        }
        bail!(
            "{} was made with other settings ({}); delete it or name another folder",
            folder.display(),
            differences(&found, &asked)
        );
    }
    let in_use =
        folder.is_file() || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if in_use {
        bail!(
            "{} holds other files and no {MARKER}; name another folder for the corpus",
            folder.display()
        );
    }
    Ok(false)
}

/// Names what differs between two recipes, such as `seed: 1 there, 2 asked for`.
fn differences(found: &Value, asked: &Value) -> String {
    let (Some(found), Some(asked)) = (found.as_object(), asked.as_object()) else {
        return "of another kind".to_owned();
    };
    let changed = asked.iter().filter_map(|(key, wanted)| {
        let there = found.get(key).unwrap_or(&Value::Null);
        (there != wanted).then(|| format!("{key}: {there} there, {wanted} asked for"))
    });
    let changed: Vec<_> = changed.collect();
    if changed.is_empty() { "of another kind".to_owned() } else { changed.join("; ") }
}

/// The temporary folder and the lock that go with `folder`.
fn beside(folder: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let Some(name) = folder.file_name() else {
        bail!("{} names no folder to write a corpus to", folder.display());
    };
    let with = |ending: &str| {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(ending);
        folder.with_file_name(hidden)
    };
    Ok((with(".partial"), with(".lock")))
}

fn write_marker(path: &Path, recipe: &Value) -> anyhow::Result<()> {
    fs::write(path, format!("{recipe:#}\n"))
        .and_then(|()| File::open(path)?.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn put(text: &'static str) -> impl FnOnce(&Path) -> anyhow::Result<()> {
        move |folder| Ok(fs::write(folder.join("text"), text)?)
    }

    #[test]
    fn a_finished_folder_is_kept_and_another_recipe_is_refused() -> anyhow::Result<()> {
        let home = tempfile::tempdir()?;
        let folder = home.path().join("deep").join("corpus");
        for text in ["first", "second"] {
            finish(&folder, &json!({"seed": 1, "share": 0.1 + 0.2}), put(text))?;
        }
        assert_eq!(fs::read_to_string(folder.join("text"))?, "first");
        let other = json!({"seed": 2, "share": 0.1 + 0.2});
        let error = finish(&folder, &other, put("third")).unwrap_err().to_string();
        assert!(error.contains("seed: 1 there, 2 asked for"), "{error}");
        assert!(error.contains("delete it or name another folder"), "{error}");
        Ok(())
    }

    #[test]
    fn what_a_killed_process_left_is_cleaned_up() -> anyhow::Result<()> {
        let home = tempfile::tempdir()?;
        let folder = home.path().join("corpus");
        let partial = home.path().join(".corpus.partial");
        fs::create_dir(&partial)?;
        fs::write(partial.join("rest"), "half")?;
        finish(&folder, &json!({}), put("whole"))?;
        assert!(!partial.exists());
        assert!(!folder.join("rest").exists());
        assert_eq!(fs::read_to_string(folder.join("text"))?, "whole");
        Ok(())
    }

    #[test]
    fn a_failure_leaves_nothing_and_foreign_files_are_spared() -> anyhow::Result<()> {
        let home = tempfile::tempdir()?;
        let folder = home.path().join("corpus");
        finish(&folder, &json!({}), |_| bail!("no")).unwrap_err();
        assert!(!folder.exists());
        assert!(!home.path().join(".corpus.partial").exists());
        fs::create_dir(&folder)?;
        fs::write(folder.join("mine"), "precious")?;
        let error = finish(&folder, &json!({}), put("x")).unwrap_err().to_string();
        assert!(error.contains("name another folder"), "{error}");
        assert_eq!(fs::read_to_string(folder.join("mine"))?, "precious");
        Ok(())
    }
}
