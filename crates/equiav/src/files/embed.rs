//! `equiav embed`.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_search::embed::{Broken, Per, Row, write};
use equiav_train::{Callback, Event};

use crate::args::file_args::{self, EmbedArgs, FileArgs};
use crate::output::progress::Progress;
use crate::output::remark;

/// Write embeddings of sounds, pictures and videos as safetensors, with an index of the rows
///
/// What is longer than the model's window becomes one row a window. The same file has the same bytes
/// of embedding, whatever it is embedded with. A file that cannot be read is named, the others go
/// on, and the command fails at the end.
#[derive(clap::Args)]
pub(crate) struct Embed {
    /// The run folder, or an exported model
    run: PathBuf,

    #[command(flatten)]
    inputs: FileArgs,

    /// The file to write: tensors `audio` and `visual`, rows of unit length; what each row is of
    /// stands beside it, one JSON object a line
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,

    /// One row a file and modality, the mean direction of its windows, instead of one a window
    #[arg(long)]
    whole: bool,

    #[command(flatten)]
    embedding: EmbedArgs,
}

impl Embed {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let files = self.inputs.find()?.files;
        let embedder = self.embedding.open(&self.run)?;
        let per = if self.whole { Per::File } else { Per::Window };
        let mut progress = Progress::new();
        let (mut done, mut broken) = (Vec::new(), Vec::new());
        embedder.embed(&files, per, &mut |position, rows: Result<Vec<Row>, String>| {
            let file = files[position].path.clone();
            match rows {
                Ok(rows) => done.push((file, rows)),
                Err(reason) => broken.push(Broken { file, reason }),
            }
            let (what, total) = ("embed".to_owned(), files.len());
            progress.on_event(&Event::Preparing { what, done: position + 1, total });
            Ok(())
        })?;
        if !done.is_empty() {
            let written = write(&done, embedder.fingerprint(), &self.out)?;
            let [audio, visual] = written.rows;
            remark!(
                "{}: {audio} rows of sounds, {visual} of pictures, from {} files; {}",
                self.out.display(),
                done.len(),
                written.index.display()
            );
            remark!("model {}", embedder.fingerprint());
        }
        file_args::name_damaged(&embedder);
        file_args::ensure_whole(&broken, files.len())?;
        Ok(ExitCode::SUCCESS)
    }
}
