//! `equiav search`.

mod page;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::ValueEnum;
use equiav_augment::Modality;
use equiav_search::embed::{Embedder, MediumFile, Per, Row};
use equiav_search::index::IndexContents;
use equiav_search::search::{self, Gallery, ListRecall, lookers, measure};
use serde_json::json;
use show::Answer;

use crate::args::file_args::{EmbedArgs, name_damaged};
use crate::output::{errln, out, outln};

/// Find the sounds and pictures of an index that fit a sound, a picture or a video
///
/// A sound looks for pictures, a picture for sounds, a video's sound for pictures and its pictures
/// for sounds. Each file is found once, at the window that fits best. The search is exact.
#[derive(clap::Args)]
pub(crate) struct Search {
    /// The index, from `equiav index`
    index: PathBuf,

    /// The run folder, or the exported model, that the index was made with
    run: PathBuf,

    #[command(flatten)]
    query: Query,

    /// Where to look [default: among what is of the other kind than the query]
    #[arg(long = "in", value_name = "KIND")]
    among: Option<Among>,

    /// How many files to find
    #[arg(short = 'k', long = "top", value_name = "N", default_value_t = 10)]
    top: usize,

    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,

    /// Write the answer as a page with players and pictures, which needs no network
    #[arg(long, value_name = "FILE", conflicts_with = "measure")]
    html: Option<PathBuf>,

    #[command(flatten)]
    embedding: EmbedArgs,
}

/// What is looked for.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Query {
    /// What fits this sound
    #[arg(long, value_name = "FILE")]
    audio: Option<PathBuf>,

    /// What fits this picture
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,

    /// What fits this video, or this sound of a format that FFmpeg knows
    #[arg(long, value_name = "FILE")]
    video: Option<PathBuf>,

    /// How often the sound of each clip of a manifest finds the clip's picture, at rank 1, 5 and 10
    /// with 95 % intervals; may be repeated
    #[arg(long, value_name = "MANIFEST")]
    measure: Vec<PathBuf>,
}

/// What is looked through.
#[derive(Clone, Copy, ValueEnum)]
enum Among {
    /// Sounds
    Audio,
    /// Pictures, and frames of videos
    Visual,
    /// Either, each with an answer of its own
    Both,
}

impl Search {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let embedder = self.embedding.open(&self.run)?;
        let contents = search::open(&self.index, embedder.fingerprint())?;
        if !self.query.measure.is_empty() {
            self.measure(&embedder, &contents)?;
            return Ok(ExitCode::SUCCESS);
        }
        let file = self.query.file()?;
        let query = embed(&embedder, &file)?;
        let galleries = self.modalities(&query).into_iter().map(|modality| {
            let gallery = Gallery::new(&contents, modality, tch::Device::Cpu);
            let hits = gallery.search(&lookers(&query, modality), self.top);
            Answer { modality, files: gallery.len(), hits }
        });
        let answers: Vec<Answer> = galleries.collect();
        // The page first: it is there also where nobody reads the table.
        if let Some(path) = &self.html {
            let text = page::page(&file, &answers, embedder.fingerprint(), path)?;
            std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
            errln!("{}", path.display());
        }
        if self.json {
            let model = embedder.fingerprint();
            let answers: Vec<_> = answers.iter().map(Answer::to_json).collect();
            outln!("{}", json!({"query": file, "model": model, "answers": answers}))?;
        } else {
            answers.iter().try_for_each(|answer| out!("{}", answer.table()))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What is looked through: unless it was said, what is of the other kind than the query.
    fn modalities(&self, query: &[Row]) -> Vec<Modality> {
        let other = |modality: &Modality| query.iter().any(|row| row.modality != *modality);
        match self.among {
            Some(Among::Audio) => vec![Modality::AUDIO],
            Some(Among::Visual) => vec![Modality::VISUAL],
            Some(Among::Both) => Modality::AUDIO_VISUAL.to_vec(),
            None => Modality::AUDIO_VISUAL.into_iter().filter(other).collect(),
        }
    }

    fn measure(&self, embedder: &Embedder, contents: &IndexContents) -> anyhow::Result<()> {
        let lists = &self.query.measure;
        let found = lists.iter().map(|list| measure(embedder, contents, list));
        let found: Vec<ListRecall> = found.collect::<anyhow::Result<_>>()?;
        let together = ListRecall::together(&found);
        for broken in found.iter().flat_map(|found| &found.broken) {
            errln!("skipped: {}: {}", broken.file.display(), broken.reason);
        }
        if self.json {
            let named: Vec<_> = lists.iter().zip(&found).collect();
            let model = embedder.fingerprint();
            outln!("{}", json!({"model": model, "lists": named, "together": together}))?;
            return Ok(());
        }
        outln!("{}", show::RECALL_HEAD)?;
        for (list, found) in lists.iter().zip(&found) {
            outln!("{}", show::recall(&stem(list), found))?;
        }
        if let Some(together) = together.filter(|_| found.len() > 1) {
            outln!("{}", show::recall("together", &together))?;
        }
        Ok(())
    }
}

impl Query {
    /// The file, which must be of the kind that the flag says.
    fn file(&self) -> anyhow::Result<PathBuf> {
        use equiav_search::embed::Medium::{Picture, Recording, Sound};
        let flags = [
            (&self.audio, "a sound", &[Sound, Recording][..]),
            (&self.image, "a picture", &[Picture]),
            (&self.video, "a video", &[Recording]),
        ];
        for (file, what, media) in flags {
            let Some(path) = file else { continue };
            match MediumFile::new(path.clone()).medium {
                Some(medium) if media.contains(&medium) => return Ok(path.clone()),
                _ => bail!("{}: its ending is not of {what}", path.display()),
            }
        }
        bail!("no query: give --audio, --image or --video")
    }
}

/// The rows of one file.
fn embed(embedder: &Embedder, file: &Path) -> anyhow::Result<Vec<Row>> {
    let mut query = Vec::new();
    let files = [MediumFile::new(file.to_owned())];
    embedder.embed(&files, Per::Window, &mut |_, rows| {
        query = rows.map_err(|reason| anyhow::anyhow!("{}: {reason}", file.display()))?;
        Ok(())
    })?;
    name_damaged(embedder);
    Ok(query)
}

/// A list's name in a table.
fn stem(list: &Path) -> String {
    list.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
