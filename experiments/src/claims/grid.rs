//! What is to be compared: variants of a recipe, in regimes, with seeds, and the orderings that are claimed.

mod cells;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::claim::Claim;
pub(in crate::claims) use cells::{Cell, Tuning};

/// What a classifier may see, as `model.mode` of its recipe.
const MODES: [&str; 3] = ["multimodal", "audio", "visual"];

/// Everything that a grid file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grid {
    /// What every run has in common, as `KEY=VALUE` of the recipe.
    #[serde(default)]
    pub(super) set: Vec<String>,
    pub(super) variants: Vec<Variant>,
    pub(super) regimes: Vec<Regime>,
    #[serde(default)]
    pub(super) claims: Vec<Claim>,
}

/// One way to train.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) about: String,
    /// The recipe in the place of the regime's, of another method.
    #[serde(default)]
    pub(super) recipe: Option<String>,
    #[serde(default)]
    pub(super) set: Vec<String>,
}

/// What a variant is trained on, from what, and for how long.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Regime {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) recipe: String,
    #[serde(default)]
    pub(super) set: Vec<String>,
    /// What is trained first, once for each seed; its weights are what the variants start from.
    pub(super) start: Option<Start>,
    /// The names of the variants, all if not given.
    #[serde(default)]
    pub(super) variants: Vec<String>,
    /// Seeds by which the regime and the variants were chosen.
    pub(super) choose: Vec<u64>,
    /// Fresh seeds, on which alone a claim is judged.
    #[serde(default)]
    pub(super) confirm: Vec<u64>,
    /// The lists whose queries count, each of which has its own gallery; the first alone if not given.
    #[serde(default)]
    pub(super) lists: Vec<String>,
    /// Whether a linear probe is fitted as well, on how many clips of each class.
    pub(super) probe: Option<usize>,
    /// Whether every run is fine-tuned as well, with few labels.
    pub(super) finetune: Option<FinetuneSettings>,
}

/// What is trained first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    pub(super) recipe: String,
    #[serde(default)]
    pub(super) set: Vec<String>,
}

/// How runs are fine-tuned. The changes that all runs have in common are not made here: its recipe has other keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FinetuneSettings {
    pub(super) recipe: String,
    /// Labeled clips of each class; which, follows from the seed of the run.
    pub(super) per_class: usize,
    #[serde(default)]
    pub(super) set: Vec<String>,
    /// What the classifier sees, a fine-tuning each: `multimodal`, `audio`, `visual`.
    #[serde(default = "multimodal")]
    pub(super) modes: Vec<String>,
}

fn multimodal() -> Vec<String> {
    vec!["multimodal".to_owned()]
}

impl Variant {
    /// The recipe that it trains by in `regime`.
    fn recipe_in<'a>(&'a self, regime: &'a Regime) -> &'a str {
        self.recipe.as_ref().unwrap_or(&regime.recipe)
    }
}

impl Regime {
    /// Every seed, those that choose first.
    pub(super) fn seeds(&self) -> Vec<u64> {
        [&self.choose[..], &self.confirm].concat()
    }
}

impl Grid {
    /// Reads the grid in `path` and checks its names.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let what = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {what}"))?;
        let grid: Self = toml::from_str(&text).with_context(|| format!("{what} is no grid"))?;
        grid.check().with_context(|| format!("{what} makes no sense"))?;
        Ok(grid)
    }

    fn check(&self) -> Result<()> {
        let known: BTreeSet<&str> = self.variants.iter().map(|one| one.name.as_str()).collect();
        ensure!(known.len() == self.variants.len(), "two variants have the same name");
        let regimes: BTreeSet<&str> = self.regimes.iter().map(|one| one.name.as_str()).collect();
        ensure!(regimes.len() == self.regimes.len(), "two regimes have the same name");
        for claim in &self.claims {
            claim.check(&known, &regimes)?;
        }
        let mut in_regimes = self.regimes.iter().flat_map(|regime| &regime.variants);
        if let Some(name) = in_regimes.find(|name| !known.contains(name.as_str())) {
            bail!("there is no variant `{name}`");
        }
        for regime in &self.regimes {
            ensure!(!regime.choose.is_empty(), "regime `{}` has no seed to choose by", regime.name);
            if let Some(FinetuneSettings { per_class, modes, .. }) = &regime.finetune {
                let what = format!("finetune of regime `{}`", regime.name);
                ensure!(*per_class > 0, "{what}: per_class = 0 leaves nothing to learn from");
                ensure!(!modes.is_empty(), "{what}: modes = [] leaves nothing to see or hear");
                let unknown = modes.iter().find(|mode| !MODES.contains(&mode.as_str()));
                if let Some(mode) = unknown {
                    bail!("{what}: there is no mode `{mode}` (help: {})", MODES.join(", "));
                }
            }
            let twice = regime.confirm.iter().find(|seed| regime.choose.contains(seed));
            if let Some(seed) = twice {
                bail!("regime `{}` chooses and confirms by seed {seed}", regime.name);
            }
        }
        Ok(())
    }

    /// The variants that `regime` compares.
    pub(super) fn variants_of<'a>(
        &'a self,
        regime: &'a Regime,
    ) -> impl Iterator<Item = &'a Variant> {
        let wanted =
            |one: &&Variant| regime.variants.is_empty() || regime.variants.contains(&one.name);
        self.variants.iter().filter(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: &str = r#"
        set = ["run.batch=8"]
        variants = [
            { name = "clean", about = "the plain pair", set = ["objective.inter=clean-pair"] },
            { name = "centroid", about = "EquiAV" },
        ]
        claims = [{ says = "a centroid helps", less = "clean", more = "centroid" }]
        [[regimes]]
        name = "short"
        about = "a few steps"
        recipe = "quick"
        choose = [0]
        confirm = [5, 6]
    "#;

    fn grid(text: &str) -> Result<Grid> {
        let grid: Grid = toml::from_str(text)?;
        grid.check().map(|()| grid)
    }

    #[test]
    fn seeds_that_choose_come_first_and_each_seed_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("recipes")).unwrap();
        let recipe = folder.path().join("recipes/quick.toml");
        fs::write(&recipe, "# seen\na = 1").unwrap();
        let grid = grid(GRID).unwrap();
        let cells = grid.cells(folder.path()).unwrap();
        let order: Vec<_> = cells.iter().map(|cell| (cell.seed, cell.variant.as_str())).collect();
        let pairs = [0, 5, 6].map(|seed| [(seed, "clean"), (seed, "centroid")]).concat();
        assert_eq!(order, pairs);
        assert_eq!(cells[0].set, ["run.batch=8", "objective.inter=clean-pair", "seed=0"]);
        assert_ne!(cells[0].digest, cells[1].digest);
        fs::write(&recipe, "# other words\na = 1").unwrap();
        assert_eq!(grid.cells(folder.path()).unwrap(), cells);
        fs::write(&recipe, "a = 2").unwrap();
        assert_ne!(grid.cells(folder.path()).unwrap()[0].digest, cells[0].digest);
    }

    #[test]
    fn a_variant_may_have_a_recipe_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("recipes")).unwrap();
        for recipe in ["quick", "other"] {
            fs::write(folder.path().join(format!("recipes/{recipe}.toml")), "a = 1").unwrap();
        }
        let own =
            GRID.replace("about = \"EquiAV\"", "about = \"another method\", recipe = \"other\"");
        let cells = grid(&own).unwrap().cells(folder.path()).unwrap();
        let recipes: Vec<_> = cells.iter().take(2).map(|cell| cell.recipe.as_str()).collect();
        assert_eq!(recipes, ["quick", "other"]);
    }

    #[test]
    fn fine_tuning_changes_no_run_and_goes_by_its_seed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("recipes")).unwrap();
        for recipe in ["quick", "labels"] {
            fs::write(folder.path().join(format!("recipes/{recipe}.toml")), "a = 1").unwrap();
        }
        let plain = grid(GRID).unwrap().cells(folder.path()).unwrap();
        let table = "finetune = { recipe = \"labels\", per_class = 10, set = [\"b=2\"] }";
        let tuned = grid(&format!("{GRID}\n{table}")).unwrap().cells(folder.path()).unwrap();
        let digests = |cells: &[Cell]| -> Vec<String> {
            cells.iter().map(|cell| cell.digest.clone()).collect()
        };
        assert_eq!(digests(&tuned), digests(&plain));
        let tunings: Vec<&Tuning> = tuned.iter().filter_map(|cell| cell.tuning.as_ref()).collect();
        let [first, .., last] = &tunings[..] else { panic!("{tunings:?}") };
        assert_eq!(first.set, ["b=2", "data.per_class=10", "data.split_seed=0", "seed=0"]);
        assert_eq!(
            (&last.set[2..], &last.digest),
            (&["data.split_seed=6".to_owned(), "seed=6".to_owned()][..], &first.digest)
        );
        assert_eq!(first.missing(None), ["multimodal"]);
    }

    #[test]
    fn a_grid_that_makes_no_sense_is_refused() {
        for (from, to, reason) in [
            ("less = \"clean\"", "less = \"cleen\"", "there is no variant `cleen`"),
            ("confirm = [5, 6]", "confirm = [0]", "chooses and confirms by seed 0"),
            ("choose = [0]", "choose = []", "no seed to choose by"),
            ("name = \"centroid\"", "name = \"clean\"", "two variants"),
            (
                "confirm = [5, 6]",
                "finetune = { recipe = \"quick\", per_class = 10, modes = [\"sound\"] }",
                "finetune of regime `short`: there is no mode `sound` (help: multimodal",
            ),
            ("about = \"EquiAV\"", "abut = \"EquiAV\"", "abut"),
        ] {
            let error = grid(&GRID.replace(from, to)).unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{error:#}");
        }
    }
}
