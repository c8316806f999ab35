//! What is to be compared: variants of a recipe, in regimes, with seeds, and the orderings that are claimed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Recipes that are read from here, beside paths.
const RECIPES: &str = "recipes";

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
    /// Whether a linear probe is fitted as well, on how many clips of each class.
    pub(super) probe: Option<usize>,
}

/// What is trained first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    pub(super) recipe: String,
    #[serde(default)]
    pub(super) set: Vec<String>,
}

/// An ordering of two variants.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    pub(super) says: String,
    pub(super) less: String,
    pub(super) more: String,
}

/// One run: its place in the grid, and everything that decides it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) regime: String,
    pub(super) variant: String,
    pub(super) seed: u64,
    pub(super) recipe: String,
    pub(super) set: Vec<String>,
    pub(super) start: Option<(String, Vec<String>)>,
    pub(super) probe: Option<usize>,
    /// Of the recipe's text and all changes of it: a run with another digest is another run.
    pub(super) digest: String,
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
        let in_claims = self.claims.iter().flat_map(|claim| [&claim.less, &claim.more]);
        let in_regimes = self.regimes.iter().flat_map(|regime| &regime.variants);
        if let Some(name) = in_claims.chain(in_regimes).find(|name| !known.contains(name.as_str()))
        {
            bail!("there is no variant `{name}`");
        }
        for regime in &self.regimes {
            ensure!(!regime.choose.is_empty(), "regime `{}` has no seed to choose by", regime.name);
            let twice = regime.confirm.iter().find(|seed| regime.choose.contains(seed));
            if let Some(seed) = twice {
                bail!("regime `{}` chooses and confirms by seed {seed}", regime.name);
            }
        }
        Ok(())
    }

    /// Every run, seed by seed, so that each seed's comparison is whole before the next begins; the seeds that
    /// choose come first.
    pub(super) fn cells(&self, root: &Path) -> Result<Vec<Cell>> {
        let mut cells = Vec::new();
        for regime in &self.regimes {
            let texts = Texts::read(root, regime)?;
            for seed in regime.choose.iter().chain(&regime.confirm) {
                for variant in self.variants_of(regime) {
                    cells.push(self.cell(regime, variant, *seed, &texts));
                }
            }
        }
        Ok(cells)
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

    fn cell(&self, regime: &Regime, variant: &Variant, seed: u64, texts: &Texts) -> Cell {
        let seeded = |set: &[String]| -> Vec<String> {
            let common = self.set.iter().chain(set).cloned();
            common.chain([format!("seed={seed}")]).collect()
        };
        let set = seeded(&[&regime.set[..], &variant.set[..]].concat());
        let start = regime.start.as_ref().map(|one| (one.recipe.clone(), seeded(&one.set)));
        let digest = texts.digest(&set, start.as_ref().map(|(_, set)| set.as_slice()));
        Cell {
            regime: regime.name.clone(),
            variant: variant.name.clone(),
            seed,
            recipe: regime.recipe.clone(),
            set,
            start,
            probe: regime.probe,
            digest,
        }
    }
}

/// The texts of a regime's recipes.
struct Texts {
    own: String,
    start: Option<String>,
}

impl Texts {
    fn read(root: &Path, regime: &Regime) -> Result<Self> {
        let read = |name: &str| {
            let path = root.join(RECIPES).join(format!("{name}.toml"));
            let text = fs::read_to_string(&path);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            // What comments say of a recipe decides nothing.
            let kept = text.lines().filter(|line| !line.starts_with('#'));
            anyhow::Ok(kept.collect::<Vec<_>>().join("\n"))
        };
        let start = regime.start.as_ref().map(|start| read(&start.recipe)).transpose()?;
        Ok(Self { own: read(&regime.recipe)?, start })
    }

    fn digest(&self, set: &[String], start: Option<&[String]>) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{set:?}\n{:?}\n{start:?}", self.own, self.start));
        hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
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
    fn a_grid_that_makes_no_sense_is_refused() {
        for (from, to, reason) in [
            ("less = \"clean\"", "less = \"cleen\"", "there is no variant `cleen`"),
            ("confirm = [5, 6]", "confirm = [0]", "chooses and confirms by seed 0"),
            ("choose = [0]", "choose = []", "no seed to choose by"),
            ("name = \"centroid\"", "name = \"clean\"", "two variants"),
            ("about = \"EquiAV\"", "abut = \"EquiAV\"", "abut"),
        ] {
            let error = grid(&GRID.replace(from, to)).unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{error:#}");
        }
    }
}
