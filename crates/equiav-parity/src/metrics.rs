use std::path::Path;

use crate::Item;

pub(crate) fn check(_folder: &Path) -> anyhow::Result<Vec<Item>> {
    anyhow::bail!("not written yet")
}
