//! `equiav doctor`.

use std::process::ExitCode;

use equiav_data::JpegDecoder;
use equiav_search::embed::find_ffmpeg;

use crate::output::outln;

/// Show what this program finds on this machine
///
/// For the tools that build it, see `cargo xtask doctor`.
#[derive(clap::Args)]
pub(crate) struct Doctor {}

impl Doctor {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let cuda = match equiav_torch::load_cuda() {
            Ok(()) => format!("{} device(s)", tch::Cuda::device_count()),
            Err(error) => format!("none ({error})"),
        };
        let processors = std::thread::available_parallelism()?.get();
        for (what, found) in [
            ("equiav", env!("CARGO_PKG_VERSION").to_owned()),
            ("processors", processors.to_string()),
            ("CUDA", cuda),
            ("FFmpeg", ffmpeg()),
            ("jpg decoder", jpeg_decoder(JpegDecoder::BUILT).to_owned()),
            ("cache folder", cache_folder()),
        ] {
            outln!("{what:<13} {found}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What decodes jpgs, and what would make it exact.
fn jpeg_decoder(built: JpegDecoder) -> &'static str {
    match built {
        JpegDecoder::LibjpegTurbo => "libjpeg-turbo (the levels of Pillow)",
        JpegDecoder::ZuneJpeg => {
            "zune-jpeg (rarely more than 4 levels off, and slower: for libjpeg-turbo install \
             cmake and nasm, such as by `apt-get install cmake nasm`, and build with `--features \
             turbojpeg`)"
        }
    }
}

/// The FFmpeg that every command here uses, and where it is.
fn ffmpeg() -> String {
    match find_ffmpeg() {
        Ok(ffmpeg) => format!("{} ({})", ffmpeg.version, ffmpeg.program.display()),
        Err(why) => format!("none (needed for videos and foreign sounds: {why})"),
    }
}

fn cache_folder() -> String {
    let folder = equiav_corpora::cache_folder();
    folder.map_or_else(|why| format!("none ({why})"), |folder| folder.display().to_string())
}
