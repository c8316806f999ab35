//! What a command writes into a page of the documentation: between two lines of comment.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::repository::Repository;

/// The line after what is written.
pub(crate) const END: &str = "<!-- end of what is written -->\n";

/// Puts `text` after the line `begin` of `page`, in the place of what stood there.
pub(crate) fn write_between(
    repository: &Repository,
    page: &str,
    begin: &str,
    text: &str,
) -> Result<()> {
    write_into(&repository.root.join(page), begin, text)
}

/// As [`write_between`], of the page at `path`.
pub(crate) fn write_into(path: &Path, begin: &str, text: &str) -> Result<()> {
    let page = path.display();
    let old = fs::read_to_string(path).with_context(|| format!("cannot read {page}"))?;
    let whole = between_markers(&old, begin, text).with_context(|| {
        format!("{page} needs two lines, `{}` and `{}`", begin.trim(), END.trim())
    })?;
    let partial = path.with_extension("md.part");
    let wrote = File::create(&partial).and_then(|mut file| {
        file.write_all(whole.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    });
    wrote.with_context(|| format!("cannot write {page}"))
}

fn between_markers(page: &str, begin: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}\n{}\n\n{END}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_markers_is_replaced() {
        let begin = "<!-- written by us -->\n";
        let page = format!("# Speed\n\n{begin}old\n{END}\nrest\n");
        let once = between_markers(&page, begin, "new\n").unwrap();
        assert_eq!(once, format!("# Speed\n\n{begin}\nnew\n\n{END}\nrest\n"));
        assert_eq!(between_markers(&once, begin, "new\n").unwrap(), once);
        assert_eq!(between_markers("# Speed\n", begin, "new"), None);
    }
}
