//! The sections of a page that are no gallery: curves, heat maps, tables, preview, recipe, environment.

use maud::{Markup, PreEscaped, html};

use super::media::{Picture, Sound};
use crate::metric_name::{interval_keys, is_measured, shown};
use crate::run_folder::Run;

/// Where in pictures sounds are seen.
#[derive(Clone, Debug, Default)]
pub struct HeatMaps {
    /// How the maps are made and what the figures say.
    pub notes: Vec<String>,
    /// Figures beside baselines.
    pub table: Option<Table>,
    /// Clips.
    pub maps: Vec<Map>,
}

/// One clip's heat map.
#[derive(Clone, Debug)]
pub struct Map {
    /// The clip's name.
    pub name: String,
    /// The picture, its map over it, and the map for silence, each with its caption.
    pub pictures: Vec<(String, Picture)>,
    /// What is heard.
    pub sound: Option<Sound>,
    /// Figures in words.
    pub note: String,
}

/// What features know of augmentations.
#[derive(Clone, Debug, Default)]
pub struct Equivariance {
    /// What the figures say, or how to have them.
    pub notes: Vec<String>,
    /// By augmentation, by slot, and what queries find.
    pub tables: Vec<Table>,
}

/// Figures in rows and columns.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// What a reader needs to read it.
    pub note: String,
    /// The heads of the columns; the first column names the rows.
    pub columns: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The newest value of every metric that was measured on a list of clips, whatever it is called, with its
    /// interval where the log has one; none where the run has measured nothing yet.
    pub fn of_metrics(run: &Run) -> Option<Self> {
        let last = |key: &str| run.log.series(key).last().copied();
        let row = |key: &str| {
            let (step, value) = last(key)?;
            let ends = interval_keys(key).map(|end| last(&end).filter(|(at, _)| *at == step));
            let interval = match ends {
                [Some((_, low)), Some((_, high))] => {
                    format!("{} to {}", shown(key, low), shown(key, high))
                }
                _ => String::new(),
            };
            let name = key.strip_prefix("val/").unwrap_or(key).to_owned();
            Some(vec![name, shown(key, value), interval, step.to_string()])
        };
        let measured = run.log.keys().into_iter().filter(|key| is_measured(key));
        let rows: Vec<_> = measured.filter_map(row).collect();
        (!rows.is_empty()).then(|| Self {
            title: "All metrics".to_owned(),
            note: "The newest value of each metric of metrics.jsonl, by list and name.".to_owned(),
            columns: ["", "value", "interval", "at step"].map(str::to_owned).into(),
            rows,
        })
    }

    pub(crate) fn markup(&self) -> Markup {
        html! {
            h3 { (self.title) }
            @if !self.note.is_empty() { p { (self.note) } }
            @if self.rows.len() > 12 {
                details { summary { (self.rows.len()) " rows" } (self.body()) }
            } @else { (self.body()) }
        }
    }

    fn body(&self) -> Markup {
        html! {
            div.scroll tabindex="0" role="group" aria-label=(self.title) {
                table {
                    thead { tr { @for column in &self.columns { th scope="col" { (column) } } } }
                    tbody { @for row in &self.rows { tr {
                        @if let Some((first, others)) = row.split_first() {
                            th scope="row" { (first) }
                            @for cell in others { td { (cell) } }
                        }
                    } } }
                }
            }
        }
    }
}

impl HeatMaps {
    pub(crate) fn markup(&self) -> Markup {
        html! {
            section #maps {
                h2 { "Heat maps" }
                @for note in &self.notes { p { (note) } }
                @if let Some(table) = &self.table { (table.markup()) }
                @for map in &self.maps {
                    details.query open {
                        summary { span.name { (map.name) } span.rank { " " (map.note) } }
                        div.maps {
                            @for (caption, picture) in &map.pictures {
                                figure { (picture.markup()) figcaption { (caption) } }
                            }
                            @if let Some(sound) = &map.sound {
                                figure { (sound.markup()) figcaption { "The sound" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Equivariance {
    pub(crate) fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.tables.is_empty()
    }

    pub(crate) fn markup(&self) -> Markup {
        html! {
            section #equivariance {
                h2 { "Equivariance" }
                @for note in &self.notes { p { (note) } }
                @for table in &self.tables { (table.markup()) }
            }
        }
    }
}

/// What the curves show, for readers who cannot see them.
const CURVES: &str =
    "Curves of the loss and of the metrics over steps; `equiav runs --csv` writes the numbers";

/// `svg` is drawn by this crate and needs no escaping.
pub(crate) fn curves(svg: &str) -> Markup {
    html! {
        section #curves {
            h2 { "Curves" }
            div.scroll tabindex="0" role="group" aria-label="Curves" {
                figure.curves role="img" aria-label=(CURVES) { (PreEscaped(svg)) }
            }
        }
    }
}

/// `svg` is drawn by this crate and needs no escaping.
pub(crate) fn online(svg: &str) -> Markup {
    html! {
        section #online {
            h2 { "Every few steps" }
            p { "Between evaluations: a few held-out clips measured with the weights as they are trained, and the cosines
                between the gradients of terms where the recipe asks for them." }
            details {
                summary { "Curves of embeddings and gradients" }
                div.scroll tabindex="0" role="group" aria-label="Curves of every few steps" {
                    figure.curves role="img" aria-label=(CURVES) { (PreEscaped(svg)) }
                }
            }
        }
    }
}

pub(crate) fn preview(picture: &Picture) -> Markup {
    html! {
        section #augmentation {
            h2 { "Augmentation" }
            p { "Clips of the training list as the first epoch has them: both views of sound and frame, and what
                the parameter vector says was done." }
            details open {
                summary { "Clips before and after augmentation" }
                div.scroll tabindex="0" role="group" aria-label="Augmentation preview" {
                    (picture.markup())
                }
            }
        }
    }
}

pub(crate) fn recipe(toml: &str) -> Markup {
    html! {
        section #recipe {
            h2 { "Recipe" }
            details {
                summary { "Every setting of this run, with overrides in place" }
                pre tabindex="0" { code { (toml) } }
            }
        }
    }
}

pub(crate) fn environment(facts: &[(String, String)]) -> Markup {
    html! {
        section #environment {
            h2 { "Environment" }
            dl.facts { @for (name, value) in facts { dt { (name) } dd { (value) } } }
        }
    }
}
