//! The parts of pages that commands write: what stands between two marker lines is replaced.

use std::fs::{self, File};
use std::io::Write as _;

use crate::workspace::Workspace;

/// Ends every part that is written.
pub(crate) const END: &str = "<!-- end of what is written -->\n";

/// Puts `text` after the line `begin` of the page `file`, in the place of what stood there.
pub(crate) fn write(
    workspace: &Workspace,
    file: &str,
    begin: &str,
    text: &str,
) -> Result<(), String> {
    let page = between(&workspace.read(file)?, file, begin, text)?;
    let path = workspace.root().join(file);
    let partial = path.with_extension("md.part");
    let wrote = File::create(&partial).and_then(|mut file| {
        file.write_all(page.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, &path)
    });
    wrote.map_err(|e| format!("cannot write {file}: {e}"))
}

/// The page `file` with `text` in its place.
fn between(page: &str, file: &str, begin: &str, text: &str) -> Result<String, String> {
    let parts = page.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let missing = || format!("{file} needs two lines, `{}` and `{}`", begin.trim(), END.trim());
    let (before, after) = parts.ok_or_else(missing)?;
    Ok(format!("{before}{begin}\n{}\n\n{END}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_markers_is_replaced() {
        const BEGIN: &str = "<!-- written by a test -->\n";
        let page = format!("# Speed\n\n{BEGIN}old\n{END}\nrest\n");
        let once = between(&page, "docs/a.md", BEGIN, "new\n").unwrap();
        assert_eq!(once, format!("# Speed\n\n{BEGIN}\nnew\n\n{END}\nrest\n"));
        assert_eq!(between(&once, "docs/a.md", BEGIN, "new\n").unwrap(), once);
        let message = between("# Speed\n", "docs/a.md", BEGIN, "new").unwrap_err();
        assert!(message.starts_with("docs/a.md needs two lines, `<!-- written"));
    }
}
