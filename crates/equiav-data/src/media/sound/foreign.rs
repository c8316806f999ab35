//! Sounds that the own decoders do not take, through FFmpeg: which one, from which bytes, and what comes out.
//!
//! FFmpeg is told which format it is to read, by what the file's first bytes say: what it would guess of
//! noise is never heard.

mod kept;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kept::Kept;

use super::Extent;
use super::decode::too_long;
use super::input::Input;
use super::refusal::Refusal;
use super::track::check_rate;
use crate::error::MediaError;
use crate::io::cache_folder::cache_folder;
use crate::media::ffmpeg::process::Running;
use crate::media::ffmpeg::task::{Detail, Limits, Task};
use crate::media::ffmpeg::{ABSENT, Ffmpeg, FfmpegError};
use equiav_frontend::Waveform;

/// How long it may take. A sound that is longer than any that is used is not decoded to its end.
const LIMITS: Limits =
    Limits { silence: Duration::from_secs(60), whole: Duration::from_secs(600), memory_mb: 2_048 };
/// What FFmpeg is asked to make.
const OUTPUT: &str = "-vn -sn -dn -af pan=mono|c0=c0,asetpts=N/SR/TB -c:a pcm_f32be -f au";
/// How many bytes of samples are taken at once.
const BLOCK: usize = 1 << 16;

/// What another decoder is asked for.
#[derive(Debug)]
pub(super) struct Foreign {
    /// What the file is, or what the own decoder stumbled on.
    pub(super) reason: String,
    /// FFmpeg's name of the format.
    pub(super) demuxer: &'static str,
    /// How many samples there must be, where the file says so.
    pub(super) promised: Option<u64>,
}

/// The sound of `input`, which errors call `name`: from the cache folder, or through FFmpeg.
pub(super) fn read(
    input: &Input<'_>,
    name: &Path,
    foreign: &Foreign,
    extent: Extent,
) -> Result<Waveform, MediaError> {
    let (ffmpeg, cache) = (ffmpeg(), cache_folder());
    let ffmpeg = ffmpeg.as_ref().copied().map_err(String::as_str);
    read_by(ffmpeg, cache.as_deref(), input, foreign, extent).map_err(|refusal| match refusal {
        Refusal::Io(error) => MediaError::io(name, &error),
        Refusal::Machine(reason) => {
            MediaError { machine: true, ..MediaError::broken(name, reason) }
        }
        Refusal::Broken(reason) | Refusal::Foreign(reason) => MediaError::broken(name, reason),
    })
}

/// The FFmpeg of this process, or the ways to get one: looked for until it is found, since a data set may
/// hold a million of such sounds and looking for it starts a program.
fn ffmpeg() -> Result<&'static Ffmpeg, String> {
    static FOUND: OnceLock<Ffmpeg> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    let found = Ffmpeg::find(cache_folder().as_deref()).map_err(|error| error.to_string())?;
    Ok(FOUND.get_or_init(|| found))
}

fn read_by(
    ffmpeg: Result<&Ffmpeg, &str>,
    cache: Option<&Path>,
    input: &Input<'_>,
    foreign: &Foreign,
    extent: Extent,
) -> Result<Waveform, Refusal> {
    let kept = match cache {
        Some(cache) => Some(Kept::new(&cache.join("sounds"), input, extent)?),
        None => None,
    };
    // What it is asked for is part of what it makes.
    let made = |ffmpeg: &Ffmpeg| format!("{} {OUTPUT}", ffmpeg.version);
    let version = ffmpeg.ok().map(made);
    if let Some(waveform) = kept.as_ref().and_then(|kept| kept.read(version.as_deref())) {
        return Ok(waveform);
    }
    let Foreign { reason, demuxer, promised } = foreign;
    let ffmpeg = ffmpeg.map_err(|none| match none.starts_with(ABSENT) {
        true => Refusal::broken(format!("{reason}, which takes FFmpeg to read; {none}")),
        // It is there and does not run: no fault of the sound's.
        false => Refusal::Machine(none.to_owned()),
    })?;
    let file = match input {
        Input::File(path) => Material { path: path.to_path_buf(), is_temporary: false },
        Input::Bytes(bytes) => Material::temporary(bytes.as_ref())?,
    };
    let task = Task {
        ffmpeg,
        limits: LIMITS,
        file: &file.path,
        detail: Detail::Complaints,
        // Checksums are checked, which FFmpeg does not do of itself.
        input: ["-err_detect", "crccheck+explode", "-f", *demuxer].map(str::to_owned).into(),
        // The default track, which FFmpeg chooses by itself, not the first. Time stamps that start anew in
        // the middle are counted through.
        output: OUTPUT.split(' ').map(str::to_owned).collect(),
    };
    let refused = |what: &str| Refusal::broken(format!("{reason}; FFmpeg: {what}"));
    let of_ffmpeg = |error: FfmpegError| match error {
        FfmpegError::Machine(what) => Refusal::Machine(what),
        other => refused(&other.to_string()),
    };
    let mut running = task.start().map_err(of_ffmpeg)?;
    let Some(mut waveform) = head(&mut running)? else {
        return Err(of_ffmpeg(running.broken("it finds no sound")));
    };
    let most = extent.samples(waveform.rate);
    let complete = fill(&mut running, &mut waveform, most)?;
    let samples = waveform.samples.len() as u64;
    if complete {
        let said = running.finish().map_err(of_ffmpeg)?;
        match promised {
            Some(promised) if samples < *promised => return Err(Refusal::broken(reason)),
            // All that was promised is there: what it complains of stands behind.
            Some(_) => {}
            None if said.complaints.is_empty() => {}
            None => return Err(refused(&said.complaints)),
        }
    }
    match extent {
        Extent::Whole if !complete => return Err(too_long()),
        Extent::Start(_) => waveform.samples.truncate(most),
        Extent::Whole => {}
    }
    if waveform.samples.is_empty() {
        return Err(refused("it finds no sample"));
    }
    if let Some(kept) = kept {
        kept.write(&waveform, &made(ffmpeg));
    }
    Ok(waveform)
}

/// The head of FFmpeg's output, an au file: its rate. `None` if there is no output.
fn head(running: &mut Running) -> Result<Option<Waveform>, Refusal> {
    let mut head = Vec::new();
    running.by_ref().take(24).read_to_end(&mut head)?;
    let Some(head) = head.first_chunk::<24>().filter(|head| head.starts_with(b".snd")) else {
        return Ok(None);
    };
    let number =
        |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let rest = u64::from(number(4)).saturating_sub(24);
    io::copy(&mut running.by_ref().take(rest), &mut io::sink())?;
    let mut waveform = Waveform { samples: Vec::new(), rate: 0 };
    check_rate(&mut waveform, number(16))?;
    Ok(Some(waveform))
}

/// Takes samples until there are more than `most`; whether there are no more than these.
fn fill(running: &mut Running, waveform: &mut Waveform, most: usize) -> io::Result<bool> {
    let mut bytes = Vec::with_capacity(BLOCK);
    while waveform.samples.len() <= most {
        bytes.clear();
        running.by_ref().take(BLOCK as u64).read_to_end(&mut bytes)?;
        let (samples, _) = bytes.as_chunks::<4>();
        waveform.samples.extend(samples.iter().map(|sample| f32::from_be_bytes(*sample)));
        if bytes.len() < BLOCK {
            return Ok(waveform.samples.len() <= most);
        }
    }
    Ok(false)
}

/// The refusal of a folder for temporary files that takes none: no fault of the sound's.
fn no_room(path: &Path, error: &io::Error) -> Refusal {
    Refusal::Machine(format!("{}: {error}; help: set TMPDIR to a folder", path.display()))
}

/// A file that FFmpeg reads.
struct Material {
    path: PathBuf,
    is_temporary: bool,
}

impl Material {
    /// One that holds `bytes`, since many formats cannot be read from a pipe.
    fn temporary(bytes: &[u8]) -> Result<Self, Refusal> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (mut file, path) = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("equiav-{}-{number}.sound", std::process::id());
            let path = std::env::temp_dir().join(name);
            // Nobody else's file, nor what a link of that name leads to. One may be left of a process that
            // was killed, or be of another container's with the same number.
            match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                opened => break (opened.map_err(|error| no_room(&path, &error))?, path),
            }
        };
        let material = Self { path, is_temporary: true };
        let written = io::Write::write_all(&mut file, bytes);
        written.map_err(|error| no_room(&material.path, &error))?;
        Ok(material)
    }
}

impl Drop for Material {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign() -> Foreign {
        let reason = "is opus sound in an ogg container".to_owned();
        Foreign { reason, demuxer: "ogg", promised: None }
    }

    #[test]
    fn without_ffmpeg_the_content_and_the_way_out_are_named() {
        let none = Err("there is no FFmpeg: install it");
        let input = Input::Bytes(vec![0u8; 9].into());
        let refusal = read_by(none, None, &input, &foreign(), Extent::Whole).unwrap_err();
        let expected = "is opus sound in an ogg container, which takes FFmpeg to read; there is no FFmpeg: install it";
        assert!(matches!(&refusal, Refusal::Broken(reason) if reason == expected), "{refusal:?}");
    }

    #[test]
    fn what_ffmpeg_decodes_is_kept_and_what_it_refuses_is_not() {
        let cache = tempfile::tempdir().unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cases/09-wrong-names");
        let path = Path::new(folder).join("opus-in.ogg");
        let bytes = fs::read(&path).unwrap();
        let found = Ffmpeg::find(cache_folder().as_deref());
        let found = found.expect("FFmpeg: `cargo xtask ffmpeg` fetches one");
        let read = |ffmpeg, input: &Input<'_>, extent| {
            read_by(ffmpeg, Some(cache.path()), input, &foreign(), extent)
        };
        let file = Input::File(&path);
        let whole = read(Ok(&found), &file, Extent::Whole).unwrap();
        assert_eq!((whole.samples.len(), whole.rate), (91_200, 48_000));
        let member = Input::Bytes(bytes.clone().into());
        assert_eq!(read(Err("none"), &member, Extent::Whole).unwrap(), whole);
        let start = read(Ok(&found), &member, Extent::Start(0.5)).unwrap();
        assert_eq!(start.samples, whole.samples[..24_000]);
        let more = Foreign { promised: Some(91_201), ..foreign() };
        let other = Input::Bytes([&bytes[..], b"OggS"].concat().into());
        let refusal = read_by(Ok(&found), None, &other, &more, Extent::Whole).unwrap_err();
        assert!(matches!(refusal, Refusal::Broken(_)), "fewer samples than were promised");
        // Told to read an ogg, it hears none in noise, nor in another format.
        for noise in [
            b"RIFF\x10\0\0\0WAVEfmt ".repeat(999),
            (0..9_999u32).map(|n| ((n * n) >> 5) as u8).collect(),
        ] {
            let noise = Input::Bytes(noise.into());
            let refusal = read(Ok(&found), &noise, Extent::Whole).unwrap_err();
            assert!(matches!(refusal, Refusal::Broken(_)), "{refusal:?}");
            assert!(read(Err("none"), &noise, Extent::Whole).is_err());
        }
    }

    #[test]
    fn an_ffmpeg_that_does_not_start_is_no_fault_of_the_sound() {
        let gone = Ffmpeg { program: "/nowhere/ffmpeg".into(), version: String::new() };
        let input = Input::Bytes(b"OggS\0\x02 and more".to_vec().into());
        let refusal = read_by(Ok(&gone), None, &input, &foreign(), Extent::Whole).unwrap_err();
        assert!(matches!(refusal, Refusal::Machine(_)), "{refusal:?}");
    }

    #[test]
    fn what_is_kept_needs_no_ffmpeg() {
        let cache = tempfile::tempdir().unwrap();
        let input = Input::Bytes(b"OggS".to_vec().into());
        let waveform = Waveform { samples: vec![0.5, -0.25, 1e-9], rate: 48_000 };
        let folder = cache.path().join("sounds");
        Kept::new(&folder, &input, Extent::Whole).unwrap().write(&waveform, "");
        let read = |extent| read_by(Err("none"), Some(cache.path()), &input, &foreign(), extent);
        assert_eq!(read(Extent::Whole).unwrap(), waveform);
        assert!(read(Extent::Start(1.0)).is_err(), "another extent is another sound");
    }
}
