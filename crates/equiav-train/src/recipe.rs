//! A run's settings: read from TOML, changed by dotted overrides, checked, and only then usable.

mod augment;
mod classification;
mod compute;
mod keys;
mod method;
mod modality;
mod objective;
mod optimizer;
mod pretraining;
mod run_config;
mod sections;
mod source;

pub use augment::{Augment, OtherAugment};
pub use classification::{
    BestMetric, ClassLoss, ClassificationObjective, ClassifierModel, Finetune, LabeledData, Mode,
    ModelSelection,
};
pub use compute::{Compute, DeviceName, Precision};
pub use keys::overrides::Override;
use keys::{aliases, suggest};
pub use method::{ArraySettings, EvaluationSchedule, MethodSettings, TermWeights, TowersConfig};
pub use modality::{Modalities, ModalitySettings, inputs, suffix};
pub(crate) use objective::pairs;
pub use objective::{Objective, TokenSource, Tokens};
pub use optimizer::Optimizer;
pub use pretraining::online::OnlineSchedule;
pub use pretraining::{Data, Evaluation, Model, Settings, input_size};
pub use run_config::RunConfig;
pub use sections::{Families, Sections, Shared};
pub use source::{Lists, ShardLists, Source};

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;

use anyhow::{Context, ensure};
use toml::{Table, Value};

/// The recipes that travel inside the program, by name.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("quick", include_str!("../../../recipes/quick.toml")),
    ("stamps", include_str!("../../../recipes/stamps.toml")),
    ("listen-quick", include_str!("../../../recipes/listen-quick.toml")),
    ("audioset2m", include_str!("../../../recipes/audioset2m.toml")),
    ("vggsound", include_str!("../../../recipes/vggsound.toml")),
];

/// The recipes of other methods that travel inside the program, by name.
pub const BUILT_IN_METHODS: [(&str, &str); 7] = [
    ("mae-quick", include_str!("../../../recipes/mae-quick.toml")),
    ("cca-quick", include_str!("../../../recipes/cca-quick.toml")),
    ("sdcca-quick", include_str!("../../../recipes/sdcca-quick.toml")),
    ("stica-quick", include_str!("../../../recipes/stica-quick.toml")),
    ("uavm-quick", include_str!("../../../recipes/uavm-quick.toml")),
    ("vae-cca-quick", include_str!("../../../recipes/vae-cca-quick.toml")),
    ("xdc-quick", include_str!("../../../recipes/xdc-quick.toml")),
];

/// The recipes for fine-tuning that travel inside the program, by name.
pub const BUILT_IN_FINETUNE: [(&str, &str); 3] = [
    ("finetune-quick", include_str!("../../../recipes/finetune-quick.toml")),
    ("finetune-audioset20k", include_str!("../../../recipes/finetune-audioset20k.toml")),
    ("finetune-vggsound", include_str!("../../../recipes/finetune-vggsound.toml")),
];

/// A checked recipe; [`load`](Self::load) and [`parse`](Self::parse) are the only ways to get one.
#[derive(Clone, Debug)]
pub struct Checked<S>(S);

/// The recipe of a pre-training run.
pub type Recipe = Checked<Settings>;

/// The recipe of a fine-tuning run.
pub type FinetuneRecipe = Checked<Finetune>;

impl<S: Sections> Checked<S> {
    /// Reads the recipe at `path`, or the built-in one of that name, and applies `overrides`.
    ///
    /// # Errors
    ///
    /// If there is no such file or name, a key is unknown (the nearest known one is suggested) or a
    /// value makes no sense.
    pub fn load(path: &Path, overrides: &[Override]) -> anyhow::Result<Self> {
        Self::load_with(path, overrides, &Families::default())
    }

    /// As [`load`](Self::load), of a recipe whose augmentations may be of `families` too.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), or if the settings of such a family make no sense.
    pub fn load_with(
        path: &Path,
        overrides: &[Override],
        families: &Families,
    ) -> anyhow::Result<Self> {
        Self::parse_with(&text(path, S::BUILT_IN)?, overrides, families)
            .with_context(|| format!("in recipe {}", path.display()))
    }

    /// Checks the recipe in `text` after `overrides`.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn parse(text: &str, overrides: &[Override]) -> anyhow::Result<Self> {
        Self::parse_with(text, overrides, &Families::default())
    }

    /// As [`parse`](Self::parse), of a recipe whose augmentations may be of `families` too.
    ///
    /// # Errors
    ///
    /// As [`load_with`](Self::load_with).
    pub fn parse_with(
        text: &str,
        overrides: &[Override],
        families: &Families,
    ) -> anyhow::Result<Self> {
        let mut table: Table = toml::from_str(text)?;
        aliases::rename(&mut table);
        for change in overrides {
            change.apply(&mut table)?;
        }
        inherit_profile(&mut table);
        let mut settings: S = serde_path_to_error::deserialize(table).map_err(|error| {
            suggest::explain(&error.path().to_string(), &error.inner().to_string())
        })?;
        settings.resolve(families)?;
        settings.check()?;
        Ok(Self(settings))
    }

    /// The recipe of `settings` that were written by another path than TOML.
    ///
    /// # Errors
    ///
    /// If a value makes no sense.
    pub(crate) fn from_settings(mut settings: S) -> anyhow::Result<Self> {
        settings.resolve(&Families::default())?;
        settings.check()?;
        Ok(Self(settings))
    }

    /// The recipe as TOML, with every override in place.
    ///
    /// # Panics
    ///
    /// Never: every setting has a TOML form.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.0).expect("settings have a TOML form")
    }
}

impl<S> Deref for Checked<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

/// Sections that know a profile take the recipe's, unless they name their own.
fn inherit_profile(recipe: &mut Table) {
    let Some(profile) = recipe.get("profile").cloned() else { return };
    let further = recipe.get("modality").and_then(Value::as_table);
    let further = further.into_iter().flat_map(Table::keys).map(|name| ["augment", name]);
    let paths: Vec<Vec<String>> = [["augment", "audio"], ["augment", "visual"]]
        .into_iter()
        .chain(further)
        .map(|path| path.map(str::to_owned).to_vec())
        .chain([vec!["front_end".to_owned()]])
        .collect();
    for path in paths {
        let section = path.iter().try_fold(&mut *recipe, |table, key| match table.get_mut(key) {
            Some(Value::Table(inner)) => Some(inner),
            _ => None,
        });
        if let Some(section) = section {
            section.entry("profile").or_insert_with(|| profile.clone());
        }
    }
}

/// The text of the recipe at `path`, or of the one in `built_in` with that name.
pub(crate) fn text(path: &Path, built_in: &[(&str, &str)]) -> anyhow::Result<String> {
    let known = built_in.iter().find(|(name, _)| path.as_os_str() == *name);
    if let (Some((_, text)), false) = (known, path.exists()) {
        return Ok((*text).to_owned());
    }
    std::fs::read_to_string(path).with_context(|| {
        let names: Vec<&str> = built_in.iter().map(|(name, _)| *name).collect();
        format!("reading recipe {} (built-in recipes: {})", path.display(), names.join(", "))
    })
}

/// The method that the recipe in `text` names; none where it has no section `[method]` with a name, as EquiAV's.
pub(crate) fn method_name(text: &str) -> Option<String> {
    let table: Table = toml::from_str(text).ok()?;
    Some(table.get("method")?.get("name")?.as_str()?.to_owned())
}

/// The dotted keys whose values differ between two recipes, beyond those that cannot change a result.
///
/// # Errors
///
/// If `saved` is not TOML.
pub fn differing_keys<S: Sections>(
    saved: &str,
    recipe: &Checked<S>,
) -> anyhow::Result<Vec<String>> {
    const HARMLESS: [&str; 5] = [
        "data.workers",
        "data.prefetch_batches",
        "data.cache_mb",
        "compute.threads",
        "run.keep_checkpoints",
    ];
    let mut saved: Table = toml::from_str(saved)?;
    aliases::rename(&mut saved);
    let now: Table = toml::from_str(&recipe.to_toml())?;
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    flatten("", &Value::Table(saved), &mut before);
    flatten("", &Value::Table(now), &mut after);
    let keys = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key));
    let mut keys: Vec<String> = keys.cloned().collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| !HARMLESS.contains(&key.as_str()));
    Ok(keys)
}

/// Lists the leaves of `value` by their dotted keys.
fn flatten(key: &str, value: &Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) => {
            for (name, inner) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, inner, leaves);
            }
        }
        leaf => {
            leaves.insert(key.to_owned(), leaf.clone());
        }
    }
}

/// Refuses a `value` of 0 under `key`.
fn positive(key: &str, value: usize) -> anyhow::Result<()> {
    ensure!(value > 0, "{key} = {value}: expected at least 1");
    Ok(())
}
