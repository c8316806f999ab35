//! Where a run's numbers go: one JSON object a line, and TensorBoard events.

mod jsonl;
mod tensorboard;

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::callback::StepReport;
use crate::metrics::{Metric, Metrics};
use jsonl::JsonLines;
use tensorboard::EventWriter;

/// Both logs of a run folder.
pub(crate) struct Loggers {
    lines: JsonLines,
    events: EventWriter,
}

impl Loggers {
    /// Opens the logs in `folder` and drops what was written after update `step`; a new run's log
    /// begins with its `recipe`.
    pub(crate) fn open(folder: &Path, step: u64, recipe: &str) -> anyhow::Result<Self> {
        let lines = JsonLines::open(&folder.join("metrics.jsonl"), step)?;
        let mut events = EventWriter::create(folder, step)?;
        if step == 0 {
            // Four blanks make it code in TensorBoard's Markdown.
            let text: Vec<String> = recipe.lines().map(|line| format!("    {line}")).collect();
            events.text(step, "recipe", &text.join("\n"))?;
        }
        Ok(Self { lines, events })
    }

    /// Notes one update.
    pub(crate) fn step(&mut self, report: &StepReport) -> anyhow::Result<()> {
        let seconds = report.batch_time.as_secs_f64();
        let mut values = vec![
            ("train/loss".to_owned(), report.figures.loss),
            ("train/lr".to_owned(), report.lr),
            ("train/grad_norm".to_owned(), report.grad_norm),
            ("train/skipped".to_owned(), f64::from(u8::from(!report.applied))),
            ("train/data_time".to_owned(), report.data_time.as_secs_f64()),
            ("train/batch_time".to_owned(), seconds),
            ("train/samples_per_second".to_owned(), report.batch as f64 / seconds),
        ];
        let named = |name: &str, value: &f64| (format!("train/{name}"), *value);
        values.extend(report.loss_scale.map(|scale| named("loss_scale", &scale)));
        let measures = report.figures.measures.iter();
        values.extend(measures.map(|(name, value)| named(name, value)));
        let norms = report.gradient_norms.iter();
        values.extend(norms.map(|(name, norm)| (format!("grad_norm/{name}"), *norm)));
        let megabytes = report.memory.map(|bytes| bytes as f64 / 1e6);
        values.extend(megabytes.map(|megabytes| named("memory_mb", &megabytes)));
        for (name, loss) in &report.figures.terms {
            values.push((format!("train/loss_{name}"), *loss));
            let accuracy = report.figures.accuracies.get(name);
            values.extend(accuracy.map(|top1| (format!("train/top1_{name}"), *top1)));
        }
        self.write(report.step, report.epoch, &values)
    }

    /// Notes an evaluation after `epoch` finished epochs.
    pub(crate) fn evaluated(
        &mut self,
        step: u64,
        epoch: u64,
        metrics: &Metrics,
    ) -> anyhow::Result<()> {
        metrics.lists.iter().try_for_each(|list| self.write(step, epoch, &list.records()))
    }

    /// Notes what was measured of a few held-out clips in the epoch with that number, from 0, and how long that took.
    pub(crate) fn online(
        &mut self,
        step: u64,
        epoch: u64,
        (metrics, time): (&[Metric], Duration),
    ) -> anyhow::Result<()> {
        let named = metrics.iter().map(|metric| (metric.name.as_str(), metric.value));
        let all = named.chain([("time", time.as_secs_f64())]);
        let values: Vec<_> = all.map(|(name, value)| (format!("online/{name}"), value)).collect();
        self.write(step, epoch, &values)
    }

    fn write(&mut self, step: u64, epoch: u64, values: &[(String, f64)]) -> anyhow::Result<()> {
        let mut record =
            Map::from_iter([("step".to_owned(), json!(step)), ("epoch".to_owned(), json!(epoch))]);
        record.extend(values.iter().map(|(name, value)| (name.clone(), json!(value))));
        self.lines.write(&Value::Object(record))?;
        let scalars: Vec<(&str, f32)> =
            values.iter().map(|(name, value)| (name.as_str(), *value as f32)).collect();
        self.events.scalars(step, &scalars)
    }
}
