//! Pictures and sounds as parts of a page: bytes in the address, and words for who cannot see or hear them.

use maud::{Markup, html};

use crate::html::data_uri;

/// A picture on a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// A PNG or JPEG file.
    pub bytes: Vec<u8>,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// What it shows, for who cannot see it.
    pub alt: String,
}

/// A sound on a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// A WAV file.
    pub wav: Vec<u8>,
    /// Its spectrogram.
    pub spectrogram: Picture,
    /// What it is, for who cannot see the player.
    pub label: String,
}

impl Picture {
    pub(crate) fn markup(&self) -> Markup {
        let kind = if self.bytes.starts_with(b"\x89PNG") { "png" } else { "jpeg" };
        html! {
            img src=(data_uri(&format!("image/{kind}"), &self.bytes)) alt=(self.alt)
                width=(self.size[0]) height=(self.size[1]) decoding="async";
        }
    }
}

impl Sound {
    pub(crate) fn markup(&self) -> Markup {
        html! {
            div.sound {
                (self.spectrogram.markup())
                audio controls preload="none" aria-label=(self.label) src=(data_uri("audio/wav", &self.wav)) {}
            }
        }
    }
}
