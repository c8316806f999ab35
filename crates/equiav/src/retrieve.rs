//! `equiav retrieve`.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_data::Clips;
use equiav_train::Trained;

use crate::progress::Progress;
use crate::table;

/// Measure zero-shot retrieval both ways with a run's newest checkpoint
///
/// Every clip is embedded with the same fixed, seeded set of parameter vectors, so the same bytes
/// have the same embedding.
#[derive(clap::Args)]
pub(crate) struct Retrieve {
    /// The run folder
    run: PathBuf,

    /// Measure these clips instead of the recipe's own lists: a manifest or shards; may be repeated
    #[arg(long = "list", value_name = "CLIPS")]
    lists: Vec<String>,

    /// Print one JSON object a list instead of a table
    #[arg(long)]
    json: bool,
}

impl Retrieve {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut progress = Progress::new();
        let trained = Trained::open(&self.run, &mut progress)?;
        let retrieved = if self.lists.is_empty() {
            trained.retrieve_all(&mut progress)?
        } else {
            let measure = |list: &String| trained.retrieve(list, Clips::open(list)?);
            self.lists.iter().map(measure).collect::<anyhow::Result<_>>()?
        };
        if self.json {
            for figures in &retrieved {
                println!("{}", serde_json::to_string(figures)?);
            }
        } else {
            println!("{}, {} finished epochs", trained.checkpoint.display(), trained.epoch);
            print!("{}", table::retrieval(&retrieved));
        }
        Ok(ExitCode::SUCCESS)
    }
}
