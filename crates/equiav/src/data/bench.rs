//! `equiav data bench`: how fast clips become batches, and where the time goes.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use equiav_data::profiler::Stage;
use equiav_data::{Dataset, LoaderRate, StageTimes, Timing, loader_rate, stage_times};
use serde_json::{Value, json};

use super::clip_args::ClipArgs;
use crate::output::{errln, out, outln};

/// Measure how many samples a second the loader makes, and where one core's time goes
///
/// Files are warm, nothing that was decoded is kept; of a long list 256 clips are used.
#[derive(clap::Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    source: ClipArgs,

    /// Numbers of threads to measure the loader with
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', default_value = "1,2")]
    workers: Vec<NonZeroUsize>,

    /// How long each measurement takes
    #[arg(long, default_value = "10", value_parser = seconds)]
    seconds: Duration,

    /// Samples a batch; the recipe's if not given
    #[arg(long)]
    batch: Option<NonZeroUsize>,

    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// What was measured.
struct Figures {
    rates: Vec<LoaderRate>,
    times: StageTimes,
}

impl Bench {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (recipe, clips) = self.source.open(Some("data.cache_mb=0".parse()?))?;
        let batch = self.batch.map_or(recipe.run.batch, NonZeroUsize::get);
        let timing = Timing { batch, time: self.seconds };
        let dataset = equiav_train::dataset(&recipe, clips)?;
        let times = stage_times(&dataset, timing)?;
        let rate = |workers: &NonZeroUsize| loader_rate(&dataset, workers.get(), timing);
        let rates = self.workers.iter().map(rate).collect::<Result<_, _>>()?;
        let figures = Figures { rates, times };
        if self.json {
            outln!("{}", figures.json(&dataset))?;
        } else {
            outln!("{}", heading(&dataset, &recipe.name, batch))?;
            out!("{}", figures.tables())?;
        }
        for skipped in &figures.times.skipped {
            errln!("warning: skipped: {skipped}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A time of at least a tenth of a second.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("expected 0.1 to 86400 seconds".to_owned())
}

/// What the figures are of.
fn heading(dataset: &Dataset, recipe: &str, batch: usize) -> String {
    let front_end = dataset.front_end();
    format!(
        "{} clips, list {}; recipe {recipe}: spectrograms of {} x {}, frames of {image} x {image}, \
         {} centroid vectors, batches of {batch}; nothing cached",
        dataset.len(),
        dataset.clips().digest(),
        front_end.frames,
        front_end.mels,
        dataset.centroid(),
        image = front_end.image,
    )
}

impl Figures {
    fn tables(&self) -> String {
        let mut text = format!("\n{:<8} {:>10} {:>10}\n", "workers", "samples/s", "over first");
        for rate in &self.rates {
            let (speed, first) = (rate.per_second(), self.rates[0].per_second());
            text += &format!("{:<8} {speed:>10.1} {:>10.2}\n", rate.workers, speed / first);
        }
        text += &format!("\n{:<17} {:>8} {:>9}\n", "on one core", "ms", "share");
        let total = self.milliseconds(self.times.stages.total());
        for stage in Stage::ALL {
            let time = self.milliseconds(self.times.stages.of(stage));
            let share = 100.0 * time / total;
            text += &format!("{:<17} {time:>8.3} {share:>7.1} %\n", stage.name());
        }
        let speed = 1e3 / total;
        text + &format!("{:<17} {total:>8.3} {speed:>7.1} samples/s\n", "a sample")
    }

    /// What `time` for all samples is for one.
    fn milliseconds(&self, time: Duration) -> f64 {
        1e3 * time.as_secs_f64() / self.times.samples.max(1) as f64
    }

    fn json(&self, dataset: &Dataset) -> Value {
        let rate = |rate: &LoaderRate| {
            json!({
                "workers": rate.workers,
                "samples": rate.samples,
                "seconds": rate.time.as_secs_f64(),
                "samples_per_second": rate.per_second(),
            })
        };
        let stages = Stage::ALL.into_iter().map(|stage| {
            (stage.name().to_owned(), json!(self.milliseconds(self.times.stages.of(stage))))
        });
        json!({
            "clips": dataset.len(),
            "list": dataset.clips().digest(),
            "loader": self.rates.iter().map(rate).collect::<Vec<_>>(),
            "left_out": self.times.skipped.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "samples": self.times.samples,
            "milliseconds_a_sample": stages.collect::<serde_json::Map<_, _>>(),
        })
    }
}
