//! `equiav doctor`.

use std::process::{Command, ExitCode};

use equiav_data::JpegDecoder;

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
            ("cache folder", equiav_corpora::cache_folder()?.display().to_string()),
        ] {
            println!("{what:<13} {found}");
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

/// The version line of the FFmpeg on PATH.
fn ffmpeg() -> String {
    let output = Command::new("ffmpeg").arg("-version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text.ok().and_then(|text| text.lines().next().map(str::to_owned));
    line.unwrap_or_else(|| {
        "none (needed for videos only: install it with your system's packages)".to_owned()
    })
}
