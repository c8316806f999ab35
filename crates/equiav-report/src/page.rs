//! Writes a self-contained HTML report of a run: its figures, curves, retrieved examples, heat maps and recipe.

mod gallery;
mod media;
mod section;

use maud::{Markup, html};

pub use gallery::{Answer, GalleryItem, Query, RetrievalGallery};
pub use media::{Picture, Sound};
pub use section::{Equivariance, HeatMaps, Map, Table};

use crate::html::document;

const STYLE: &str = include_str!("page/style.css");

/// Everything that a page shows; what is empty has no section.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// The run's name.
    pub title: String,
    /// What a reader should know first, in a sentence or two.
    pub lead: String,
    /// The figures at the head.
    pub figures: Vec<Headline>,
    /// Curves over steps, an SVG of this program's own.
    pub curves: Option<String>,
    /// Curves of what was measured every so many steps, an SVG of this program's own.
    pub online: Option<String>,
    /// What features know of augmentations, or how to find out.
    pub equivariance: Equivariance,
    /// Queries with their answers, one gallery a direction.
    pub galleries: Vec<RetrievalGallery>,
    /// Where in pictures sounds are seen.
    pub maps: Option<HeatMaps>,
    /// Figures by class or list, one table each.
    pub tables: Vec<Table>,
    /// Clips before and after augmentation.
    pub preview: Option<Picture>,
    /// The recipe with every override in place, as TOML.
    pub recipe: String,
    /// What the run was made with, name and value.
    pub environment: Vec<(String, String)>,
    /// What could not be shown, and why.
    pub missing: Vec<String>,
}

/// One figure of the head.
#[derive(Clone, Debug)]
pub struct Headline {
    /// What it is.
    pub label: String,
    /// The figure with its unit.
    pub value: String,
    /// What to compare it with.
    pub note: String,
}

impl RunReport {
    /// The page. All text is escaped; pictures and sounds are part of it.
    pub fn to_html(&self) -> String {
        let body = html! {
            a.skip href="#main" { "Skip to the figures" }
            (self.header())
            main id="main" { (self.sections()) }
            footer { p { "Made by equiav. This page loads nothing from anywhere." } }
        };
        document(&format!("{} – equiav", self.title), STYLE, &body)
    }

    fn header(&self) -> Markup {
        html! {
            header {
                (theme())
                p.kicker { "equiav run" }
                h1 { (self.title) }
                p.lead { (self.lead) }
                @if !self.figures.is_empty() {
                    dl.figures {
                        @for figure in &self.figures {
                            div { dt { (figure.label) } dd.value { (figure.value) } dd { (figure.note) } }
                        }
                    }
                }
                (self.contents())
            }
        }
    }

    /// The sections that this page has, by their anchors.
    fn contents(&self) -> Markup {
        let all = [
            ("curves", "Curves", self.curves.is_some()),
            ("online", "Every few steps", self.online.is_some()),
            ("equivariance", "Equivariance", !self.equivariance.is_empty()),
            ("retrieval", "Retrieval", !self.galleries.is_empty()),
            ("maps", "Heat maps", self.maps.is_some()),
            ("tables", "Tables", !self.tables.is_empty()),
            ("augmentation", "Augmentation", self.preview.is_some()),
            ("recipe", "Recipe", true),
            ("environment", "Environment", !self.environment.is_empty()),
        ];
        html! {
            nav aria-label="Sections" {
                ul { @for (anchor, name, there) in all { @if there {
                    li { a href=(format!("#{anchor}")) { (name) } }
                } } }
            }
        }
    }

    fn sections(&self) -> Markup {
        html! {
            @if !self.missing.is_empty() {
                section.missing aria-label="What is missing" {
                    @for reason in &self.missing { p { (reason) } }
                }
            }
            @if let Some(curves) = &self.curves { (section::curves(curves)) }
            @if let Some(online) = &self.online { (section::online(online)) }
            @if !self.equivariance.is_empty() { (self.equivariance.markup()) }
            @if !self.galleries.is_empty() {
                section #retrieval {
                    h2 { "Retrieval" }
                    @for gallery in &self.galleries { (gallery.markup()) }
                }
            }
            @if let Some(maps) = &self.maps { (maps.markup()) }
            @if !self.tables.is_empty() {
                section #tables {
                    h2 { "Tables" }
                    @for table in &self.tables { (table.markup()) }
                }
            }
            @if let Some(preview) = &self.preview { (section::preview(preview)) }
            (section::recipe(&self.recipe))
            @if !self.environment.is_empty() { (section::environment(&self.environment)) }
        }
    }
}

/// The choice of colors: works without a script, by the style sheet alone.
fn theme() -> Markup {
    html! {
        fieldset.theme {
            legend { "Colors" }
            @for (name, label) in [("auto", "System"), ("light", "Light"), ("dark", "Dark")] {
                label {
                    input type="radio" name="theme" id=(format!("theme-{name}"))
                        checked[name == "auto"];
                    span { (label) }
                }
            }
        }
    }
}
