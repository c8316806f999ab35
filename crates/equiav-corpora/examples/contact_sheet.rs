//! Draws the contact sheet of the documentation: `cargo run --example contact_sheet [FILE]`.

use std::path::PathBuf;

use equiav_corpora::{Synthetic, contact_sheet};

fn main() -> anyhow::Result<()> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/contact-sheet.png");
    let path = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(default), PathBuf::from);
    contact_sheet(&Synthetic { image: 96, ..Synthetic::default() }, &path)
}
