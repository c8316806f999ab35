//! The runs of a grid: each with everything that decides it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};

use super::super::record::Tuned;
use super::{FinetuneSettings, Grid, Regime, Variant};

/// Where recipes are read from that are named; others are paths from the root of the repository, with their ending.
const RECIPES: &str = "recipes";

/// One run: its place in the grid, and everything that decides it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::claims) struct Cell {
    pub(in crate::claims) regime: String,
    pub(in crate::claims) variant: String,
    pub(in crate::claims) seed: u64,
    pub(in crate::claims) recipe: String,
    pub(in crate::claims) set: Vec<String>,
    pub(in crate::claims) start: Option<(String, Vec<String>)>,
    pub(in crate::claims) lists: Vec<String>,
    pub(in crate::claims) probe: Option<usize>,
    pub(in crate::claims) tuning: Option<Tuning>,
    /// Of the recipe's text and all changes of it: a run with another digest is another run.
    pub(in crate::claims) digest: String,
}

/// The fine-tuning of one run.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::claims) struct Tuning {
    pub(in crate::claims) recipe: String,
    pub(in crate::claims) set: Vec<String>,
    pub(in crate::claims) modes: Vec<String>,
    /// Of the recipe's text and its changes, whatever the seed and the modes.
    pub(in crate::claims) digest: String,
}

impl Tuning {
    /// The modes that `known` has no figure of.
    pub(in crate::claims) fn missing(&self, known: Option<&Tuned>) -> Vec<&String> {
        let known = known.filter(|known| known.digest == self.digest);
        let has =
            |mode: &String| known.is_some_and(|all| all.top1.iter().any(|one| one.0 == *mode));
        self.modes.iter().filter(|mode| !has(mode)).collect()
    }
}

impl Grid {
    /// Every run, seed by seed, so that each seed's comparison is whole before the next begins; the seeds that
    /// choose come first.
    pub(in crate::claims) fn cells(&self, root: &Path) -> Result<Vec<Cell>> {
        let mut cells = Vec::new();
        for regime in &self.regimes {
            let with_texts = |variant| Ok((variant, Texts::read(root, regime, variant)?));
            let variants: Vec<(&Variant, Texts)> =
                self.variants_of(regime).map(with_texts).collect::<Result<_>>()?;
            for seed in regime.seeds() {
                for (variant, texts) in &variants {
                    cells.push(self.cell(regime, variant, seed, texts));
                }
            }
        }
        Ok(cells)
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
            recipe: variant.recipe_in(regime).to_owned(),
            set,
            start,
            lists: regime.lists.clone(),
            probe: regime.probe,
            tuning: regime.finetune.as_ref().map(|settings| texts.tuning(settings, seed)),
            digest,
        }
    }
}

/// The texts of a regime's recipes.
struct Texts {
    own: String,
    start: Option<String>,
    finetune: Option<String>,
}

impl Texts {
    fn read(root: &Path, regime: &Regime, variant: &Variant) -> Result<Self> {
        let read = |name: &str| {
            let path = match name.ends_with(".toml") {
                true => root.join(name),
                false => root.join(RECIPES).join(format!("{name}.toml")),
            };
            let text = fs::read_to_string(&path);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            // What comments say of a recipe decides nothing.
            let kept = text.lines().filter(|line| !line.starts_with('#'));
            anyhow::Ok(kept.collect::<Vec<_>>().join("\n"))
        };
        let start = regime.start.as_ref().map(|start| read(&start.recipe)).transpose()?;
        let finetune = regime.finetune.as_ref().map(|one| read(&one.recipe)).transpose()?;
        Ok(Self { own: read(variant.recipe_in(regime))?, start, finetune })
    }

    fn digest(&self, set: &[String], start: Option<&[String]>) -> String {
        digest(&format!("{}\n{set:?}\n{:?}\n{start:?}", self.own, self.start))
    }

    fn tuning(&self, settings: &FinetuneSettings, seed: u64) -> Tuning {
        let FinetuneSettings { recipe, per_class, set, modes } = settings;
        let set = [&set[..], &[format!("data.per_class={per_class}")]].concat();
        let digest = digest(&format!("{:?}\n{set:?}", self.finetune));
        let seeded = [format!("data.split_seed={seed}"), format!("seed={seed}")];
        let set = [&set[..], &seeded].concat();
        Tuning { recipe: recipe.clone(), set, modes: modes.clone(), digest }
    }
}

/// The first twelve digits of the SHA-256 of `text`.
fn digest(text: &str) -> String {
    let hash = Sha256::digest(text);
    hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
