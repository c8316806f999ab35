//! The run: shards side by side, finished ones skipped, a report that names every file once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use equiav_data::ffmpeg::Ffmpeg;
use equiav_data::parallel::{Teller, for_each, threads};
use equiav_data::shard::{ShardWriter, finished, put, shard_name};
use serde_json::{Value, json};

use crate::clip::Clip;
use crate::examine::examine;
use crate::guarded::guarded;
use crate::notes::Tools;
use crate::plan::{self, OutputFolder};
use crate::spool::Spool;
use crate::{FileReport, IngestError, Settings, Source, Summary, find_sources, key};

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
/// often it was interrupted: finished shards are skipped, others begun anew. `watch` gets (files
/// done, all files) on the caller's thread.
///
/// # Errors
///
/// If a setting makes no sense, `out` lies within `folder` or belongs to another plan, the disk
/// fails, or a finding's policy is to fail. What is wrong with a file is in the report instead.
pub fn ingest(
    folder: &Path,
    out: &Path,
    settings: &Settings,
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
    let tools = Tools { ffmpeg, settings, threads: 1 };
    let run = Run { out, sources: &sources, duplicates: plan::duplicates(&sources), tools };
    let skipped = Mutex::new(0);
    let mut done = 0;
    let shard = |number: usize, teller: &Teller<'_, usize, IngestError>| {
        let (files, name) = (groups[number].clone(), shard_name(number));
        if finished(out, &name)? {
            *skipped.lock().unwrap_or_else(|error| error.into_inner()) += 1;
            teller.tell(files.len());
            return Ok(());
        }
        run.shard(&name, &mut files.into_iter(), teller)
    };
    for_each(groups.len(), threads(settings.workers), shard, &mut |files| {
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
    out: &'a Path,
    sources: &'a [Source],
    duplicates: Vec<Option<usize>>,
    tools: Tools<'a>,
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
        shard.finish(&json!({ "clips": clips, "files": reports }))?;
        Ok(())
    }

    /// Appends the clips of one file: all that it gives, or none.
    fn file(&self, position: usize, shard: &mut ShardWriter) -> Result<FileReport, IngestError> {
        let source = &self.sources[position];
        let (report, spool) = guarded(&source.name, || self.cut(position))?;
        if report.clips > 0 {
            spool.write(shard, self.out)?;
        }
        Ok(report)
    }

    /// Examines one file, with its clips encoded.
    fn cut(&self, position: usize) -> Result<(FileReport, Spool), IngestError> {
        let source = &self.sources[position];
        let stem = key::stem(&source.relative);
        let about = json!({ "source": source.name });
        let mut spool = Spool::new(self.out);
        let mut take = |clip: Clip| {
            let fault = |message| IngestError::Panicked { file: source.name.clone(), message };
            let members = clip.encode(&about, self.tools.settings).map_err(fault)?;
            let pushed = spool.push(key::key(&stem, clip.window.number), members);
            pushed.map_err(|error| IngestError::io(self.out, error))
        };
        let duplicate = self.duplicates[position].map(|first| self.sources[first].name.as_str());
        let report = examine(source, duplicate, self.tools, &mut take)?;
        Ok((report, spool))
    }
}

/// Puts the reports of all shards together.
fn conclude(out: &Path, shards: usize, skipped: usize) -> Result<Ingested, IngestError> {
    let mut reports = Vec::new();
    for number in 0..shards {
        let path = out.join(format!("{}.stats.json", shard_name(number)));
        let text = fs::read(&path).map_err(|error| IngestError::io(&path, error))?;
        let files = serde_json::from_slice(&text).and_then(|mut statistics: Value| {
            serde_json::from_value::<Vec<FileReport>>(statistics["files"].take())
        });
        reports.extend(files.map_err(|error| {
            let reason = format!("it holds no report ({error}); delete the shard to make it anew");
            IngestError::folder(&path, reason)
        })?);
    }
    let lines = reports.iter().map(|report| format!("{}\n", json!(report)));
    let report = out.join("report.jsonl");
    put(&report, lines.collect::<String>().as_bytes())
        .map_err(|error| IngestError::io(&report, error))?;
    Ok(Ingested { shards, skipped, summary: Summary::of(&reports), report })
}
