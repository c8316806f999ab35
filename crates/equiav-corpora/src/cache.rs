//! Where downloads and what is made from them are kept between runs.

use std::path::PathBuf;

use anyhow::Context;

/// The folder for everything that can be made again, see [`equiav_data::cache_folder`].
///
/// # Errors
///
/// If there is none; the message says which variable to set.
pub fn cache_folder() -> anyhow::Result<PathBuf> {
    let folder = equiav_data::cache_folder();
    folder.context("there is no home folder to cache in; set EQUIAV_CACHE to a folder")
}
