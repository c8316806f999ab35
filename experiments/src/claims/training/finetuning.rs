//! Fine-tuning of a finished run with few labels: short runs of their own, inside its folder.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::super::grid::Tuning;
use super::super::record::Tuned;
use super::Training;
use crate::process::read_json;

impl Training<'_> {
    /// Fine-tunes the run in `folder` in every mode that `known` lacks; none where time is up.
    pub(super) fn tune(
        &self,
        tuning: &Tuning,
        folder: &Path,
        known: Option<&Tuned>,
    ) -> Result<Option<Tuned>> {
        let known = known.filter(|known| known.digest == tuning.digest);
        let mut top1 = known.map_or(Vec::new(), |known| known.top1.clone());
        let mut list = known.map(|known| known.list.clone());
        for mode in tuning.missing(known) {
            let out = folder.join(format!("finetune-{}", tuning.digest)).join(mode);
            let arguments = ["finetune", &tuning.recipe, "--from"].map(OsStr::new);
            let arguments = [&arguments[..], &[folder.as_os_str()]].concat();
            let set = [&tuning.set[..], &[format!("model.mode={mode}")]].concat();
            if !self.train(&arguments, &out, &set)? {
                return Ok(None);
            }
            let tested = tested(&out.join("test.json"))?;
            list = Some((tested.digest, tested.listed));
            top1.push((mode.clone(), tested.top1));
        }
        let list = list.context("no mode to fine-tune in")?;
        Ok(Some(Tuned { digest: tuning.digest.clone(), list, top1 }))
    }
}

/// The figures of the first test list, which fine-tuning leaves at `path`.
fn tested(path: &Path) -> Result<Figures> {
    let shown = path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let test: Test = read_json(&shown, &text)?;
    test.lists.into_iter().next().with_context(|| format!("{shown} has no list"))
}

#[derive(Deserialize)]
struct Test {
    lists: Vec<Figures>,
}

#[derive(Deserialize)]
struct Figures {
    listed: usize,
    digest: String,
    top1: f64,
}
