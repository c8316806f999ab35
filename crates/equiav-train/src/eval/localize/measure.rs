//! Maps held to what is known of their clips: overlaps beside baselines, and what lights up without cause.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_data::{Dataset, Loader, PlainBatch};
use equiav_eval::localization::{
    Figure, Overlaps, Rule, Truth, center_map, mean, overlap, pointing,
};
use equiav_eval::roc_auc;
use equiav_torch::FullPrecision;
use ndarray::{Array2, Array3, ArrayView2, Axis};
use tch::Tensor;

use super::figures::{Compared, LocalizationMetrics, Ruled, Scores, Spread};
use super::{Localizer, MapKind, MapOptions, Truths};
use crate::clips;
use crate::clips::hash_noise;

/// The sounds that every clip's picture is searched for.
const SOUNDS: [&str; 4] = ["own", "other-sound", "faint-noise", "silence"];
/// Which of them is which.
const OWN: usize = 0;
const OTHER: usize = 1;

/// A sound searched for in one picture.
struct Searched<'a> {
    map: ArrayView2<'a, f32>,
    cosine: f32,
}

/// What is known of each clip.
#[derive(Default)]
struct Tally {
    overlaps: BTreeMap<(Rule, Compared), Vec<f64>>,
    pointing: BTreeMap<Compared, Vec<f64>>,
    /// Per sound, the greatest value of the map and the cosine of both as wholes.
    peaks: [[Vec<f32>; 2]; SOUNDS.len()],
    area: Vec<f64>,
    without_truth: usize,
    cells: [usize; 2],
}

/// Localises every readable clip of `dataset` and holds the maps to `truths`.
///
/// # Errors
///
/// If no clip can be read, or none has a truth.
pub fn localize(
    list: &str,
    dataset: Arc<Dataset>,
    localizer: &Localizer<'_>,
    truths: &Truths,
) -> anyhow::Result<LocalizationMetrics> {
    let recipe = localizer.recipe;
    let options = clips::loader_options(&recipe.data);
    let mut loader = Loader::evaluation(dataset.clone(), recipe.evaluation.batch, options)?;
    let (mut tally, mut previous, mut clips) = (Tally::default(), None, 0);
    for batch in loader.by_ref() {
        let batch = batch?;
        clips += batch.clips.len();
        let heard =
            clips::plain_material(&batch, Modality::AUDIO, localizer.network.store.device());
        let own = localizer.sounds(&part(&batch, Modality::AUDIO, localizer), heard.as_ref());
        let count = own.size()[0];
        let before = previous.unwrap_or_else(|| own.narrow(0, count - 1, 1));
        let other = Tensor::cat(&[&before, &own.narrow(0, 0, count - 1)], 0);
        previous = Some(own.narrow(0, count - 1, 1));
        tally.add(&batch, [own, other], &dataset, (localizer, truths))?;
    }
    let skipped = loader.skipped().iter().map(ToString::to_string).collect();
    ensure!(!tally.area.is_empty(), "no clip of `{list}` can be read and has a truth");
    let seed = recipe.evaluation.seed;
    let options = localizer.options;
    let (own, mut controls) = tally.scores(&options)?;
    if clips == 1 {
        // The sound before the only one is itself.
        tally.pointing.remove(&Compared::OtherSound);
        controls.remove(SOUNDS[OTHER]);
    }
    Ok(LocalizationMetrics {
        list: list.to_owned(),
        found: tally.area.len(),
        listed: dataset.len(),
        without_truth: tally.without_truth,
        skipped,
        digest: dataset.clips().digest(),
        overlap: None,
        truth: truths.source.clone(),
        truth_area: mean(&tally.area),
        map: options.map,
        variant: options.variant,
        cells: tally.cells,
        blur: options.blur,
        side: recipe.front_end.image,
        rules: Rule::ALL.into_iter().map(|rule| tally.ruled(rule, seed)).collect(),
        pointing: tally
            .pointing
            .iter()
            .map(|(map, hits)| (*map, Figure::of(hits, seed, mean)))
            .collect(),
        dark: options.dark,
        own,
        controls,
    })
}

fn part(batch: &PlainBatch, modality: Modality, localizer: &Localizer<'_>) -> Tensor {
    clips::tensor(&batch.parts[&modality], localizer.network.store.device())
}

impl Tally {
    /// Adds a batch whose clips' own sounds, and whose others, are `sounds`, each `[b, out]`.
    fn add(
        &mut self,
        batch: &PlainBatch,
        [own, other]: [Tensor; 2],
        dataset: &Dataset,
        (localizer, truths): (&Localizer<'_>, &Truths),
    ) -> anyhow::Result<()> {
        let [places, whole] = localizer.places(&part(batch, Modality::VISUAL, localizer));
        self.cells = [places.size()[1] as usize, places.size()[2] as usize];
        let same = |heard: &super::Heard| heard.0.unsqueeze(0).expand_as(&own);
        let (faint, silence) = (same(&localizer.faint_noise()?), same(&localizer.silence()?));
        let side = localizer.side();
        let searched = |sounds: Tensor| -> anyhow::Result<(Array3<f32>, Vec<f32>)> {
            let _full = FullPrecision::new()?;
            let fit = places.matmul(&sounds.unsqueeze(1).unsqueeze(-1)).squeeze_dim(-1);
            let cosines = (&whole * sounds).sum_dim_intlist(-1i64, false, None);
            Ok((localizer.pixels(&fit)?, Vec::<f32>::try_from(cosines)?))
        };
        let searched = [searched(own)?, searched(other)?, searched(faint)?, searched(silence)?];
        for (row, clip) in batch.clips.iter().enumerate() {
            let (clips, size) = (dataset.clips(), localizer.recipe.front_end.image_size());
            let middle = clips.middle_frame(*clip);
            let picture = clips.picture(*clip, middle, dataset.orientation());
            let picture = picture.with_context(|| format!("clip `{}`", clips.id(*clip)))?;
            let seen = localizer.recipe.augment.visual.plain_part(picture.size(), size);
            let Some(truth) = truths.of(clips.id(*clip), seen, [side as usize; 2]) else {
                self.without_truth += 1;
                continue;
            };
            let rows = searched.each_ref().map(|(maps, cosines)| Searched {
                map: maps.index_axis(Axis(0), row),
                cosine: cosines[row],
            });
            self.clip(*clip, rows, &truth, localizer)?;
        }
        Ok(())
    }

    fn clip(
        &mut self,
        clip: usize,
        searched: [Searched<'_>; SOUNDS.len()],
        truth: &Truth,
        localizer: &Localizer<'_>,
    ) -> anyhow::Result<()> {
        let size = truth.size();
        let maps = [
            (Compared::Model, searched[OWN].map.to_owned()),
            (Compared::OtherSound, searched[OTHER].map.to_owned()),
            (Compared::Center, center_map(size)),
            (Compared::Whole, Array2::zeros(size)),
            (Compared::Random, self.random(clip, localizer)?),
        ];
        for (name, map) in &maps {
            for rule in Rule::ALL {
                let region = rule.region(map.view(), truth);
                let value = overlap(region.view(), truth);
                self.overlaps.entry((rule, *name)).or_default().push(value);
            }
            self.pointing.entry(*name).or_default().push(pointing(map.view(), truth));
        }
        for (peaks, sound) in self.peaks.iter_mut().zip(searched) {
            peaks[0].push(greatest(sound.map));
            peaks[1].push(sound.cosine);
        }
        self.area.push(truth.area());
        Ok(())
    }

    /// Equal for equal positions in the list.
    fn random(&self, clip: usize, localizer: &Localizer<'_>) -> anyhow::Result<Array2<f32>> {
        let [rows, columns] = self.cells;
        let cells = Tensor::from_slice(&hash_noise(clip as u64, rows * columns));
        let map = localizer.pixels(&cells.view([1, rows as i64, columns as i64]))?;
        Ok(map.index_axis_move(Axis(0), 0))
    }

    fn ruled(&self, rule: Rule, seed: u64) -> Ruled {
        let of = |map: Compared| &self.overlaps[&(rule, map)];
        let maps = self.pointing.keys().map(|map| (*map, Overlaps::of(of(*map), seed))).collect();
        let pairs = of(Compared::Model).iter().zip(of(Compared::Center));
        let differences: Vec<f64> = pairs.map(|(model, center)| model - center).collect();
        Ruled { rule, maps, beyond_center: Figure::of(&differences, seed, mean) }
    }

    /// Of the clips' own sounds, and of every control.
    fn scores(&self, options: &MapOptions) -> anyhow::Result<(Scores, BTreeMap<String, Scores>)> {
        let scores = |sound: usize| -> anyhow::Result<Scores> {
            let auc = |kind: usize| told_apart(&self.peaks[OWN][kind], &self.peaks[sound][kind]);
            let [map, cosine] = [0, 1].map(|kind: usize| spread(&self.peaks[sound][kind]));
            let decides = &self.peaks[sound][usize::from(options.map == MapKind::LeftOut)];
            let lit = decides.iter().filter(|value| **value >= options.dark).count();
            let lit = lit as f64 / decides.len() as f64;
            Ok(Scores { map, cosine, lit, map_auc: auc(0)?, cosine_auc: auc(1)? })
        };
        let controls =
            (1..SOUNDS.len()).map(|sound| Ok((SOUNDS[sound].to_owned(), scores(sound)?)));
        Ok((scores(OWN)?, controls.collect::<anyhow::Result<_>>()?))
    }
}

fn greatest(map: ArrayView2<'_, f32>) -> f32 {
    map.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The chance that one of `own` is greater than one of `others`, equal ones counted half.
fn told_apart(own: &[f32], others: &[f32]) -> anyhow::Result<f64> {
    let scores: Vec<f32> = own.iter().chain(others).copied().collect();
    let positive: Vec<bool> = (0..scores.len()).map(|row| row < own.len()).collect();
    roc_auc(&scores, &positive)?.context("both kinds are there")
}

fn spread(values: &[f32]) -> Spread {
    let mut values: Vec<f64> = values.iter().copied().map(f64::from).collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[(share * (values.len() - 1) as f64).round() as usize];
    Spread { low: at(0.05), median: at(0.5), high: at(0.95) }
}
