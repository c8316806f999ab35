//! `equiav retrieve`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use equiav_data::{Clips, TrainOverlap};
use equiav_train::eval::embeddings::Variant;
use equiav_train::eval::retrieval::{RetrievalMetrics, retrieve_as};
use equiav_train::recipe::Settings;
use equiav_train::{LoadedModel, dataset};

use crate::args::device::OnDevice;
use crate::output::progress::Progress;
use crate::output::{out, outln};
use crate::output::{overlap, retrieval};

/// Measure zero-shot retrieval both ways with a run's newest checkpoint
///
/// Every clip is embedded with the same fixed, seeded set of parameter vectors, so the same bytes
/// have the same embedding. Ranks are exact, at any number of clips; intervals hold 95 % of 1,000
/// resamples of the queries.
#[derive(clap::Args)]
pub(crate) struct Retrieve {
    /// The run folder
    run: PathBuf,

    /// Measure these clips instead of the recipe's own lists: a manifest or shards; may be repeated
    #[arg(long = "list", value_name = "CLIPS")]
    lists: Vec<String>,

    /// Which embedding of a clip is compared
    #[arg(long, value_enum, default_value = "recipe")]
    variant: Which,

    /// How many vectors the centroid has; the recipe's number if not given
    #[arg(long, value_name = "S")]
    centroid: Option<NonZeroUsize>,

    /// What the vectors are drawn with; the recipe's seed if not given
    #[arg(long, value_name = "SEED")]
    vectors_seed: Option<u64>,

    /// Print one JSON object a list instead of a table
    #[arg(long)]
    json: bool,

    /// With --json: the rank of every query's right answer too, in the order of the list
    #[arg(long, requires = "json")]
    ranks: bool,

    #[command(flatten)]
    device: OnDevice,
}

/// Which embedding of a clip is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Which {
    /// The one whose likes the recipe's loss between the modalities compares
    Recipe,
    /// The plain view's own, without any prediction
    Clean,
    /// The mean of the predictions from a set of vectors
    Centroid,
}

impl Retrieve {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut progress = Progress::new();
        let trained = LoadedModel::open_on(&self.run, self.device.choice(), &mut progress)?;
        let variant = self.variant(&trained.recipe)?;
        let source = &trained.recipe.data.source;
        let (train, lists) = if self.lists.is_empty() {
            let corpus = source.prepare(&mut progress)?;
            (Some(corpus.train), corpus.evaluate)
        } else {
            let open = |list: &String| Ok((list.clone(), Clips::open(list)?));
            let lists = self.lists.iter().map(open).collect::<anyhow::Result<_>>()?;
            (source.train_list(), lists)
        };
        let LoadedModel { recipe, network, checkpoint, epoch, .. } = &trained;
        let measure = |(name, clips): (String, Clips)| {
            let overlap = train.as_ref().map(|train| TrainOverlap::of(&clips, train));
            let dataset = dataset(recipe, clips)?;
            let figures = retrieve_as(variant, &name, dataset, network, recipe)?;
            Ok(RetrievalMetrics { overlap, ..figures })
        };
        let retrieved =
            lists.into_iter().map(measure).collect::<anyhow::Result<Vec<RetrievalMetrics>>>()?;
        overlap::warn(retrieved.iter().map(|one| (&one.list, &one.overlap)));
        if self.json {
            for figures in retrieved {
                let figures = if self.ranks { figures } else { figures.without_ranks() };
                outln!("{}", serde_json::to_string(&figures)?)?;
            }
        } else {
            outln!("{}, {epoch} finished epochs", checkpoint.display())?;
            out!("{}", retrieval::retrieval(&retrieved))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The variant that was asked for, where the recipe says what was not.
    fn variant(&self, recipe: &Settings) -> anyhow::Result<Variant> {
        let of_recipe = match self.variant {
            Which::Recipe => Variant::of(recipe),
            Which::Clean => Variant::Clean,
            Which::Centroid => Variant::Centroid {
                vectors: recipe.objective.centroid_samples,
                seed: recipe.evaluation.seed,
            },
        };
        match of_recipe {
            Variant::Clean if self.centroid.is_some() || self.vectors_seed.is_some() => {
                bail!(
                    "--centroid and --vectors-seed have no vectors to choose here: add `--variant centroid`"
                )
            }
            Variant::Clean => Ok(Variant::Clean),
            Variant::Centroid { vectors, seed } => Ok(Variant::Centroid {
                vectors: self.centroid.map_or(vectors, NonZeroUsize::get),
                seed: self.vectors_seed.unwrap_or(seed),
            }),
        }
    }
}
