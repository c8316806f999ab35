//! Where a run's figures go: one JSON object a line, and TensorBoard events.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::classified::Classified;
use crate::metrics_log::MetricsLog;
use crate::retrieve::Retrieved;
use crate::task::Measured;
use crate::tensorboard::EventWriter;
use crate::watch::StepReport;

/// Both logs of a run folder.
pub(crate) struct Journal {
    lines: MetricsLog,
    events: EventWriter,
}

impl Journal {
    /// Opens the logs in `folder` and drops what was written after update `step`; a new run's log
    /// begins with its `recipe`.
    pub(crate) fn open(folder: &Path, step: u64, recipe: &str) -> anyhow::Result<Self> {
        let lines = MetricsLog::open(&folder.join("metrics.jsonl"), step)?;
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
            ("train/left_out".to_owned(), f64::from(u8::from(!report.applied))),
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
        for (name, (loss, top1)) in &report.figures.terms {
            values.push((format!("train/loss_{name}"), *loss));
            values.push((format!("train/top1_{name}"), *top1));
        }
        self.write(report.step, report.epoch, &values)
    }

    /// Notes the measurements after `epoch` finished epochs.
    pub(crate) fn measured(
        &mut self,
        step: u64,
        epoch: u64,
        measured: &Measured,
    ) -> anyhow::Result<()> {
        let lists: Vec<Vec<(String, f64)>> = match measured {
            Measured::Retrieved(retrieved) => retrieved.iter().map(recalls).collect(),
            Measured::Classified(classified, _) => classified.iter().map(classes).collect(),
        };
        lists.iter().try_for_each(|values| self.write(step, epoch, values))
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

/// The figures of one list of a pre-training run.
fn recalls(figures: &Retrieved) -> Vec<(String, f64)> {
    let list = &figures.list;
    let mut values = Vec::new();
    for (way, found) in [
        ("visual_to_audio", &figures.visual_to_audio),
        ("audio_to_visual", &figures.audio_to_visual),
    ] {
        for (name, value) in [
            ("r1", found.r1),
            ("r5", found.r5),
            ("r10", found.r10),
            ("median_rank", found.median_rank),
            ("mean_rank", found.mean_rank),
            ("tied_share", found.tied_share.unwrap_or(0.0)),
        ] {
            values.push((format!("val/{list}/{way}/{name}"), value));
        }
    }
    let collapsed = f64::from(u8::from(figures.collapsed.is_some()));
    values.push((format!("val/{list}/collapsed"), collapsed));
    values
}

/// The figures of one list of a fine-tuning run.
fn classes(figures: &Classified) -> Vec<(String, f64)> {
    let collapsed = f64::from(u8::from(figures.collapsed.is_some()));
    let named = figures.named().into_iter().chain([("collapsed", collapsed)]);
    named.map(|(name, value)| (format!("val/{}/{name}", figures.list), value)).collect()
}
