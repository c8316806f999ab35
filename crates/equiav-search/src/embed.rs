//! Embeddings of plain files: sounds, pictures and videos, named one by one, by folder or by manifest.
//!
//! A long file becomes several windows, and every window goes through the network alone and on one
//! thread: what comes out depends on the bytes of its file, on the model and on the machine's libtorch,
//! never on what else is embedded, in which order, or on how many threads. Several windows are worked
//! on at once, by a network each that shares the weights.

mod files;
mod network;
mod video;
mod views;
mod windows;
mod write;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use equiav_augment::Modality;
use equiav_data::panic_message;
use equiav_data::parallel::{Teller, for_each};
use equiav_torch::OneThread;
use serde::{Deserialize, Serialize};

use equiav_train::Fingerprint;
use equiav_train::model::LoadedModel;

pub(crate) use files::picture as clip_picture;
pub use files::{MediaFiles, Medium, MediumFile};
pub use video::{Moment, Video};
pub use views::find_ffmpeg;
pub use windows::{Cutting, Span};
pub use write::{Written, write};

use network::Networks;
use views::{Reader, Unread, View};

/// Windows that are worked on before the next ones of the same file are read.
const AT_ONCE: usize = 64;

/// The embedding of one window, or of one file as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Whether it is of a sound or of a picture.
    pub modality: Modality,
    /// What of its file it is of; `None` for a picture, which has no time.
    pub span: Option<Span>,
    /// Of unit length.
    pub vector: Vec<f32>,
}

/// How many rows a file gives.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// One for each window and modality.
    #[default]
    Window,
    /// One for each modality: the mean over its windows, again of unit length.
    File,
}

/// A file that cannot be embedded, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it, in one line.
    pub reason: String,
}

/// Gets, in the order of the files, the position of each and its rows or what is wrong with it.
pub type Take<'a> = dyn FnMut(usize, Result<Vec<Row>, String>) -> anyhow::Result<()> + 'a;

/// A model that embeds files.
#[derive(Debug)]
pub struct Embedder {
    fingerprint: Fingerprint,
    cutting: Cutting,
    reader: Reader,
    networks: Mutex<Networks>,
    threads: NonZeroUsize,
    /// Files of which windows were skipped.
    damaged: Mutex<Vec<Broken>>,
}

impl Embedder {
    /// An embedder of `trained` that cuts long files by windows of the front end's length, one every
    /// `stride` seconds (their own length where that is absent), on `threads` threads.
    ///
    /// # Errors
    ///
    /// If the front end makes no sense, or `stride` is below a sixteenth of a window.
    pub fn new(
        trained: LoadedModel,
        stride: Option<f64>,
        threads: NonZeroUsize,
    ) -> anyhow::Result<Self> {
        let cutting = Cutting::new(trained.recipe.front_end.frames, stride)?;
        let reader = Reader::new(&trained.recipe, cutting)?;
        let fingerprint = trained.fingerprint();
        let networks = Mutex::new(Networks::new(trained));
        Ok(Self { fingerprint, cutting, reader, networks, threads, damaged: Mutex::default() })
    }

    /// The model.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// How long files are cut.
    pub fn cutting(&self) -> Cutting {
        self.cutting
    }

    /// How many threads work.
    pub fn threads(&self) -> usize {
        self.threads.get()
    }

    /// The files, since this was last asked, that gave rows although some of their windows are damaged and
    /// were skipped; by name.
    pub fn take_damaged(&self) -> Vec<Broken> {
        let mut damaged = std::mem::take(&mut *lock(&self.damaged));
        damaged.sort_by(|a, b| a.file.cmp(&b.file));
        damaged
    }

    /// Embeds `files` and hands what comes of each to `take`, on this thread and in their order.
    ///
    /// # Errors
    ///
    /// The first that `take` gives, and faults of this program or of the machine; a file that cannot be
    /// embedded is no error here.
    pub fn embed(&self, files: &[MediumFile], per: Per, take: &mut Take<'_>) -> anyhow::Result<()> {
        let _alone = OneThread::set();
        let at_once = self.threads.get().min(files.len()).max(1);
        let within = self.threads.get().div_ceil(at_once);
        let work = |position: usize, teller: &Teller<'_, Told, String>| {
            let file = &files[position];
            let embed = || self.embed_file(file, per, within);
            let rows = catch_unwind(AssertUnwindSafe(embed)).unwrap_or_else(|panic| {
                let why = format!("this program's own fault: {}", panic_message(&*panic));
                Err(Unread::File(why))
            });
            match rows {
                Ok(rows) => teller.tell((position, Ok(rows))),
                Err(Unread::File(why)) => teller.tell((position, Err(why))),
                Err(Unread::Machine(why)) => {
                    let file = file.path.display();
                    return Err(format!("{file}: {why} (a fault of the machine, not of the file)"));
                }
            }
            Ok(())
        };
        let (mut waiting, mut next, mut failed) = (BTreeMap::new(), 0, None);
        let ended = for_each(files.len(), at_once, work, &mut |(position, rows): Told| {
            waiting.insert(position, rows);
            while let Some(rows) = waiting.remove(&next) {
                if failed.is_none() {
                    failed = take(next, rows).err();
                }
                next += 1;
            }
        });
        failed.map_or(Ok(()), Err)?;
        ended.map_err(anyhow::Error::msg)
    }

    /// The rows of one file, by `threads` threads.
    fn embed_file(&self, file: &MediumFile, per: Per, threads: usize) -> Result<Vec<Row>, Unread> {
        let (mut rows, mut views) = (Vec::new(), Vec::new());
        let damaged = self.reader.read(file, &mut |view| {
            views.push(view);
            if views.len() == AT_ONCE { self.drain(&mut views, threads, &mut rows) } else { Ok(()) }
        })?;
        self.drain(&mut views, threads, &mut rows)?;
        let all = rows.len();
        rows.retain(|row| !damaged.concerns(row.modality, row.span));
        if rows.is_empty() {
            return Err("all of it is damaged".to_owned().into());
        }
        if rows.len() < all {
            let reason = format!("{} of {all} windows are damaged and skipped", all - rows.len());
            lock(&self.damaged).push(Broken { file: file.path.clone(), reason });
        }
        Ok(match per {
            Per::Window => rows,
            Per::File => Modality::AUDIO_VISUAL
                .iter()
                .filter_map(|modality| whole(&rows, *modality))
                .collect(),
        })
    }

    /// Embeds `views`, which are empty then.
    fn drain(
        &self,
        views: &mut Vec<View>,
        threads: usize,
        rows: &mut Vec<Row>,
    ) -> Result<(), String> {
        let views = std::mem::take(views);
        if threads == 1 {
            for view in &views {
                rows.push(self.embed_view(view)?);
            }
            return Ok(());
        }
        let mut done: Vec<Option<Row>> = vec![None; views.len()];
        let work = |position: usize, teller: &Teller<'_, (usize, Row), String>| {
            teller.tell((position, self.embed_view(&views[position])?));
            Ok(())
        };
        for_each(views.len(), threads, work, &mut |(position, row)| done[position] = Some(row))?;
        rows.extend(done.into_iter().flatten());
        Ok(())
    }

    fn embed_view(&self, view: &View) -> Result<Row, String> {
        let vector = Networks::with(&self.networks, |network| network.embed(view))?;
        Ok(Row { modality: view.modality, span: view.span, vector: unit(vector)? })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The position of a file, and what came of it.
type Told = (usize, Result<Vec<Row>, String>);

/// `vector` at unit length.
fn unit(vector: Vec<f32>) -> Result<Vec<f32>, String> {
    let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if !norm.is_finite() || norm == 0.0 {
        return Err(format!("its embedding has the length {norm}: the model cannot embed it"));
    }
    Ok(vector.into_iter().map(|value| (f64::from(value) / norm) as f32).collect())
}

/// The mean of the rows of `modality`, if there are any.
fn whole(rows: &[Row], modality: Modality) -> Option<Row> {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.modality == modality).collect();
    let (first, last) = (rows.first()?, rows.last()?);
    let mut sums = vec![0.0_f64; first.vector.len()];
    for row in &rows {
        for (sum, value) in sums.iter_mut().zip(&row.vector) {
            *sum += f64::from(*value);
        }
    }
    let norm = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
    let span = first.span.zip(last.span);
    let span = span.map(|(first, last)| Span { start: first.start, end: last.end });
    // Windows that cancel each other leave the first one.
    let vector = match norm {
        0.0 => first.vector.clone(),
        norm => sums.iter().map(|sum| (sum / norm) as f32).collect(),
    };
    Some(Row { modality, span, vector })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_the_mean_direction_of_its_windows() {
        let row = |start, vector: [f32; 2]| Row {
            modality: Modality::AUDIO,
            span: Some(Span { start, end: start + 10 }),
            vector: vector.to_vec(),
        };
        let rows = [row(0, [1.0, 0.0]), row(10, [0.0, 1.0])];
        let mean = whole(&rows, Modality::AUDIO).expect("two rows");
        assert_eq!(mean.span, Some(Span { start: 0, end: 20 }));
        assert_eq!(mean.vector, [0.5_f32.sqrt(); 2]);
        assert_eq!(whole(&rows, Modality::VISUAL), None);
        let opposite = [row(0, [1.0, 0.0]), row(10, [-1.0, 0.0])];
        assert_eq!(whole(&opposite, Modality::AUDIO).expect("rows").vector, [1.0, 0.0]);
    }

    #[test]
    fn a_vector_without_a_direction_is_refused() {
        assert_eq!(unit(vec![3.0, 4.0]).expect("a direction"), [0.6, 0.8]);
        assert!(unit(vec![0.0, 0.0]).is_err() && unit(vec![f32::NAN, 1.0]).is_err());
    }
}
