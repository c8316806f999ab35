//! `equiav index`.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_search::index::index_files;
use equiav_train::{Callback, Event};

use crate::args::file_args::{self, EmbedArgs, FileArgs};
use crate::output::progress::Progress;
use crate::output::remark;

/// Add embeddings of sounds, pictures and videos to an index for `equiav search`
///
/// Files whose bytes are in the index already are not embedded again. The same command goes on
/// where a killed one stopped.
#[derive(clap::Args)]
pub(crate) struct Index {
    /// The run folder, or an exported model
    run: PathBuf,

    #[command(flatten)]
    inputs: FileArgs,

    /// The index to make, or to add to
    #[arg(long, value_name = "INDEX")]
    out: PathBuf,

    /// Files that are one transaction: so many at most are lost when the command is killed
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,

    #[command(flatten)]
    embedding: EmbedArgs,
}

impl Index {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let files = self.inputs.find()?.files;
        let embedder = self.embedding.open(&self.run)?;
        let mut progress = Progress::new();
        let every = self.every as usize;
        let indexed = index_files(&embedder, &files, &self.out, every, &mut |done, total| {
            progress.on_event(&Event::Preparing { what: "index".to_owned(), done, total });
        })?;
        remark!(
            "{}: {} files embedded, {} copies, {} unchanged; model {}",
            self.out.display(),
            indexed.embedded,
            indexed.copies,
            indexed.unchanged,
            embedder.fingerprint()
        );
        file_args::name_damaged(&embedder);
        file_args::ensure_whole(&indexed.broken, files.len())?;
        Ok(ExitCode::SUCCESS)
    }
}
