//! The run: shards side by side, finished ones skipped, a report that names every file once.

pub(crate) mod guarded;
pub(crate) mod plan;
pub(crate) mod resume;
pub(crate) mod temp_clips;
pub(crate) mod workers;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use equiav_data::atomic_write_locked;
use equiav_data::ffmpeg::Ffmpeg;
use equiav_data::parallel::{Teller, for_each};
use equiav_data::shard::{ShardWriter, shard_name};
use serde_json::json;

use crate::analyze::analyze;
use crate::analyze::clip::Clip;
use crate::analyze::findings::Tools;
use crate::sources::key;
use crate::{FileReport, IngestError, IngestSettings, SourceFile, Summary, find_sources};
use guarded::{ensure_there, guarded};
use plan::OutputFolder;
use resume::Before;
use temp_clips::TempClips;
use workers::workers;

/// What [`ingest()`] made.
#[derive(Clone, Debug)]
pub struct Ingested {
    /// Shards in the folder.
    pub shards: usize,
    /// How many of them were there already.
    pub skipped: usize,
    /// Figures of all files.
    pub summary: Summary,
    /// The file that names every input file once: a line of JSON each, in the order of their names.
    pub report: PathBuf,
}

/// Cuts every video and picture-sound pair below `folder` into clips, in numbered shards in `out`.
///
/// Equal files, settings and FFmpeg give equal bytes, whatever the number of threads and however
/// often it was interrupted: finished shards are skipped, unless one of their files has a finding that
/// is to be tried again, others begun anew. Files that give no clip make no tar file, only a line of the
/// report. `watch` gets (files done, all files) on the caller's thread.
///
/// # Errors
///
/// If a setting makes no sense, `out` lies within `folder` or belongs to another plan, the machine
/// fails (a disk, FFmpeg gone or killed, too many open files), or a finding's policy is to fail; nothing
/// is counted as done then that was not. What is wrong with a file is in the report instead.
pub fn ingest(
    folder: &Path,
    out: &Path,
    settings: &IngestSettings,
    ffmpeg: &Ffmpeg,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Ingested, IngestError> {
    settings.check()?;
    apart(folder, out)?;
    let sources = find_sources(folder)?;
    if sources.is_empty() {
        return Err(IngestError::folder(folder, "there is no file in it"));
    }
    let _lock = OutputFolder::open(out, &plan::identity(&sources, settings, ffmpeg))?;
    let groups = plan::groups(&sources, settings);
    let duplicates = plan::duplicates(&sources)?;
    let run = Run { folder, out, sources: &sources, duplicates, ffmpeg, settings };
    let skipped = Mutex::new(0);
    let mut done = 0;
    let shard = |number: usize, teller: &Teller<'_, usize, IngestError>| {
        let (files, name) = (groups[number].clone(), shard_name(number));
        match resume::before(out, &name, &settings.retry)? {
            Before::Finished => {
                *skipped.lock().unwrap_or_else(|error| error.into_inner()) += 1;
                teller.tell(files.len());
            }
            Before::Open => run.shard(&name, &mut files.into_iter(), teller)?,
        }
        Ok(())
    };
    for_each(groups.len(), workers(settings.workers), shard, &mut |files| {
        done += files;
        watch(done, sources.len());
    })?;
    let skipped = skipped.into_inner().unwrap_or_else(|error| error.into_inner());
    conclude(out, groups.len(), skipped)
}

/// Refuses an output folder whose shards would be inputs the next time.
fn apart(folder: &Path, out: &Path) -> Result<(), IngestError> {
    let whole = |path: &Path| {
        std::path::absolute(path).map(|whole| fs::canonicalize(&whole).unwrap_or(whole))
    };
    let inside = whole(out).and_then(|out| Ok(out.starts_with(whole(folder)?)));
    match inside.map_err(|error| IngestError::io(out, error))? {
        true => Err(IngestError::folder(out, "it lies within the folder of videos; name another")),
        false => Ok(()),
    }
}

/// What the making of every shard needs.
struct Run<'a> {
    folder: &'a Path,
    out: &'a Path,
    sources: &'a [SourceFile],
    duplicates: Vec<Option<usize>>,
    ffmpeg: &'a Ffmpeg,
    settings: &'a IngestSettings,
}

impl Run<'_> {
    /// Makes one shard of `files`; none if another shard has failed meanwhile.
    fn shard(
        &self,
        name: &str,
        files: &mut dyn Iterator<Item = usize>,
        teller: &Teller<'_, usize, IngestError>,
    ) -> Result<(), IngestError> {
        let mut shard = ShardWriter::create(self.out, name)?;
        let mut reports = Vec::new();
        for position in files {
            if teller.is_over() {
                return Ok(());
            }
            reports.push(self.file(position, &mut shard)?);
            teller.tell(1);
        }
        let clips: usize = reports.iter().map(|report| report.clips).sum();
        let statistics = json!({ "clips": clips, "files": reports });
        if clips == 0 {
            drop(shard);
            return resume::without_clips(self.out, name, &statistics);
        }
        shard.finish(&statistics)?;
        Ok(())
    }

    /// Appends the clips of one file: all that it gives, or none.
    fn file(&self, position: usize, shard: &mut ShardWriter) -> Result<FileReport, IngestError> {
        let source = &self.sources[position];
        let (report, kept, clips) = guarded(&source.name, || self.cut(position))?;
        if !kept.is_empty() {
            clips.write(&kept, shard, self.out)?;
        }
        Ok(report)
    }

    /// Examines one file, with its clips encoded, and the windows of those that count.
    fn cut(&self, position: usize) -> Result<(FileReport, Vec<usize>, TempClips), IngestError> {
        let source = &self.sources[position];
        let stem = key::stem(&source.relative);
        let about = json!({ "source": source.name });
        let mut clips = TempClips::new(self.out);
        let mut take = |clip: Clip| {
            let fault = |message| IngestError::Panicked { file: source.name.clone(), message };
            let members = clip.encode(&about, self.settings).map_err(fault)?;
            let number = clip.window.number;
            let pushed = clips.push(number, key::key(&stem, number), members);
            pushed.map_err(|error| IngestError::io(self.out, error))
        };
        let duplicate = self.duplicates[position].map(|first| self.sources[first].name.as_str());
        let tools = Tools { ffmpeg: self.ffmpeg, settings: self.settings };
        let (report, kept) = analyze(source, duplicate, tools, &mut take)?;
        if report.clips == 0 {
            ensure_there(self.folder, source)?;
        }
        Ok((report, kept, clips))
    }
}

/// Puts the reports of all shards together.
fn conclude(out: &Path, shards: usize, skipped: usize) -> Result<Ingested, IngestError> {
    let mut reports = Vec::new();
    for number in 0..shards {
        reports.extend(resume::reports(out, &shard_name(number))?);
    }
    let lines = reports.iter().map(|report| format!("{}\n", json!(report)));
    let report = out.join("report.jsonl");
    atomic_write_locked(&report, lines.collect::<String>().as_bytes())
        .map_err(|error| IngestError::io(&report, error))?;
    Ok(Ingested { shards, skipped, summary: Summary::of(&reports), report })
}
