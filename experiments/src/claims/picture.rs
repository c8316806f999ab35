//! Curves of a regime: R@1 over clips seen and over seconds, so that equal data and equal compute are both visible.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::record::Record;

const FONT: &[u8] = include_bytes!("../../../crates/equiav-report/font/DejaVuSans.ttf");
/// Told apart by the color-blind too (Okabe and Ito).
const COLORS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(170, 68, 153),
    RGBColor(60, 60, 60),
    RGBColor(204, 121, 0),
    RGBColor(86, 160, 215),
    RGBColor(150, 150, 60),
];
const SIZE: (u32, u32) = (1040, 380);

/// One variant's curve: its name, and per evaluation clips seen, seconds and R@1, the mean over seeds.
pub(super) type Line<'a> = (&'a str, Vec<(f64, f64, f64)>);

/// The mean curve of `records`, runs of one variant that were measured at the same clips.
pub(super) fn mean_curve(records: &[&Record]) -> Vec<(f64, f64, f64)> {
    let points = records.iter().map(|record| record.curve.len()).min().unwrap_or(0);
    let count = records.len() as f64;
    let mean = |at: usize| {
        let sum = records
            .iter()
            .map(|record| record.curve[at])
            .fold((0.0, 0.0, 0.0), |sum, one| (sum.0 + one.0 as f64, sum.1 + one.1, sum.2 + one.2));
        (sum.0 / count, sum.1 / count, sum.2 / count)
    };
    (0..points).map(mean).collect()
}

/// Draws `lines` into the SVG `path`.
pub(super) fn draw(path: &Path, lines: &[Line<'_>]) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, FONT)
        .map_err(|_| anyhow!("the font cannot be read"))?;
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    drawn(&area, lines).map_err(|error| anyhow!("{error}")).context(path.display().to_string())
}

type Drawn<'a> = std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn drawn<'a>(area: &DrawingArea<SVGBackend<'a>, Shift>, lines: &[Line<'_>]) -> Drawn<'a> {
    area.fill(&WHITE)?;
    let [left, right] = &area.split_evenly((1, 2))[..] else { return Ok(()) };
    panel(left, "clips seen (thousands)", lines, |point| point.0 / 1000.0)?;
    panel(right, "seconds of training", lines, |point| point.1)?;
    area.present()
}

fn panel<'a>(
    area: &DrawingArea<SVGBackend<'a>, Shift>,
    title: &str,
    lines: &[Line<'_>],
    across: impl Fn(&(f64, f64, f64)) -> f64,
) -> Drawn<'a> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(1e-9, f64::max) * 1.05;
    let width = most(&mut points().map(&across));
    let height = most(&mut points().map(|point| 100.0 * point.2));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..width, 0.0..height)?;
    chart.configure_mesh().x_desc(title).y_desc("R@1, %").label_style(("sans-serif", 13)).draw()?;
    for ((name, points), color) in lines.iter().zip(COLORS.iter().cycle()) {
        let series = points.iter().map(|point| (across(point), 100.0 * point.2));
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2));
        chart
            .draw_series(LineSeries::new(series, color.stroke_width(2)))?
            .label(*name)
            .legend(legend);
    }
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.8));
    labels.label_font(("sans-serif", 13)).draw()
}
