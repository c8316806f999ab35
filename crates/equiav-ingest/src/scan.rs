//! What is wrong with every file of a folder, without writing a clip.

use std::path::Path;
use std::sync::Arc;

use image::imageops::{self, FilterType};

use equiav_data::ffmpeg::Ffmpeg;
use equiav_data::parallel::{Teller, for_each};

use crate::analyze::analyze;
use crate::analyze::clip::{Clip, jpeg};
use crate::analyze::findings::Tools;
use crate::ingest::guarded::{ensure_there, guarded};
use crate::ingest::plan;
use crate::ingest::workers::workers;
use crate::{
    Action, FileReport, Finding, IngestError, IngestSettings, Policy, Reason, SourceFile,
    find_sources,
};

/// The width of a thumbnail, in pixels.
const THUMBNAIL: u32 = 160;
/// Clips of a file of which a thumbnail is made until one is known to count.
const TRIED: usize = 8;

/// What [`scan()`] found of one file.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// As an ingest would report it.
    pub report: FileReport,
    /// A small JPEG of the middle frame of its first clip, where there is one.
    pub thumbnail: Option<Vec<u8>>,
}

impl Scanned {
    /// The findings whose policy is to fail.
    pub fn refused<'a>(&'a self, policy: &'a Policy) -> impl Iterator<Item = &'a Finding> {
        let is_refused = |finding: &&Finding| policy.action(finding.reason) == Action::Fail;
        self.report.findings.iter().filter(is_refused)
    }
}

/// Examines every file below `folder` as [`ingest()`](crate::ingest()) would, in the order of their
/// names. What fails there is reported here, as [`Scanned::refused`].
///
/// `watch` gets (files done, all files) on the caller's thread.
///
/// # Errors
///
/// If a setting makes no sense or a folder cannot be listed.
pub fn scan(
    folder: &Path,
    settings: &IngestSettings,
    ffmpeg: &Ffmpeg,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Scanned>, IngestError> {
    settings.check()?;
    let sources = find_sources(folder)?;
    let duplicates = plan::duplicates(&sources)?;
    let lenient = IngestSettings { policy: without_failing(&settings.policy), ..settings.clone() };
    let mut found: Vec<Option<Scanned>> = vec![None; sources.len()];
    let mut done = 0;
    let work = |position: usize, teller: &Teller<'_, (usize, Scanned), IngestError>| {
        let source = &sources[position];
        let duplicate = duplicates[position].map(|first| sources[first].name.as_str());
        let tools = Tools { ffmpeg, settings: &lenient };
        let scanned = guarded(&source.name, || look(source, duplicate, tools))?;
        if scanned.report.clips == 0 {
            ensure_there(folder, source)?;
        }
        teller.tell((position, scanned));
        Ok(())
    };
    for_each(sources.len(), workers(settings.workers), work, &mut |(position, scanned)| {
        found[position] = Some(scanned);
        done += 1;
        watch(done, sources.len());
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Examines one file and keeps a thumbnail of its first clip.
fn look(
    source: &SourceFile,
    duplicate: Option<&str>,
    tools: Tools<'_>,
) -> Result<Scanned, IngestError> {
    let mut thumbnails = Vec::new();
    let mut take = |clip: Clip| {
        // The first ones may turn out to be damaged.
        if thumbnails.len() < TRIED {
            thumbnails.extend(small(&clip).map(|jpeg| (clip.window.number, jpeg)));
        }
        Ok(())
    };
    let (report, kept) = analyze(source, duplicate, tools, &mut take)?;
    let fine = thumbnails.into_iter().find(|(window, _)| kept.contains(window));
    let thumbnail = fine.map(|(_, jpeg)| jpeg);
    Ok(Scanned { report, thumbnail })
}

/// The policy with findings reported where they would end an ingest.
fn without_failing(policy: &Policy) -> Policy {
    let mut lenient = policy.clone();
    for reason in Reason::ALL.into_iter().filter(|r| policy.action(*r) == Action::Fail) {
        lenient.replace(reason, Action::Drop);
    }
    lenient
}

/// The middle picture of `clip`, small, as JPEG.
fn small(clip: &Clip) -> Option<Vec<u8>> {
    let picture = Arc::clone(clip.pictures.get(clip.pictures.len() / 2)?);
    let (width, height) = picture.dimensions();
    if width <= THUMBNAIL {
        return jpeg(&picture, 80).ok();
    }
    let height = (height * THUMBNAIL / width).max(1);
    jpeg(&imageops::resize(&*picture, THUMBNAIL, height, FilterType::Triangle), 80).ok()
}
