//! `equiav bench`: how fast the training step is, and where its time goes.

use std::path::PathBuf;
use std::process::ExitCode;

use equiav_torch::Timeouts;
use equiav_train::bench::online_cost::{OnlineCost, online_cost};
use equiav_train::bench::throughput::{self, CentroidCost, StepRate, StepTiming};
use equiav_train::engine::profiler::Phase;
use equiav_train::{Override, Recipe, World};
use serde_json::{Value, json};

use crate::args::device::TrainedOn;
use crate::output::{Unwritable, outln, remark};

/// Measure how many samples a second the training step makes, and where its time goes
///
/// Every step has the same batch, hashed from the recipe's seed; no data is read. The learning rate
/// goes through the whole of the recipe's schedule within the steps. The first step sets things up
/// and is left out of the median, unless it is alone. Several processes share the batch when torchrun
/// --no-python or srun starts this command; the figures are those of rank 0.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// What to do: a recipe file, or a built-in name
    recipe: PathBuf,

    /// Change a value of the recipe, e.g. --set run.batch=4; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<Override>,

    #[command(flatten)]
    device: TrainedOn,

    /// How many steps to make, 10 if not given; of pairs with --centroid or --online the most, 200 if not given
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    steps: Option<u64>,

    /// Measure what the centroid costs instead: pairs of a step with it and one with the plain views' own
    /// embeddings, in turn (A B, B A), until the 95 % interval of the ratio of their times is at most a point
    /// to either side
    #[arg(long)]
    centroid: bool,

    /// Measure what the measurements of held-out clips between evaluations (evaluation.online_every) add to a step instead:
    /// pairs of a step and such a measurement, in turn (A B, B A), until the 95 % interval of the share is at most a tenth
    /// of a point to either side
    #[arg(long, conflicts_with = "centroid")]
    online: bool,

    /// Make no step: write the start weights, the batch and the learning rates to a folder, so that
    /// another program can make the same steps
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["centroid", "online"])]
    dump: Option<PathBuf>,

    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = Recipe::load(&self.recipe, &self.device.among(&self.overrides)?)?;
        let world = World::from_environment(Timeouts::USUAL)?;
        let steps = self.steps.unwrap_or(if self.centroid || self.online { 200 } else { 10 });
        let mut start = throughput::start(&recipe, steps, &world)?;
        if let Some(folder) = &self.dump {
            equiav_train::bench::dump(&start, &recipe, folder)?;
            remark!("{}", folder.display());
        } else if self.centroid {
            let cost = throughput::centroid_cost(&mut start, &recipe)?;
            if world.is_main() {
                self.print(&recipe, &centroid_json(&cost), &centroid_text(&cost))?;
            }
        } else if self.online {
            let cost = online_cost(&mut start, &recipe)?;
            if world.is_main() {
                self.print(&recipe, &online_json(&cost), &online_text(&cost))?;
            }
        } else {
            let rate = throughput::step_rate(&mut start, &recipe)?;
            if world.is_main() {
                self.print(&recipe, &rate_json(&rate), &rate_text(&rate))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, recipe: &Recipe, figures: &Value, text: &str) -> Result<(), Unwritable> {
        if self.json {
            let mut all = setting(recipe);
            all.extend(figures.as_object().cloned().unwrap_or_default());
            outln!("{}", Value::Object(all))
        } else {
            let setting = setting(recipe).into_iter().map(|(name, value)| match value {
                Value::String(text) => format!("{name} {text}"),
                other => format!("{name} {other}"),
            });
            outln!("{}\n\n{text}", setting.collect::<Vec<_>>().join(", "))
        }
    }
}

/// What the steps were made with.
fn setting(recipe: &Recipe) -> serde_json::Map<String, Value> {
    let compute = &recipe.compute;
    let setting = json!({
        "recipe": recipe.name,
        "batch": recipe.run.batch,
        "device": compute.device,
        "threads": equiav_torch::threads(),
        "precision": compute.precision,
        "matmul_precision": compute.matmul_precision,
    });
    setting.as_object().cloned().unwrap_or_default()
}

fn rate_json(rate: &StepRate) -> Value {
    let step = |step: &StepTiming| {
        let StepTiming { report, time, .. } = step;
        let terms = report.figures.terms.iter().map(|(name, loss)| (name.clone(), json!(loss)));
        json!({
            "lr": report.lr,
            "loss": report.figures.loss,
            "terms": terms.collect::<serde_json::Map<_, _>>(),
            "grad_norm": report.grad_norm,
            "seconds": time.as_secs_f64(),
        })
    };
    let phase =
        |phase: Phase| (phase.name().to_owned(), json!(1e3 * rate.phase(phase).as_secs_f64()));
    json!({
        "parameters": rate.parameters,
        "samples_per_second": rate.per_second(),
        "peak_bytes": rate.peak,
        "milliseconds_a_step": Phase::ALL.into_iter().map(phase).collect::<serde_json::Map<_, _>>(),
        "steps": rate.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn rate_text(rate: &StepRate) -> String {
    let names: Vec<&String> =
        rate.steps.first().map_or_else(Vec::new, |step| step.report.figures.terms.keys().collect());
    let mut text = format!("{:<6} {:>9} {:>10}", "step", "ms", "loss");
    for name in &names {
        text += &format!(" {name:>13}");
    }
    text += "\n";
    for (number, StepTiming { report, time, .. }) in (1..).zip(&rate.steps) {
        let (ms, loss) = (1e3 * time.as_secs_f64(), report.figures.loss);
        text += &format!("{number:<6} {ms:>9.1} {loss:>10.5}");
        for loss in report.figures.terms.values() {
            text += &format!(" {loss:>13.5}");
        }
        text += "\n";
    }
    text += &format!("\n{:<12} {:>9} {:>9}\n", "phase", "ms", "share");
    let whole = rate.time().as_secs_f64();
    for phase in Phase::ALL {
        let time = rate.phase(phase).as_secs_f64();
        text +=
            &format!("{:<12} {:>9.1} {:>7.1} %\n", phase.name(), 1e3 * time, 100.0 * time / whole);
    }
    let peak =
        rate.peak.map_or("unknown".to_owned(), |bytes| format!("{:.2} GB", bytes as f64 / 1e9));
    let (ms, speed) = (1e3 * whole, rate.per_second());
    text + &format!("{:<12} {ms:>9.1} {speed:>7.2} samples/s, peak memory {peak}", "a step")
}

fn centroid_json(cost: &CentroidCost) -> Value {
    json!({
        "centroid_share": cost.share(),
        "centroid_interval": cost.interval(),
        "settled": cost.is_settled(),
        "centroid_seconds": seconds(&cost.centroid),
        "clean_pair_seconds": seconds(&cost.clean_pair),
    })
}

fn online_json(cost: &OnlineCost) -> Value {
    json!({
        "online_share": cost.share(),
        "online_interval": cost.interval(),
        "settled": cost.is_settled(),
        "every": cost.every,
        "clips": cost.clips,
        "step_seconds": seconds(&cost.steps),
        "measurement_seconds": seconds(&cost.measurements),
    })
}

fn online_text(cost: &OnlineCost) -> String {
    let mut text =
        format!("{:<6} {:>12} {:>15} {:>8}\n", "pair", "step ms", "measurement ms", "adds");
    for (number, (step, measured)) in (1..).zip(cost.steps.iter().zip(&cost.measurements)) {
        let (step, measured) = (step.as_secs_f64(), measured.as_secs_f64());
        let share = 100.0 * measured / step / cost.every as f64;
        text +=
            &format!("{number:<6} {:>12.1} {:>15.1} {share:>6.2} %\n", 1e3 * step, 1e3 * measured);
    }
    let interval = interval_text(cost.interval(), cost.steps.len(), cost.is_settled());
    text + &format!(
        "{} held-out clips every {} steps add {:.2} % to a step on average ({interval})",
        cost.clips,
        cost.every,
        100.0 * cost.share(),
    )
}

fn seconds(times: &[std::time::Duration]) -> Vec<f64> {
    times.iter().map(std::time::Duration::as_secs_f64).collect()
}

fn centroid_text(cost: &CentroidCost) -> String {
    let mut text =
        format!("{:<6} {:>12} {:>12} {:>8}\n", "step", "clean ms", "centroid ms", "more");
    for (number, (clean, centroid)) in (1..).zip(cost.clean_pair.iter().zip(&cost.centroid)) {
        let (clean, centroid) = (clean.as_secs_f64(), centroid.as_secs_f64());
        let (more, clean_ms, ms) = (100.0 * (centroid / clean - 1.0), 1e3 * clean, 1e3 * centroid);
        text += &format!("{number:<6} {clean_ms:>12.1} {ms:>12.1} {more:>6.2} %\n");
    }
    text + &format!(
        "the centroid adds {:.2} % to a step with the clean pair ({})",
        100.0 * cost.share(),
        interval_text(cost.interval(), cost.centroid.len(), cost.is_settled())
    )
}

/// How sure the share is, and what would make it surer.
fn interval_text(interval: Option<(f64, f64)>, pairs: usize, settled: bool) -> String {
    let wide = if settled { "" } else { "; too wide: more --steps, or a quiet machine" };
    match interval {
        Some((low, high)) => {
            format!("95 %: {:.2} to {:.2}, of {pairs} pairs{wide}", 100.0 * low, 100.0 * high)
        }
        None => format!("no interval of {pairs} pairs: it takes 6"),
    }
}
