//! Files to embed, as the commands on files take them, and what is said of those that cannot be.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use equiav_data::parallel::threads;
use equiav_search::embed::{Broken, Embedder, MediaFiles};
use equiav_train::LoadedModel;

use crate::args::device::OnDevice;
use crate::output::errln;
use crate::output::progress::Progress;

/// Files, folders and manifests.
#[derive(clap::Args)]
pub(crate) struct FileArgs {
    /// Sounds (wav, flac, ogg, mp3), pictures (jpg, png, webp), videos and other sounds (through
    /// FFmpeg), and folders of them at any depth
    #[arg(value_name = "FILE")]
    paths: Vec<PathBuf>,

    /// The sounds and middle frames of a manifest's clips; may be repeated
    #[arg(long = "list", value_name = "MANIFEST")]
    lists: Vec<PathBuf>,
}

/// How files are embedded.
#[derive(clap::Args)]
pub(crate) struct EmbedArgs {
    /// From the start of one window of a long file to that of the next in seconds [default: its
    /// length, which is the front end's]
    #[arg(long, value_name = "SECONDS")]
    stride: Option<f64>,

    /// Windows that are embedded at once [default: one a processor]; no result depends on it
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,

    #[command(flatten)]
    device: OnDevice,
}

impl FileArgs {
    /// The files that are meant.
    pub(crate) fn find(&self) -> anyhow::Result<MediaFiles> {
        let named = !self.paths.is_empty() || !self.lists.is_empty();
        ensure!(named, "nothing to embed: name files or folders, or a manifest with --list");
        let files = MediaFiles::find(&self.paths, &self.lists)?;
        if files.passed_over > 0 {
            errln!("{} files of other kinds are skipped", files.passed_over);
        }
        Ok(files)
    }
}

impl EmbedArgs {
    /// The model at `run`, ready to embed.
    pub(crate) fn open(&self, run: &Path) -> anyhow::Result<Embedder> {
        let trained = LoadedModel::open_on(run, self.device.choice(), &mut Progress::new())?;
        let threads = NonZeroUsize::new(threads(self.threads)).unwrap_or(NonZeroUsize::MIN);
        Embedder::new(trained, self.stride, threads)
    }
}

/// Names each file of which windows were skipped; it is no error, for the others are there.
pub(crate) fn name_damaged(embedder: &Embedder) {
    for Broken { file, reason } in embedder.take_damaged() {
        errln!("{}: {reason}", file.display());
    }
}

/// Names each file that could not be embedded.
///
/// # Errors
///
/// If there is one: the number of them, for the program's end.
pub(crate) fn ensure_whole(broken: &[Broken], of: usize) -> anyhow::Result<()> {
    for Broken { file, reason } in broken {
        errln!("{}: {reason}", file.display());
    }
    let count = broken.len();
    ensure!(count == 0, "{count} of {of} files cannot be embedded: they are named above");
    Ok(())
}
