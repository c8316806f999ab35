//! From files to embeddings ([`embed`]), to an index of them ([`index`]), to answers ([`search`]); trains nothing.

pub mod embed;
pub mod index;
mod path_text;
pub mod search;

pub use path_text::{path_text, text_path};
