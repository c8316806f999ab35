//! `setup`: finds libtorch or fetches it, and links it where `.cargo/config.toml` looks.

mod cache;
mod fetch;
pub(crate) mod ffmpeg;
pub(crate) mod libtorch;
mod link;
pub(crate) mod machine;
pub(crate) mod peers;
pub(crate) mod python;
mod wheels;

use anyhow::{Error, Result, anyhow};

use crate::args::Args;
use crate::output::{note, outln, warn};
use crate::workspace::Workspace;
use libtorch::{Libtorch, VERSION};

pub(crate) const HELP: &str = "\
usage: cargo xtask setup [--cuda] [--index-url URL] [--force]

Finds libtorch 2.11.0 and links it as `.libtorch`, so that plain `cargo build`, `cargo test`,
`cargo run` and rust-analyzer work with no environment variable. Looks, in this order, at
  1. $LIBTORCH, where it holds the right version;
  2. the torch package of the active python3, where it is that version;
  3. a cache folder: $EQUIAV_CACHE, else $XDG_CACHE_HOME/equiav, else the home folder's own
     (.cache/equiav, on macOS Library/Caches/equiav);
  4. the package index, through `python3 -m pip download`: 550 MB come down, 530 MB are kept.
Safe to repeat, to interrupt and to start twice: what is complete is used as it is.

options:
  --cuda           the whole set with CUDA (several GB; Linux on x86-64)
  --index-url URL  passed on to pip
  --force          fetch again into the cache folder, whatever is there
";

/// What `setup` was asked for.
#[derive(Clone, Debug, Default)]
struct Options {
    /// With the CUDA kernels.
    cuda: bool,
    /// Passed on to pip.
    index_url: Option<String>,
    /// Fetch again.
    force: bool,
}

/// `cargo xtask setup`.
pub(crate) fn command(workspace: &Workspace, args: &[String]) -> Result<()> {
    let mut args = Args::new("setup", args);
    let cuda = args.flag("--cuda");
    let options = Options { cuda, ..Options::parse(args)? };
    outln!("{}", setup(workspace, &options)?.describe());
    Ok(())
}

/// Makes sure that plain cargo finds a libtorch; at once where it does already.
pub(crate) fn ensure(workspace: &Workspace) -> Result<Libtorch> {
    setup(workspace, &Options::default())
}

impl Options {
    /// What both `setup` and `ffmpeg` take, to the last argument.
    fn parse(mut args: Args) -> Result<Options> {
        let force = args.flag("--force");
        let index_url = args.value("--index-url")?.map(str::to_owned);
        args.finish().map(|()| Options { cuda: false, index_url, force })
    }
}

fn setup(workspace: &Workspace, options: &Options) -> Result<Libtorch> {
    let suits = |found: &Libtorch| found.cuda || !options.cuda;
    if !options.force {
        if let Some(found) = users_own(workspace, options) {
            link::make(workspace, &found)?;
            return Ok(found);
        }
        if let Some(found) = libtorch::inspect(&workspace.link()).ok().filter(suits) {
            return Ok(found);
        }
        if let Some(found) = pythons_own().filter(suits) {
            note(&format!("python3 has {}", found.describe()));
            link::make(workspace, &found)?;
            return Ok(found);
        }
    }
    let plan = wheels::plan(std::env::consts::OS, std::env::consts::ARCH, options.cuda)?;
    let found = fetch::cached(&cache::folder()?, &plan, options)?;
    link::make(workspace, &found)?;
    Ok(found)
}

/// The libtorch of `$LIBTORCH`; one that does not suit is passed over with a warning.
fn users_own(workspace: &Workspace, options: &Options) -> Option<Libtorch> {
    let folder = workspace.users_libtorch()?;
    let why: Error = match libtorch::inspect(&folder) {
        Ok(found) if found.cuda || !options.cuda => return Some(found),
        Ok(_) => anyhow!("it has no CUDA"),
        Err(why) => why,
    };
    let shown = folder.display();
    warn(&format!(
        "LIBTORCH={shown} is passed over ({why}; {VERSION} is needed), but plain cargo would use it: `unset LIBTORCH`"
    ));
    None
}

/// The libtorch of the active Python, if it is the right one and can be loaded.
fn pythons_own() -> Option<Libtorch> {
    let found = libtorch::inspect(&python::torch_folder()?).ok()?;
    python::load(&found.main_library()).ok()?;
    Some(found)
}
