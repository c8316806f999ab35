//! `equiav data`: corpora and what a recipe must know of one.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_corpora::{Synthetic, cache_folder};
use equiav_data::{Manifest, statistics};
use equiav_train::{Event, Override, Recipe, Watch};

use crate::progress::Progress;

/// Make, fetch and measure data
#[derive(clap::Subcommand)]
pub(crate) enum Data {
    Synth(Synth),
    Stats(Stats),
    Stamps(Stamps),
}

impl Data {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Data::Synth(command) => command.run(),
            Data::Stats(command) => command.run(),
            Data::Stamps(command) => command.run(),
        }
    }
}

/// Generate the procedural corpus as wav, jpg and manifests
///
/// What is seen decides what is heard; docs/corpora.md tells how.
#[derive(clap::Args)]
pub(crate) struct Synth {
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Number of classes
    #[arg(long)]
    classes: Option<usize>,

    /// Number of clips to train on
    #[arg(long)]
    instances: Option<usize>,

    /// Number of further clips, never trained on
    #[arg(long)]
    held_out: Option<usize>,

    /// How much background, clutter and noise, 0 to 1
    #[arg(long)]
    nuisance: Option<f64>,

    /// Other seeds give other clips
    #[arg(long)]
    seed: Option<u64>,
}

impl Synth {
    fn run(self) -> anyhow::Result<ExitCode> {
        let default = Synthetic::default();
        let corpus = Synthetic {
            classes: self.classes.unwrap_or(default.classes),
            instances: self.instances.unwrap_or(default.instances),
            held_out: self.held_out.unwrap_or(default.held_out),
            nuisance: self.nuisance.unwrap_or(default.nuisance),
            seed: self.seed.unwrap_or(default.seed),
            ..default
        };
        let mut progress = Progress::new();
        let paths = corpus.write(&self.out, &mut |done, total| {
            progress.note(&Event::Preparing { what: "synthetic corpus".to_owned(), done, total });
        })?;
        for path in [&paths.train, &paths.valid, &paths.labels] {
            println!("{}", path.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Measure the mean and standard deviation of the filterbank, for the front_end of a recipe
#[derive(clap::Args)]
pub(crate) struct Stats {
    /// The clips
    manifest: PathBuf,

    /// The recipe whose front end is measured with
    #[arg(long, default_value = "quick")]
    recipe: PathBuf,

    /// Change a value of the recipe; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<Override>,
}

impl Stats {
    fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = Recipe::load(&self.recipe, &self.overrides)?;
        let manifest = Manifest::read(&self.manifest)?;
        let found = statistics(&manifest, &recipe.front_end)?;
        let (listed, digest) = (manifest.clips.len(), manifest.digest());
        println!("{} of {listed} clips, {} frames, list {digest}", found.clips, found.frames);
        println!("mean = {:.4}  # standard error {:.4}", found.mean, found.standard_error);
        println!("std = {:.4}", found.std);
        for skipped in &found.skipped {
            eprintln!("warning: left out: {skipped}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Fetch the stamps: pictures with spoken words, split by language and by picture
///
/// Needs apt or the package's file, no root, and changes nothing outside the cache folder.
#[derive(clap::Args)]
pub(crate) struct Stamps {
    /// Languages to train on, such as fr,ro; each recipe may choose its own
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    heard: Option<Vec<String>>,

    /// Languages to measure on only
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    unheard: Option<Vec<String>>,

    /// The package's .deb file, where there is no apt to fetch it
    #[arg(long, value_name = "FILE")]
    package: Option<PathBuf>,
}

impl Stamps {
    fn run(self) -> anyhow::Result<ExitCode> {
        let default = equiav_corpora::Stamps::default();
        let stamps = equiav_corpora::Stamps {
            heard: self.heard.unwrap_or(default.heard),
            unheard: self.unheard.unwrap_or(default.unheard),
            package: self.package,
            ..default
        };
        let mut progress = Progress::new();
        let paths = stamps.write(&cache_folder()?, &mut |done, total| {
            progress.note(&Event::Preparing { what: "stamps".to_owned(), done, total });
        })?;
        for count in &paths.languages {
            let (code, clips, distinct) = (&count.language, count.clips, count.distinct);
            println!("{code:<6} {clips:>5} pictures described, {distinct:>5} sounds that differ");
        }
        for (what, number) in &paths.left_out {
            println!("{number:>12} {what} left out");
        }
        println!("{}", paths.folder.display());
        Ok(ExitCode::SUCCESS)
    }
}
