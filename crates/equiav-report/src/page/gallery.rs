//! Queries of a retrieval with their best answers, right and wrong ones told apart by sign and by color.

use maud::{Markup, html};

use super::media::{Picture, Sound};

/// One direction of a retrieval.
#[derive(Clone, Debug)]
pub struct RetrievalGallery {
    /// Such as `Picture to sound`.
    pub title: String,
    /// What was measured on how many clips, and how the queries were chosen.
    pub note: String,
    /// The queries.
    pub queries: Vec<Query>,
}

/// A query and its answers.
#[derive(Clone, Debug)]
pub struct Query {
    /// What is asked with.
    pub item: GalleryItem,
    /// The best answers, best first.
    pub answers: Vec<Answer>,
    /// The rank of the right one, from 1; between two where others are equally near.
    pub rank: f64,
    /// How many candidates there were.
    pub candidates: usize,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was found.
    pub item: GalleryItem,
    /// Whether it is right.
    pub right: bool,
    /// The cosine of both embeddings.
    pub similarity: f64,
}

/// A picture or a sound with its name.
#[derive(Clone, Debug, Default)]
pub struct GalleryItem {
    /// The clip's name.
    pub name: String,
    /// Its labels, or nothing.
    pub labels: String,
    /// The picture, where it is one.
    pub picture: Option<Picture>,
    /// The sound, where it is one.
    pub sound: Option<Sound>,
}

impl RetrievalGallery {
    pub(crate) fn markup(&self) -> Markup {
        html! {
            h3 { (self.title) }
            p { (self.note) }
            @for query in &self.queries { (query.markup()) }
        }
    }
}

impl Query {
    fn markup(&self) -> Markup {
        html! {
            details.query open {
                summary {
                    (mark(self.rank == 1.0)) " " span.name { (self.item.name) }
                    span.rank { " right answer at " (self.rank) " of " (self.candidates) }
                }
                div.row {
                    figure.asked { (self.item.markup()) figcaption { "Query" (labels(&self.item)) } }
                    ol { @for answer in &self.answers { li { (answer.markup()) } } }
                }
            }
        }
    }
}

impl Answer {
    fn markup(&self) -> Markup {
        let class = if self.right { "right" } else { "wrong" };
        html! {
            figure class=(class) {
                (self.item.markup())
                figcaption {
                    (mark(self.right)) " " (format!("{:.3}", self.similarity)) (labels(&self.item))
                }
            }
        }
    }
}

impl GalleryItem {
    fn markup(&self) -> Markup {
        html! {
            @if let Some(picture) = &self.picture { (picture.markup()) }
            @if let Some(sound) = &self.sound { (sound.markup()) }
        }
    }
}

fn labels(item: &GalleryItem) -> Markup {
    html! { @if !item.labels.is_empty() { br; span.labels { (item.labels) } } }
}

/// Right or wrong in a sign and in words, so that color is not needed.
fn mark(right: bool) -> Markup {
    let (sign, word) = if right { ("✓", "right") } else { ("✗", "wrong") };
    html! { span.mark { span aria-hidden="true" { (sign) } " " (word) } }
}
