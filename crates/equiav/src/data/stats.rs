//! `equiav data stats`: what a recipe's front end must know of a data set.

use std::process::ExitCode;

use equiav_augment::Profile;
use equiav_data::{Clips, Estimate, Statistics, statistics};
use equiav_train::Recipe;
use serde_json::{Value, json};

use super::clip_args::ClipArgs;
use crate::output::{errln, out, outln};

/// Measure the mean and standard deviation of the filterbank, for the front_end of a recipe
///
/// The figures depend on that front end: rate, mel bands, frames. It is the quick recipe's unless --recipe
/// names another one, and is printed with them.
///
/// Intervals hold in 95 of 100 cases and count clips, not values: those of a clip resemble each
/// other. A clip is silent if no sample reaches -60 dB of full scale, a frame empty if no band
/// holds any energy.
#[derive(clap::Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    source: ClipArgs,

    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

impl Stats {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (recipe, clips) = self.source.open(None)?;
        let found = statistics(&clips, &recipe.front_end)?;
        if self.json {
            outln!("{}", as_json(&recipe, &clips, &found))?;
        } else {
            out!("{}", as_table(&recipe, &clips, &found))?;
        }
        for skipped in &found.skipped {
            errln!("warning: skipped: {skipped}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Lines for people, and last those that go into a recipe.
fn as_table(recipe: &Recipe, clips: &Clips, found: &Statistics) -> String {
    let share = |part: f64, whole: f64| 100.0 * part / whole;
    let lengths = &found.durations;
    let estimate = |estimate: &Estimate| {
        let interval = match estimate.interval() {
            Some([low, high]) => format!("95 % interval {low:.4} to {high:.4}"),
            None if found.clips == 1 => "no interval: one clip tells nothing of others".to_owned(),
            None => "no interval: all values are equal".to_owned(),
        };
        format!("{:.4} nats, {interval}", estimate.value)
    };
    let rows = [
        ("front end", front_end(recipe)),
        ("clips", format!("{} of {}, list {}", found.clips, clips.len(), clips.digest())),
        (
            "lengths",
            format!(
                "{:.2} to {:.2} s, median {:.2} s, {:.2} h in all",
                lengths.shortest,
                lengths.longest,
                lengths.median,
                lengths.total / 3_600.0
            ),
        ),
        (
            "silent",
            format!(
                "{} clips ({:.1} %), {:.1} % of {} frames empty",
                found.silent,
                share(found.silent as f64, found.clips as f64),
                share(found.empty_frames as f64, found.frames as f64),
                found.frames
            ),
        ),
        ("mean", estimate(&found.mean)),
        ("deviation", estimate(&found.std)),
    ];
    let table: String = rows.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect();
    let (mean, std) = (found.mean.value, found.std.value);
    format!("{table}\n[front_end]\nmean = {mean:.4}\nstd = {std:.4}\n")
}

/// What of a recipe decides the figures: another one gives others.
fn front_end(recipe: &Recipe) -> String {
    let front_end = &recipe.front_end;
    let rate = front_end
        .sample_rate
        .map_or("each sound's own rate".to_owned(), |hertz| format!("{hertz} Hz"));
    let window = front_end.window.map(|seconds| format!(" of the first {seconds} s"));
    let profile = match front_end.profile {
        Profile::Published => "published",
        Profile::Corrected => "corrected",
    };
    format!(
        "of recipe {} (--recipe and --set choose): {rate}, {} mel bands, at most {} frames{}, {profile}",
        recipe.name,
        front_end.mels,
        front_end.frames,
        window.unwrap_or_default()
    )
}

fn as_json(recipe: &Recipe, clips: &Clips, found: &Statistics) -> Value {
    let estimate = |estimate: &Estimate| {
        json!({
            "value": estimate.value,
            "standard_error": Some(estimate.standard_error).filter(|error| error.is_finite()),
            "interval_95": estimate.interval(),
        })
    };
    let lengths = &found.durations;
    json!({
        "recipe": recipe.name,
        "front_end": recipe.front_end,
        "clips": found.clips,
        "listed": clips.len(),
        "list": clips.digest(),
        "frames": found.frames,
        "mean": estimate(&found.mean),
        "std": estimate(&found.std),
        "seconds": {
            "shortest": lengths.shortest,
            "median": lengths.median,
            "longest": lengths.longest,
            "total": lengths.total,
        },
        "silent_clips": found.silent,
        "empty_frames": found.empty_frames,
        "left_out": found.skipped.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
