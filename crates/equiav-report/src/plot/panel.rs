//! One panel of a plot: the curves of one metric.

use std::collections::BTreeMap;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::smooth::{keep_for, smooth};
use super::{GRID, INK, color};
use crate::metric_name::{interval_keys, is_share, label, number};
use crate::run_folder::Run;

/// One metric's curves.
pub(super) struct Panel<'a> {
    metric: &'a str,
    /// Per run: raw points and the smoothed line.
    curves: Vec<[Vec<(f64, f64)>; 2]>,
    /// Per run: the steps at which the log has an interval, each with both ends.
    intervals: Vec<Vec<[(f64, f64); 2]>>,
    percent: bool,
}

impl<'a> Panel<'a> {
    pub(super) fn of(runs: &[Run], metric: &'a str) -> Self {
        let percent = is_share(metric);
        let factor = if percent { 100.0 } else { 1.0 };
        let curve = |run: &Run| {
            let raw = run.log.series(metric).into_iter();
            let raw: Vec<_> = raw.map(|(step, value)| (step as f64, factor * value)).collect();
            let line = smooth(raw.iter().map(|(_, value)| *value), keep_for(raw.len()));
            let line = raw.iter().zip(line).map(|((step, _), value)| (*step, value)).collect();
            [raw, line]
        };
        let interval = |run: &Run| {
            let [low, high] = interval_keys(metric).map(|key| run.log.series(&key));
            let high: BTreeMap<u64, f64> = high.into_iter().collect();
            let ends =
                |(step, low)| Some([low, *high.get(&step)?].map(|end| (step as f64, factor * end)));
            low.into_iter().filter_map(ends).collect()
        };
        Self {
            metric,
            curves: runs.iter().map(curve).collect(),
            intervals: runs.iter().map(interval).collect(),
            percent,
        }
    }

    /// The ranges of steps and values; single outliers among many raw points do not widen it.
    fn ranges(&self) -> (std::ops::Range<f64>, std::ops::Range<f64>) {
        let end = self.curves.iter().flat_map(|[raw, _]| raw).map(|(step, _)| *step);
        let end = end.fold(1.0, f64::max);
        let mut values: Vec<f64> = Vec::new();
        for [raw, line] in &self.curves {
            let mut raw: Vec<f64> = raw.iter().map(|(_, value)| *value).collect();
            raw.sort_by(f64::total_cmp);
            let cut = raw.len() / 200;
            values.extend(&raw[cut..raw.len() - cut]);
            values.extend(line.iter().map(|(_, value)| *value));
        }
        values.extend(self.intervals.iter().flatten().flatten().map(|(_, value)| *value));
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let low = if self.percent { low.min(0.0) } else { low };
        let room = if high > low { 0.05 * (high - low) } else { 0.1 * high.abs().max(1e-3) };
        let bottom = if low >= 0.0 && low < room { low } else { low - room };
        (0.0..end * 1.02, bottom..high + room)
    }

    /// What the vertical axis shows.
    fn label(&self) -> String {
        let unit = if self.percent { " (%)" } else { "" };
        label(self.metric) + unit
    }

    pub(super) fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: f64,
    ) -> anyhow::Result<()>
    where
        B::ErrorType: 'static,
    {
        let unit = |units: f64| (units * scale).round() as u32;
        let font = |size: f64| ("sans-serif", size * scale).into_font().color(&INK);
        let (steps, values) = self.ranges();
        let mut chart = ChartBuilder::on(area)
            .caption(self.metric.replace('_', " ").replace('/', " / "), font(15.0))
            .margin(unit(12.0))
            .x_label_area_size(unit(44.0))
            .y_label_area_size(unit(64.0))
            .build_cartesian_2d(steps, values)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(unit(1.0)))
            .axis_style(RGBColor(120, 120, 120).stroke_width(unit(1.0)))
            .set_all_tick_mark_size(unit(4.0))
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|step| format!("{step:.0}"))
            .y_label_formatter(&|value| number(*value))
            .label_style(font(12.0))
            .axis_desc_style(font(13.0))
            .x_desc("step")
            .y_desc(self.label())
            .draw()?;
        let curves = self.curves.iter().enumerate();
        for (index, [raw, line]) in curves.filter(|(_, [raw, _])| !raw.is_empty()) {
            let (strong, sparse) = (color(index), raw.len() < 40);
            let points = if sparse { strong.filled() } else { strong.mix(0.22).filled() };
            let radius = unit(if sparse { 3.5 } else { 1.6 });
            chart.draw_series(raw.iter().map(|point| Circle::new(*point, radius, points)))?;
            let bar = strong.mix(0.5).stroke_width(unit(1.2));
            let bars = self.intervals[index].iter();
            chart.draw_series(bars.map(|ends| PathElement::new(ends.to_vec(), bar)))?;
            let stroke = strong.stroke_width(unit(2.2));
            chart.draw_series(std::iter::once(PathElement::new(line.clone(), stroke)))?;
        }
        Ok(())
    }
}
