//! `setup`: finds libtorch or fetches it, and links it where `.cargo/config.toml` looks.

pub(crate) mod cache;
pub(crate) mod fetch;
mod link;

use crate::args::Args;
use crate::libtorch::{self, Libtorch, VERSION};
use crate::output::outln;
use crate::terminal::{note, warn};
use crate::workspace::Workspace;
use crate::{python, wheels};

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
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Options {
    /// With the CUDA kernels.
    pub(crate) cuda: bool,
    /// Passed on to pip.
    pub(crate) index_url: Option<String>,
    /// Fetch again.
    pub(crate) force: bool,
}

/// `cargo xtask setup`.
pub(crate) fn command(workspace: &Workspace, args: &[String]) -> Result<(), String> {
    let options = parse(args)?;
    let found = setup(workspace, &options)?;
    outln!("{}", found.describe());
    Ok(())
}

/// Makes sure that plain cargo finds a libtorch; at once where it does already.
pub(crate) fn ensure(workspace: &Workspace) -> Result<Libtorch, String> {
    setup(workspace, &Options::default())
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = Args::new("setup", args);
    while let Some(arg) = args.next() {
        match arg {
            "--cuda" => options.cuda = true,
            "--force" => options.force = true,
            "--index-url" => options.index_url = Some(args.value("--index-url")?.to_owned()),
            other => match other.strip_prefix("--index-url=") {
                Some(url) => options.index_url = Some(url.to_owned()),
                None => return Err(args.unknown(other)),
            },
        }
    }
    Ok(options)
}

fn setup(workspace: &Workspace, options: &Options) -> Result<Libtorch, String> {
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
    let why = match libtorch::inspect(&folder) {
        Ok(found) if found.cuda || !options.cuda => return Some(found),
        Ok(_) => "it has no CUDA".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Options, String> {
        parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let url = Some("https://index.example/simple".to_owned());
        let wanted = Options { cuda: true, index_url: url, force: true };
        let spaced = ["--cuda", "--index-url", "https://index.example/simple", "--force"];
        assert_eq!(parsed(&spaced).unwrap(), wanted);
        let joined = ["--cuda", "--index-url=https://index.example/simple", "--force"];
        assert_eq!(parsed(&joined).unwrap(), wanted);
    }

    #[test]
    fn wrong_options_are_refused() {
        let message = parsed(&["--cpu"]).unwrap_err();
        assert_eq!(message, "`--cpu` is no option of `setup`: see `cargo xtask help setup`");
        assert!(parsed(&["--index-url"]).unwrap_err().contains("needs a value"));
    }
}
