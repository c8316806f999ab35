//! Plots metrics of several runs as PNG or SVG: one panel for each metric, one color for each run.

mod panel;
mod smooth;

use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use self::panel::Panel;
use crate::metric_name::{is_measured, is_online, place_of};
use crate::run_folder::Run;

const FONT: &[u8] = include_bytes!("../font/DejaVuSans.ttf");
/// Told apart by the color-blind too (Okabe and Ito), dark enough for print.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(170, 68, 153),
    RGBColor(60, 60, 60),
    RGBColor(204, 121, 0),
    RGBColor(86, 160, 215),
];
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(226, 226, 226);
/// A panel's size and a legend line's height in units of the SVG.
const PANEL: (u32, u32) = (520, 330);
const LEGEND: u32 = 30;
/// Pixels of a PNG per unit, and how many times finer it is drawn before it is averaged down.
const PIXELS: u32 = 2;
const FINER: u32 = 2;

/// The loss, and on every list the metric by which each run's recipe chooses the best epoch; all metrics of the lists
/// of a run that has none of that name.
pub fn default_metrics(runs: &[Run]) -> Vec<String> {
    let mut keys: Vec<String> = runs.iter().flat_map(main_metrics).map(str::to_owned).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn main_metrics(run: &Run) -> Vec<&str> {
    let keys = run.log.keys();
    let best = run.best_metric();
    let named = keys.iter().any(|key| place_of(key, best).is_some());
    let shown = |key: &str| if named { place_of(key, best).is_some() } else { is_measured(key) };
    keys.into_iter().filter(|key| *key == "train/loss" || shown(key)).collect()
}

/// Draws `metrics` of `runs` over steps into `path`, a PNG or SVG by its ending.
///
/// # Errors
///
/// If there is nothing to draw, no run has one of `metrics`, the ending is another, or the disk
/// refuses.
pub fn plot(runs: &[Run], metrics: &[String], path: &Path) -> anyhow::Result<()> {
    ensure!(
        !metrics.is_empty(),
        "no run has a metric to plot (help: train first, or name one by --metric)"
    );
    for metric in metrics {
        if runs.iter().all(|run| run.log.series(metric).is_empty()) {
            let keys: std::collections::BTreeSet<_> =
                runs.iter().flat_map(|run| run.log.keys()).collect();
            let keys: Vec<_> = keys.into_iter().collect();
            bail!("no run has the metric {metric} (there are: {})", keys.join(", "));
        }
    }
    register()?;
    let figure = Figure { runs, metrics };
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => std::fs::write(path, figure.svg()?),
        Some("png") => std::fs::write(path, figure.png()?),
        _ => bail!("{}: a plot's file ends in .png or .svg", path.display()),
    }
    .with_context(|| format!("writing {}", path.display()))
}

/// The [`default_metrics`] of one run as the text of an SVG; none where it has no metric yet.
///
/// # Errors
///
/// If the built-in font cannot be used.
pub fn curves(run: &Run) -> anyhow::Result<Option<String>> {
    let runs = std::slice::from_ref(run);
    let metrics = default_metrics(runs);
    register()?;
    let svg = || Figure { runs, metrics: &metrics }.svg();
    (!metrics.is_empty()).then(svg).transpose()
}

/// What the run has measured every so many steps between its evaluations, and the cosines between gradients of its terms, as
/// the text of an SVG; none where the log has neither.
///
/// # Errors
///
/// If the built-in font cannot be used.
pub fn online_curves(run: &Run) -> anyhow::Result<Option<String>> {
    let keys = run.log.keys().into_iter().filter(|key| is_online(key));
    let metrics: Vec<String> = keys.map(str::to_owned).collect();
    register()?;
    let svg = || Figure { runs: std::slice::from_ref(run), metrics: &metrics }.svg();
    (!metrics.is_empty()).then(svg).transpose()
}

fn register() -> anyhow::Result<()> {
    register_font("sans-serif", FontStyle::Normal, FONT)
        .map_err(|_| anyhow!("the built-in font cannot be read"))
}

struct Figure<'a> {
    runs: &'a [Run],
    metrics: &'a [String],
}

impl Figure<'_> {
    fn grid(&self) -> (u32, u32) {
        let count = self.metrics.len() as u32;
        let columns = if count == 4 { 2 } else { count.min(3) };
        (columns, count.div_ceil(columns))
    }

    fn size(&self) -> (u32, u32) {
        let (columns, rows) = self.grid();
        let per_line = self.per_line();
        (columns * PANEL.0, rows * PANEL.1 + LEGEND * self.runs.len().div_ceil(per_line) as u32 + 8)
    }

    /// Width of a legend's entry, by its longest name.
    fn entry(&self) -> u32 {
        let longest = self.runs.iter().map(|run| run.name.chars().count()).max().unwrap_or(0);
        54 + 9 * longest as u32
    }

    fn per_line(&self) -> usize {
        ((self.grid().0 * PANEL.0 - 40) / self.entry()).max(1) as usize
    }

    fn svg(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        self.draw(SVGBackend::with_string(&mut text, self.size()).into_drawing_area(), 1.0)?;
        Ok(text)
    }

    fn png(&self) -> anyhow::Result<Vec<u8>> {
        let scale = PIXELS * FINER;
        let (width, height) = self.size();
        let fine = (width * scale, height * scale);
        let mut buffer = vec![0; (fine.0 * fine.1 * 3) as usize];
        let backend = BitMapBackend::with_buffer(&mut buffer, fine);
        self.draw(backend.into_drawing_area(), f64::from(scale))?;
        let picture = image::RgbImage::from_raw(fine.0, fine.1, buffer).context("a picture")?;
        let picture = image::imageops::thumbnail(&picture, width * PIXELS, height * PIXELS);
        let mut bytes = std::io::Cursor::new(Vec::new());
        let encoder = image::codecs::png::PngEncoder::new_with_quality(
            &mut bytes,
            image::codecs::png::CompressionType::Best,
            image::codecs::png::FilterType::Adaptive,
        );
        picture.write_with_encoder(encoder)?;
        Ok(bytes.into_inner())
    }

    fn draw<B: DrawingBackend>(&self, area: DrawingArea<B, Shift>, scale: f64) -> anyhow::Result<()>
    where
        B::ErrorType: 'static,
    {
        area.fill(&WHITE)?;
        let lines = self.size().1 - self.grid().1 * PANEL.1;
        let (legend, panels) = area.split_vertically((f64::from(lines) * scale) as i32);
        self.legend(&legend, scale)?;
        let (columns, rows) = self.grid();
        let panels = panels.split_evenly((rows as usize, columns as usize));
        for (metric, panel) in self.metrics.iter().zip(&panels) {
            Panel::of(self.runs, metric).draw(panel, scale)?;
        }
        area.present()?;
        Ok(())
    }

    fn legend<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: f64,
    ) -> anyhow::Result<()>
    where
        B::ErrorType: 'static,
    {
        let unit = |units: u32| (f64::from(units) * scale) as i32;
        let style = ("sans-serif", 14.0 * scale).into_font().color(&INK);
        let style = style.pos(Pos::new(HPos::Left, VPos::Center));
        for (index, run) in self.runs.iter().enumerate() {
            let (line, place) = (index / self.per_line(), index % self.per_line());
            let x = unit(20 + place as u32 * self.entry());
            let y = unit(8 + LEGEND * line as u32 + LEGEND / 2);
            let stroke = color(index).stroke_width((3.0 * scale) as u32);
            area.draw(&PathElement::new(vec![(x, y), (x + unit(26), y)], stroke))?;
            area.draw(&Text::new(run.name.clone(), (x + unit(34), y), style.clone()))?;
        }
        Ok(())
    }
}

/// The color of run `index`; darker every time the colors are used up.
fn color(index: usize) -> RGBColor {
    let RGBColor(red, green, blue) = COLORS[index % COLORS.len()];
    let dark = |level: u8| (f64::from(level) * 0.6_f64.powi((index / COLORS.len()) as i32)) as u8;
    RGBColor(dark(red), dark(green), dark(blue))
}
