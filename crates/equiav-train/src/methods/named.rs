//! Methods that a recipe names: `[method] name = NAME` stands for a type of section, which makes the method.

use std::fmt::Debug;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::Device;

use super::pretrain::PretrainSummary;
use crate::callback::Callback;
use crate::clips::RunClips;
use crate::engine::{Method, RunOptions, train};
use crate::recipe::{Checked, MethodSettings, Override};

/// A section `[method]` of a recipe that makes a method.
pub trait MethodSection: Clone + Debug + DeserializeOwned + Serialize + 'static {
    /// What `method.name` is.
    const NAME: &'static str;
    /// What is trained.
    type Method: Method;

    /// Checks what no single key of `recipe` can know.
    ///
    /// # Errors
    ///
    /// If a value makes no sense; the message names the key.
    fn check(recipe: &MethodSettings<Self>) -> anyhow::Result<()>;

    /// The method of `recipe` with fresh networks on `device`, to be trained on `clips`.
    ///
    /// # Errors
    ///
    /// If sizes do not fit together, or the clips lack what the method needs.
    fn build(
        recipe: &MethodSettings<Self>,
        device: Device,
        clips: &RunClips,
    ) -> anyhow::Result<Self::Method>;

    /// Writes what the run of `recipe` in `run` has trained as start weights for other recipes into `out`, and gives the
    /// finished epochs; none where a run is exported as a model that embeds.
    ///
    /// # Errors
    ///
    /// If the run has no whole checkpoint, or the folder cannot be written.
    fn export_start(
        recipe: &MethodSettings<Self>,
        run: &Path,
        out: &Path,
    ) -> anyhow::Result<Option<u64>> {
        let _ = (recipe, run, out);
        Ok(None)
    }
}

/// A recipe of a method that it names.
pub trait MethodRecipe: Debug {
    /// What the run is called.
    fn name(&self) -> &str;

    /// Trains; see [`train`] for where, with whom, and what resuming promises.
    ///
    /// # Errors
    ///
    /// As [`train`]; also if the clips or what the recipe starts from cannot be had.
    fn pretrain(
        &self,
        options: RunOptions<'_>,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<PretrainSummary>;

    /// As [`MethodSection::export_start`].
    ///
    /// # Errors
    ///
    /// As [`MethodSection::export_start`].
    fn export_start(&self, run: &Path, out: &Path) -> anyhow::Result<Option<u64>>;
}

impl<S: MethodSection> MethodRecipe for Checked<MethodSettings<S>> {
    fn name(&self) -> &str {
        &self.name
    }

    fn pretrain(
        &self,
        options: RunOptions<'_>,
        callback: &mut dyn Callback,
    ) -> anyhow::Result<PretrainSummary> {
        let world = options.world;
        let run = train(self, options, callback, |device, callback| {
            let clips = self.unlabeled().prepare(world, callback)?;
            Ok((S::build(self, device, &clips)?, clips))
        })?;
        Ok(run.into())
    }

    fn export_start(&self, run: &Path, out: &Path) -> anyhow::Result<Option<u64>> {
        S::export_start(self, run, out)
    }
}

/// Reads a recipe of one method.
type Parse = fn(&str, &[Override]) -> anyhow::Result<Box<dyn MethodRecipe>>;

/// Every method that a recipe may name.
#[rustfmt::skip]
const METHODS: [(&str, Parse); 6] = [
    entry::<super::mae::MaeSettings>(),
    entry::<super::cca::CcaSettings>(),
    entry::<super::stica::SticaSettings>(),
    entry::<super::uavm::UavmSettings>(),
    entry::<super::vae_cca::VaeCcaSettings>(),
    entry::<super::xdc::XdcSettings>(),
];

const fn entry<S: MethodSection>() -> (&'static str, Parse) {
    (S::NAME, parse::<S>)
}

fn parse<S: MethodSection>(
    text: &str,
    overrides: &[Override],
) -> anyhow::Result<Box<dyn MethodRecipe>> {
    let recipe = Checked::<MethodSettings<S>>::parse(text, overrides)?;
    S::check(&recipe)?;
    Ok(Box::new(recipe))
}

/// Reads the recipe in `text`, of the method called `name`.
///
/// # Errors
///
/// If there is no such method, a key is unknown or a value makes no sense.
pub(super) fn read(
    name: &str,
    text: &str,
    overrides: &[Override],
) -> anyhow::Result<Box<dyn MethodRecipe>> {
    let found = METHODS.iter().find(|(known, _)| *known == name);
    let (_, parse) = found.with_context(|| {
        let known: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
        format!(
            "method.name = \"{name}\": expected one of {} (help: without [method], EquiAV is trained)",
            known.join(", ")
        )
    })?;
    parse(text, overrides)
}
