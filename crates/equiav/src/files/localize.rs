//! `equiav localize`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use equiav_data::{Clips, TrainOverlap};
use equiav_train::LoadedModel;
use equiav_train::eval::embeddings::Variant;
use equiav_train::eval::localize::{
    LocalizationMetrics, Localizer, MapKind, MapOptions, Truths, localize,
};
use equiav_train::recipe::Source;

use crate::args::device::OnDevice;
use crate::files::overlay::Overlay;
use crate::output::progress::Progress;
use crate::output::{localization, overlap};
use crate::output::{out, outln, remark};

/// Show or measure where in pictures a sound is seen
///
/// A map says of every place of the picture what the similarity of picture and sound owes to it: how far the
/// cosine of both embeddings falls when its token is left out. Of a model that was trained with
/// `objective.tokens`, it is the cosine of the place's own token with the sound. Of one clip, --video or --audio and --image,
/// it is drawn to --out, a picture or a video. Over a list it is scored against boxes: AP50 ("cIoU"), mean IoU
/// and the area under the success rate over 21 thresholds, under three rules that turn maps into regions, beside
/// baselines and controls.
///
/// The embedded corpus knows its boxes. For VGG-SS give its JSON, for Flickr-SoundNet the folder of its
/// annotations, for your own clips a JSON object of boxes by clip id: [left, top, right, bottom] in shares of
/// the picture's sides. Boxes are seen through the plain view: the centered square of the picture.
#[derive(clap::Args)]
pub(crate) struct Localize {
    /// The run folder
    run: PathBuf,

    /// A video to draw: the frame in its middle, to a .png, or all of it up to its last frame, to an .mp4; each
    /// frame with the sound around it, as long as the model hears at once
    #[arg(long, value_name = "FILE", requires = "out", conflicts_with_all = ["audio", "image"])]
    video: Option<PathBuf>,

    /// The sound of one clip to draw
    #[arg(long, value_name = "FILE", requires_all = ["image", "out"])]
    audio: Option<PathBuf>,

    /// The picture of one clip to draw
    #[arg(long, value_name = "FILE", requires_all = ["audio", "out"])]
    image: Option<PathBuf>,

    /// Where the picture with its map is drawn to, a .png; of a video also an .mp4
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// About how many frames an .mp4 has for each second, 1 to 50: each lasts for whole milliseconds
    #[arg(long, value_name = "FRAMES", default_value = "10", requires = "video",
          value_parser = clap::value_parser!(u64).range(1..=50))]
    per_second: u64,

    /// Measure these clips, a manifest or shards, instead of the recipe's own lists; may be repeated
    #[arg(long = "list", value_name = "CLIPS", conflicts_with_all = ["video", "audio"])]
    lists: Vec<PathBuf>,

    /// Where the boxes of the clips are
    #[arg(long, value_name = "FILE", conflicts_with_all = ["video", "audio"])]
    boxes: Option<PathBuf>,

    /// Measure the first clips of a list only
    #[arg(long, value_name = "CLIPS", conflicts_with_all = ["video", "audio"])]
    first: Option<usize>,

    /// Print one JSON object a list instead of a table
    #[arg(long, conflicts_with_all = ["video", "audio"])]
    json: bool,

    #[command(flatten)]
    how: How,

    #[command(flatten)]
    device: OnDevice,
}

/// How maps are made.
#[derive(clap::Args)]
pub(crate) struct How {
    /// What maps show: the cosine of each place's token with the sound, or what the similarity loses without it [default:
    /// tokens for a model that was trained with `objective.tokens`, else left-out]
    #[arg(long, value_name = "KIND")]
    map: Option<Shown>,

    /// Which point of the tokens is compared: the plain view's own, or the centroid of predictions [default: clean, or with
    /// --map tokens what the recipe compares]
    #[arg(long, value_name = "VARIANT")]
    variant: Option<Named>,

    /// How many times finer than the tokens' grid maps are, each way; each step squares the passes
    #[arg(long, value_name = "TIMES", default_value = "2")]
    finer: i64,

    /// The deviation of the Gaussian that maps are blurred by, in patches; its default was chosen on training
    /// clips of the quick recipe
    #[arg(long, value_name = "PATCHES", default_value = "0.6")]
    blur: f64,

    /// The cosine below which no map is shown: of picture and sound as wholes, or with --map tokens the greatest of the map.
    /// The default was chosen on training clips, where it leaves 95 % of them lit [default: 0.6; with --map tokens 0.5]
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true)]
    dark: Option<f32>,
}

/// What a map shows, by its name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shown {
    Tokens,
    LeftOut,
}

/// A variant by its name; the recipe has the number of vectors.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Named {
    Clean,
    Centroid,
}

impl How {
    pub(crate) fn options(&self, trained: &LoadedModel) -> MapOptions {
        let recipe = &trained.recipe;
        let map = match self.map {
            None => MapKind::of(recipe),
            Some(Shown::Tokens) => MapKind::Tokens,
            Some(Shown::LeftOut) => MapKind::LeftOut,
        };
        let variant = match (self.variant, map) {
            (None, MapKind::Tokens) => Variant::of(recipe),
            (None, MapKind::LeftOut) | (Some(Named::Clean), _) => Variant::Clean,
            (Some(Named::Centroid), _) => Variant::Centroid {
                vectors: recipe.objective.centroid_samples,
                seed: recipe.evaluation.seed,
            },
        };
        let dark = self.dark.unwrap_or(match map {
            MapKind::LeftOut => 0.6,
            MapKind::Tokens => 0.5,
        });
        MapOptions { map, variant, finer: self.finer, blur: self.blur, dark }
    }
}

impl Localize {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut progress = Progress::new();
        let trained = LoadedModel::open_on(&self.run, self.device.choice(), &mut progress)?;
        let localizer = Localizer::new(&trained, self.how.options(&trained))?;
        if let Some(out) = &self.out {
            let drawing = Overlay { localizer: &localizer, out };
            let said = match (&self.video, &self.audio, &self.image) {
                (Some(video), ..) => {
                    drawing.video(video, &trained.recipe.front_end, self.per_second, &mut progress)
                }
                (None, Some(audio), Some(image)) => drawing.clip(audio, image),
                _ => bail!("--out draws one clip: give --video, or --audio and --image"),
            };
            remark!("{}: {}", out.display(), said?);
            return Ok(ExitCode::SUCCESS);
        }
        let measured = self.measure(&trained, &localizer, &mut progress)?;
        overlap::warn(measured.iter().map(|one| (&one.list, &one.overlap)));
        for figures in &measured {
            match self.json {
                true => outln!("{}", serde_json::to_string(figures)?)?,
                false => out!("{}", localization::table(figures))?,
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn measure(
        &self,
        trained: &LoadedModel,
        localizer: &Localizer<'_>,
        progress: &mut Progress,
    ) -> anyhow::Result<Vec<LocalizationMetrics>> {
        let given = self.boxes.as_deref().map(Truths::read).transpose()?;
        let one = |name: &str, clips: Clips, train: Option<&Clips>, truths: &Truths| {
            let clips = first(clips, self.first)?;
            let overlap = train.map(|train| TrainOverlap::of(&clips, train));
            let dataset = equiav_train::dataset(&trained.recipe, clips)?;
            Ok(LocalizationMetrics { overlap, ..localize(name, dataset, localizer, truths)? })
        };
        if self.lists.is_empty() {
            let truths = given.map_or_else(|| own_truths(trained), Ok)?;
            let corpus = trained.recipe.data.source.prepare(progress)?;
            ensure!(
                !corpus.evaluate.is_empty(),
                "the recipe names no list to measure: give --list"
            );
            return corpus
                .evaluate
                .into_iter()
                .map(|(name, list)| one(&name, list, Some(&corpus.train), &truths))
                .collect();
        }
        let train = trained.recipe.data.source.train_list();
        let measure = |list: &PathBuf| {
            let truths = given.clone().map_or_else(|| Truths::of_corpus(list), Ok)?;
            let name = list.display().to_string();
            one(&name, Clips::open(&name)?, train.as_ref(), &truths)
        };
        self.lists.iter().map(measure).collect()
    }
}

/// The boxes of the clips that the run was trained beside.
pub(crate) fn own_truths(trained: &LoadedModel) -> anyhow::Result<Truths> {
    match &trained.recipe.data.source {
        Source::Synthetic(corpus) => Ok(Truths::of_synthetic(corpus)),
        Source::Manifest(lists) => Truths::of_corpus(&lists.train),
        _ => bail!("the recipe's lists have no boxes: give --boxes FILE"),
    }
}

/// The first `most` of `clips`.
fn first(clips: Clips, most: Option<usize>) -> anyhow::Result<Clips> {
    match (clips, most) {
        (clips, None) => Ok(clips),
        (Clips::Manifest(mut manifest), Some(most)) => {
            ensure!(most > 0, "--first 0 leaves nothing to measure");
            manifest.clips.truncate(most);
            Ok(manifest.into())
        }
        (Clips::Shards(_), Some(_)) => bail!("--first is for manifests"),
    }
}
