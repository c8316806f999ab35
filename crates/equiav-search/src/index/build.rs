//! Files into an index, a transaction after so many of them; what is there already is left alone.

use std::collections::BTreeMap;
use std::path::Path;

use equiav_data::is_fault_of_machine;
use equiav_data::parallel::{Teller, for_each};

use super::record::Content;
use super::{About, Addition, Index};
use crate::embed::{Broken, Embedder, Medium, MediumFile, Per};
use crate::{path_text, text_path};

/// What an indexing did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Indexed {
    /// Files embedded now.
    pub embedded: usize,
    /// Files whose content was there under another name, or is that of another new file.
    pub copies: usize,
    /// Files that were there, unchanged.
    pub unchanged: usize,
    /// Files that cannot be embedded; what the index knew of them stays.
    pub broken: Vec<Broken>,
}

/// Adds `files` to the index at `path`, which is made if it is not there; `every` contents are one
/// transaction, so that no more than these are lost when the process is killed.
///
/// `watch` gets (contents embedded, all to be embedded).
///
/// # Errors
///
/// If the index is of another model, damaged, or open elsewhere, or the disk fails.
pub fn index_files(
    embedder: &Embedder,
    files: &[MediumFile],
    path: &Path,
    every: usize,
    callback: &mut dyn FnMut(usize, usize),
) -> anyhow::Result<Indexed> {
    let about = About { model: embedder.fingerprint().clone(), cutting: embedder.cutting() };
    let mut index = Index::open(path, &about)?;
    let mut indexed = Indexed::default();
    let plan = plan(embedder, files, &index, &mut indexed)?;
    if !plan.known.is_empty() {
        index.add(&Addition { rows: Vec::new(), files: plan.known })?;
    }
    let new: Vec<MediumFile> = plan.new.iter().map(|new| new.file.clone()).collect();
    let mut addition = Addition::default();
    let mut done = 0;
    embedder.embed(&new, Per::Window, &mut |position, rows| {
        let New { content, names, .. } = &plan.new[position];
        match rows {
            Ok(rows) => {
                indexed.embedded += 1;
                indexed.copies += names.len() - 1;
                addition.files.extend(names.iter().map(|name| (name.clone(), *content)));
                addition.rows.push((*content, rows));
            }
            Err(reason) => indexed.broken.extend(
                names.iter().map(|name| Broken { file: text_path(name), reason: reason.clone() }),
            ),
        }
        if addition.rows.len() >= every {
            index.add(&std::mem::take(&mut addition))?;
        }
        done += 1;
        callback(done, new.len());
        Ok(())
    })?;
    if !addition.rows.is_empty() {
        index.add(&addition)?;
    }
    index.close()?;
    indexed.broken.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(indexed)
}

/// A content that the index lacks.
struct New {
    content: Content,
    /// The first of its files.
    file: MediumFile,
    /// The texts of the absolute paths of all of them.
    names: Vec<String>,
}

/// What is to be done.
#[derive(Default)]
struct Plan {
    /// Contents to embed, in the order of their first files.
    new: Vec<New>,
    /// Files whose content the index has.
    known: Vec<(String, Content)>,
}

/// Looks at the bytes of all `files`.
fn plan(
    embedder: &Embedder,
    files: &[MediumFile],
    index: &Index,
    indexed: &mut Indexed,
) -> anyhow::Result<Plan> {
    let mut found: Vec<Option<Result<(String, Content), String>>> = vec![None; files.len()];
    let work = |position: usize, teller: &Teller<'_, _, anyhow::Error>| {
        let looked = look(&files[position]);
        // What the machine refuses is no fault of the file.
        let found = match looked {
            Err(error) if error.downcast_ref().is_some_and(is_fault_of_machine) => {
                return Err(error.context(files[position].path.display().to_string()));
            }
            looked => looked.map_err(|error| format!("{error:#}")),
        };
        teller.tell((position, found));
        Ok(())
    };
    let ended = for_each(files.len(), embedder.threads(), work, &mut |(position, result)| {
        found[position] = Some(result);
    });
    ended?;
    let (mut plan, mut places) = (Plan::default(), BTreeMap::new());
    for (file, result) in files.iter().zip(found.into_iter().flatten()) {
        match result {
            Err(reason) => indexed.broken.push(Broken { file: file.path.clone(), reason }),
            Ok((name, content)) if index.file(&name) == Some(content) => indexed.unchanged += 1,
            Ok((name, content)) if index.has(content) => {
                indexed.copies += 1;
                plan.known.push((name, content));
            }
            Ok((name, content)) => {
                let place = *places.entry(content).or_insert_with(|| {
                    plan.new.push(New { content, file: file.clone(), names: Vec::new() });
                    plan.new.len() - 1
                });
                plan.new[place].names.push(name);
            }
        }
    }
    Ok(plan)
}

/// The canonical path and the content of `file`; FFmpeg is asked about an ending of no medium.
fn look(file: &MediumFile) -> anyhow::Result<(String, Content)> {
    let content = Content::of_file(&file.path, file.medium.unwrap_or(Medium::Recording))?;
    Ok((path_text(&file.path.canonicalize()?), content))
}
