//! Foreign checkpoints into a model: name maps as data, and nothing loaded in silence.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use tch::{Tensor, nn};

use crate::weights::Weights;
use crate::weights::report::{ImportReport, WrongShape};

/// Names of a masked autoencoder's checkpoint that no encoder here has a place for.
const UNUSED_OF_AUTOENCODER: [&str; 9] = [
    "cls_token",
    "pos_embed",
    "mask_token",
    "decoder_",
    "head.",
    "head_drop.",
    "fc_norm.",
    "norm_pix_loss",
    "dist_token",
];

/// Norms that every published block carries and never uses.
const UNUSED_OF_BLOCK: [&str; 4] = ["norm1_a.", "norm1_v.", "norm2_a.", "norm2_v."];

/// Where a tensor of a file goes.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Into these parameters, if the model has them.
    Targets(Vec<String>),
    /// Nowhere, on purpose.
    Unused,
}

/// Loads a checkpoint in the published names, as a whole or in part, into the model in `store`.
///
/// Values are converted to the precision of the model. A position table of another size is left out,
/// since the model has its own from the formula.
///
/// # Errors
///
/// If a patch embedding or a block of the model is not covered; nothing has been loaded then, and the
/// message holds the table of what was found.
pub fn import_weights(store: &nn::VarStore, weights: &Weights) -> anyhow::Result<ImportReport> {
    import(store, weights, |name, _| published(name))
}

/// Starts every encoder of `store` from one vision transformer's weights, such as the public masked
/// autoencoder's: patch embedding, blocks and the final norm of plain views.
///
/// The class token, the position table and the decoder are left out; the norm of augmented views,
/// predictors and heads keep their fresh values.
///
/// # Errors
///
/// If a patch embedding or a block of the model is not covered; nothing has been loaded then, and the
/// message holds the table of what was found.
pub fn import_start(store: &nn::VarStore, weights: &Weights) -> anyhow::Result<ImportReport> {
    import(store, weights, autoencoder)
}

/// Starts every encoder of `store` from the encoders in `weights`, which carry the published names: patch embedding,
/// modality token, blocks and the final norm of plain views. Everything else there is passed over, such as decoders.
///
/// # Errors
///
/// If a patch embedding or a block of the model is not covered; nothing has been loaded then, and the
/// message holds the table of what was found.
pub fn import_encoders(store: &nn::VarStore, weights: &Weights) -> anyhow::Result<ImportReport> {
    import(store, weights, |name, suffixes| {
        let of_encoder = |suffix: &String| {
            ["patch_embed", "blocks", "norm"]
                .iter()
                .any(|part| name.starts_with(&format!("{part}_{suffix}.")))
                || name == format!("modality_{suffix}")
        };
        match suffixes.iter().any(of_encoder) {
            true => published(name),
            false => Fate::Unused,
        }
    })
}

/// Loads exactly `weights` into `store`: every variable, and no name too many.
///
/// # Errors
///
/// If the names, shapes or kinds differ; nothing has been loaded then.
pub fn restore(store: &nn::VarStore, weights: &Weights) -> anyhow::Result<()> {
    let mut variables = named_variables(store)?;
    for (name, variable) in &variables {
        let Some(saved) = weights.tensors().get(name) else { bail!("the weights lack `{name}`") };
        ensure!(
            saved.size() == variable.size() && saved.kind() == variable.kind(),
            "`{name}` is {:?} {:?} in the file, {:?} {:?} in the model",
            saved.kind(),
            saved.size(),
            variable.kind(),
            variable.size()
        );
    }
    if let Some(name) = weights.tensors().keys().find(|name| !variables.contains_key(*name)) {
        bail!("the weights hold `{name}`, which the model has not");
    }
    for (name, variable) in &mut variables {
        tch::no_grad(|| variable.f_copy_(&weights.tensors()[name]))?;
    }
    Ok(())
}

/// The variables of `store` by name.
///
/// # Errors
///
/// If two variables were added under one name: the store renames the second in silence.
pub(crate) fn named_variables(store: &nn::VarStore) -> anyhow::Result<BTreeMap<String, Tensor>> {
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    for name in variables.keys() {
        if let Some((first, count)) = name.rsplit_once("__") {
            let renamed = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
            let twice = renamed && variables.contains_key(first);
            ensure!(!twice, "two variables of the model are called `{first}`");
        }
    }
    Ok(variables)
}

fn import(
    store: &nn::VarStore,
    weights: &Weights,
    fate: impl Fn(&str, &[String]) -> Fate,
) -> anyhow::Result<ImportReport> {
    let mut variables = named_variables(store)?;
    let suffixes = suffixes(&variables);
    let mut report = ImportReport::default();
    let mut sources: BTreeMap<String, &Tensor> = BTreeMap::new();
    for (name, saved) in weights.tensors() {
        let Fate::Targets(targets) = fate(name, &suffixes) else {
            report.unused.push(name.clone());
            continue;
        };
        let known = |target: &String| variables.contains_key(target);
        if !targets.iter().any(known) {
            report.unexpected.push(name.clone());
        }
        for target in targets.into_iter().filter(known) {
            let expected = variables[&target].size();
            if saved.size() == expected {
                sources.insert(target, saved);
            } else if target.starts_with("pos_embed_") {
                report.unused.push(name.clone());
            } else {
                let found = saved.size();
                report.wrong_shape.push(WrongShape { name: target, found, expected });
            }
        }
    }
    let wrong = |name: &String| report.wrong_shape.iter().any(|wrong| wrong.name == *name);
    let bare = variables.keys().filter(|name| !sources.contains_key(*name) && !wrong(name));
    // A table that comes from its formula is not missing.
    report.missing = bare.filter(|name| !name.starts_with("pos_embed_")).cloned().collect();
    report.loaded = sources.keys().cloned().collect();
    report.ensure_covered()?;
    for (name, source) in sources {
        if let Some(variable) = variables.get_mut(&name) {
            tch::no_grad(|| variable.f_copy_(source))?;
        }
    }
    Ok(report)
}

/// The suffixes of the branches that `variables` hold.
fn suffixes(variables: &BTreeMap<String, Tensor>) -> Vec<String> {
    variables.keys().filter_map(|name| name.strip_prefix("modality_")).map(str::to_owned).collect()
}

/// Published names are ours.
fn published(name: &str) -> Fate {
    let in_block = name.strip_prefix("blocks_").and_then(|name| name.splitn(3, '.').nth(2));
    // PUBLISHED: unused-block-norms every published block carries four norms that no pass uses; they are
    // passed over here and never written.
    if in_block.is_some_and(|part| UNUSED_OF_BLOCK.iter().any(|norm| part.starts_with(norm))) {
        return Fate::Unused;
    }
    Fate::Targets(vec![name.to_owned()])
}

/// A vision transformer's names stand for the same part of every encoder.
fn autoencoder(name: &str, suffixes: &[String]) -> Fate {
    if UNUSED_OF_AUTOENCODER.iter().any(|start| name.starts_with(start)) {
        return Fate::Unused;
    }
    // PUBLISHED: start-norm the start weights' final norm goes into the norm of plain views only, as in
    // the published code; the norm of augmented views starts fresh.
    let (part, rest) = name.split_once('.').unwrap_or((name, ""));
    let known = ["blocks", "patch_embed", "norm"].contains(&part) && !rest.is_empty();
    if !known {
        return Fate::Targets(Vec::new());
    }
    Fate::Targets(suffixes.iter().map(|suffix| format!("{part}_{suffix}.{rest}")).collect())
}
