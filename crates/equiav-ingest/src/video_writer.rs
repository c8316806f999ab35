//! Writes a video: frames that are made one by one, and a sound.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::{env, fs};

use equiav_data::ffmpeg::task::local;
use equiav_data::ffmpeg::{Ffmpeg, one_complaint};
use equiav_frontend::Waveform;
use image::RgbImage;
use tempfile::{Builder, NamedTempFile, TempPath};

use crate::IngestError;
use crate::analyze::clip::wav;

/// An mp4 in the making, `.NAME.partial.mp4` beside its place. What was there stays until it is finished;
/// dropped before, it leaves nothing behind.
#[derive(Debug)]
pub struct VideoWriter {
    out: PathBuf,
    unfinished: TempPath,
    /// Read by FFmpeg meanwhile.
    _sound: NamedTempFile,
    size: (u32, u32),
    child: Child,
    frames: Option<ChildStdin>,
    complaints: Option<JoinHandle<String>>,
}

impl VideoWriter {
    /// Begins a video at `out`: frames of `[width, height]`, each on display for `step` milliseconds, and
    /// `sound`, both from the beginning on.
    ///
    /// The frames are H.264 if this FFmpeg can write that, else MPEG-4, the sound is AAC. The same frames
    /// and sound give the same bytes, by the same FFmpeg.
    ///
    /// # Errors
    ///
    /// If FFmpeg cannot be started, or the folder of `out` cannot be written.
    pub fn create(
        ffmpeg: &Ffmpeg,
        out: &Path,
        size: [u32; 2],
        step: u64,
        sound: &Waveform,
    ) -> Result<Self, IngestError> {
        let unfinished = partial(out)?;
        let bytes = wav(&sound.samples, sound.rate);
        let bytes = bytes.map_err(|why| IngestError::folder(out, why))?;
        let heard = Builder::new().suffix(".wav").tempfile();
        let mut heard = heard.map_err(|error| IngestError::io(&env::temp_dir(), error))?;
        heard.write_all(&bytes).map_err(|error| IngestError::io(heard.path(), error))?;

        let [width, height] = size;
        let mut command = Command::new(&ffmpeg.program);
        command.args(["-hide_banner", "-nostdin", "-y", "-v", "repeat+error", "-threads", "1"]);
        command.args(["-f", "rawvideo", "-pix_fmt", "rgb24"]);
        command.args(["-s", &format!("{width}x{height}"), "-framerate", &format!("1000/{step}")]);
        command.args(["-i", "pipe:0", "-f", "wav", "-i"]).arg(local(heard.path()));
        command.args(["-map", "0:v", "-map", "1:a", "-fflags", "+bitexact"]);
        // Colors are halved in both directions, so sides are even; `-q:v` is of MPEG-4 alone.
        command.args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-q:v", "3"]);
        command.args(["-flags:v", "+bitexact", "-flags:a", "+bitexact", "-threads", "1"]);
        command.args(["-movflags", "+faststart"]).arg(local(&unfinished));
        command.env("AV_LOG_FORCE_NOCOLOR", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| IngestError::io(&ffmpeg.program, error))?;
        let pipes = child.stdin.take().zip(child.stderr.take());
        let (frames, errors) = pipes.expect("both are piped");
        let complaints = Some(thread::spawn(move || one_complaint(errors)));
        let (out, frames, size) = (out.to_owned(), Some(frames), (width, height));
        Ok(Self { out, unfinished, _sound: heard, size, child, frames, complaints })
    }

    /// Adds the next frame.
    ///
    /// # Errors
    ///
    /// If it is of another size than the first, or FFmpeg has ended, as on a full disk.
    pub fn add(&mut self, frame: &RgbImage) -> Result<(), IngestError> {
        if frame.dimensions() != self.size {
            let why = format!("a frame is of size {:?}, not {:?}", frame.dimensions(), self.size);
            return Err(IngestError::folder(&self.out, why));
        }
        let added = self.frames.as_mut().map(|frames| frames.write_all(frame.as_raw()));
        match added {
            Some(Ok(())) => Ok(()),
            _ => {
                let (status, said) = self.end()?;
                Err(self.failed(status, said))
            }
        }
    }

    /// Ends the video and puts it in its place.
    ///
    /// # Errors
    ///
    /// If FFmpeg failed, with what it said, or the file cannot be renamed.
    pub fn finish(mut self) -> Result<(), IngestError> {
        let (status, said) = self.end()?;
        // Some versions call a file whose end they could not write a success.
        if !status.success() || !said.is_empty() {
            return Err(self.failed(status, said));
        }
        let synced = fs::File::open(&self.unfinished).and_then(|file| file.sync_all());
        let placed = synced.and_then(|()| fs::rename(&self.unfinished, &self.out));
        placed.map_err(|error| IngestError::io(&self.out, error))
    }

    /// Closes FFmpeg's input and waits for its end: how it ended, and what it complained of.
    fn end(&mut self) -> Result<(ExitStatus, String), IngestError> {
        self.frames = None;
        let status = self.child.wait().map_err(|error| IngestError::io(&self.out, error))?;
        let said = self.complaints.take().and_then(|thread| thread.join().ok());
        Ok((status, said.unwrap_or_default()))
    }

    fn failed(&self, status: ExitStatus, said: String) -> IngestError {
        let said = if said.is_empty() { format!("it ended with {status}") } else { said };
        IngestError::folder(&self.out, format!("FFmpeg cannot write it: {said}"))
    }
}

/// Where the film of `out` lies until it is finished: its name is always the same, so that what killed
/// processes leave does not pile up.
fn partial(out: &Path) -> Result<TempPath, IngestError> {
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(IngestError::folder(folder, "no such folder"));
    }
    let mut name = OsString::from(".");
    name.push(out.file_stem().unwrap_or_default());
    name.push(".partial.mp4");
    TempPath::try_from_path(out.with_file_name(name)).map_err(|error| IngestError::io(out, error))
}

impl Drop for VideoWriter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;

    use image::Rgb;

    use super::*;

    /// A folder, and a program in it that runs `script` in the place of FFmpeg, ready to be started.
    fn program(script: &str) -> (tempfile::TempDir, Ffmpeg) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let ffmpeg = Ffmpeg { program, version: String::new() };
        // A child that another thread has just forked may hold the file open for writing still.
        let busy = |program: &Path| {
            let run = Command::new(program).stdin(Stdio::null()).output();
            run.is_err_and(|error| error.kind() == ErrorKind::ExecutableFileBusy)
        };
        while busy(&ffmpeg.program) {
            thread::yield_now();
        }
        (folder, ffmpeg)
    }

    #[test]
    fn a_failure_is_told_and_leaves_what_was_there() {
        let (folder, ffmpeg) = program("echo '[mp4 @ 0x1f] No space left on device' >&2; exit 1");
        let out = folder.path().join("a.mp4");
        fs::write(&out, b"earlier").unwrap();
        let sound = Waveform { samples: vec![0.0; 800], rate: 8_000 };
        let mut film = VideoWriter::create(&ffmpeg, &out, [512, 512], 100, &sound).unwrap();
        let frame = RgbImage::from_pixel(512, 512, Rgb([9; 3]));
        // A pipe takes some of them before its other end is seen to be closed.
        let added = (0..100).try_for_each(|_| film.add(&frame));
        let error = added.unwrap_err().to_string();
        assert!(error.ends_with("a.mp4: FFmpeg cannot write it: [mp4] No space left on device"));
        drop(film);
        assert_eq!(fs::read(&out).unwrap(), b"earlier");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
    }

    #[test]
    fn what_cannot_be_begun_or_ended_is_told() {
        let (folder, ffmpeg) = program("cat > /dev/null; exit 3");
        let out = folder.path().join("a.mp4");
        let sound = Waveform { samples: vec![0.0; 800], rate: 8_000 };
        let mut film = VideoWriter::create(&ffmpeg, &out, [2, 2], 100, &sound).unwrap();
        film.add(&RgbImage::new(2, 2)).unwrap();
        let other = film.add(&RgbImage::new(2, 3)).unwrap_err().to_string();
        assert!(other.ends_with("a.mp4: a frame is of size (2, 3), not (2, 2)"), "{other}");
        let ended = film.finish().unwrap_err().to_string();
        assert!(ended.ends_with("a.mp4: FFmpeg cannot write it: it ended with exit status: 3"));
        assert!(!out.exists());
        let nowhere = folder.path().join("none/a.mp4");
        let error =
            VideoWriter::create(&ffmpeg, &nowhere, [2, 2], 100, &sound).unwrap_err().to_string();
        assert!(error.ends_with("none: no such folder"), "{error}");
    }
}
