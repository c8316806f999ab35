//! Space-time crop and attend (Patrick et al., arXiv 2103.10211): crops of an encoder's tokens as views of a clip, pooled by
//! attention, beside the contrast between modalities.
//!
//! The two views of a clip are its plain and its augmented one. docs/methods/stica.md tells what of it is published.

mod crops;
mod settings;

use anyhow::{Context, ensure};
use equiav_augment::random::below;
use equiav_augment::{Modality, Purpose, stream};
use equiav_loss::{Contrast, Keys, contrast, info_nce};
use equiav_models::Features;
use tch::{Device, Kind, Tensor, nn};

use self::crops::{CropSize, Grid, cropped};
pub use self::settings::SticaSettings;
use super::named::MethodSection;
use super::towers::Towers;
use crate::callback::Callback;
use crate::clips::{DeviceBatch, EvaluationLists, HeldOut, RunClips};
use crate::engine::{Gathered, Method, Named, Needs, StepContext, Term};
use crate::metrics::{Metric, Metrics};
use crate::recipe::MethodSettings;

/// The term between modalities.
const BETWEEN: &str = "between";

/// Crops of tokens over towers.
#[derive(Debug)]
pub struct Stica {
    /// Encoders, pools and heads.
    pub towers: Towers,
    settings: SticaSettings,
    seed: u64,
}

impl Stica {
    /// The method of `settings` over `towers` of two modalities, with crops keyed by `seed`.
    ///
    /// # Errors
    ///
    /// If there are not two modalities, or an encoder's tokens lie on no grid.
    pub fn new(towers: Towers, settings: SticaSettings, seed: u64) -> anyhow::Result<Self> {
        let modalities = towers.modalities();
        ensure!(modalities.len() == 2, "the method compares two modalities, not {modalities:?}");
        for (modality, branch) in &towers.network.branches {
            branch
                .grid()
                .with_context(|| format!("the tokens of {modality} lie on no grid to crop"))?;
        }
        Ok(Self { towers, settings, seed })
    }

    fn grid(&self, modality: Modality) -> Grid {
        let [rows, columns] =
            self.towers.network.branches[&modality].grid().expect("seen by `new`");
        // Rows of a spectrogram are bins of frequency, whose place is what they are.
        let in_time = modality == Modality::AUDIO;
        Grid { rows: rows as usize, columns: columns as usize, in_time }
    }

    /// The crops of each view: their names and sizes.
    fn crops(&self) -> Vec<(String, CropSize)> {
        let large =
            (0..self.settings.large).map(|number| (format!("large{number}"), CropSize::Large));
        let small =
            (0..self.settings.small).map(|number| (format!("small{number}"), CropSize::Small));
        large.chain(small).collect()
    }

    /// What the head makes of pooled `tokens`, `[b, out]`.
    fn pooled(&self, modality: Modality, tokens: Tensor) -> Tensor {
        let branch = &self.towers.network.branches[&modality];
        branch.head(&branch.pool(&Features::new(tokens)).point)
    }

    /// Symmetric, of large crops of both views; and from small ones of each view to large ones of the other, as constants.
    fn crop_loss(&self, modality: Modality, own: &Named, all: &Gathered) -> Contrast {
        let tau = self.settings.crop_temperature;
        let name = |view: usize, crop: &str| format!("{crop}_{view}_{modality}");
        let crops = self.crops();
        let of = |size| crops.iter().filter(move |crop| crop.1 == size).map(|crop| &crop.0);
        let mut each = Vec::new();
        for one in of(CropSize::Large) {
            for other in of(CropSize::Large) {
                let (a, b) = (name(0, one), name(1, other));
                each.push(info_nce(&own[&a], &own[&b], &all.keys(&a, &b), tau, None));
            }
            for small in of(CropSize::Small) {
                for (view, other) in [(0, 1), (1, 0)] {
                    let (query, key) =
                        (&own[&name(view, small)], all.rows(&name(other, one)).detach());
                    let first = all.first;
                    let rows = Tensor::arange_start(
                        first,
                        first + query.size()[0],
                        (Kind::Int64, query.device()),
                    );
                    each.push(contrast(query, &[&key], &rows, tau, None, None));
                }
            }
        }
        mean(each)
    }
}

/// The mean of several losses.
fn mean(each: Vec<Contrast>) -> Contrast {
    let count = each.len() as f64;
    let sum =
        |values: Vec<Tensor>| values.into_iter().reduce(|a, b| a + b).expect("a crop") / count;
    let (losses, top1) = each.into_iter().map(|one| (one.loss, one.top1)).unzip();
    Contrast { loss: sum(losses), top1: sum(top1) }
}

fn term(modality: Modality) -> String {
    format!("crops_{modality}")
}

impl MethodSection for SticaSettings {
    const NAME: &'static str = "stica";
    type Method = Stica;

    fn check(recipe: &MethodSettings<Self>) -> anyhow::Result<()> {
        recipe.method.check()
    }

    fn build(recipe: &MethodSettings<Self>, device: Device, _: &RunClips) -> anyhow::Result<Stica> {
        Stica::new(Towers::of(recipe, device)?, recipe.method.clone(), recipe.seed)
    }
}

impl Method for Stica {
    fn needs(&self) -> Needs {
        Needs { modalities: self.towers.modalities(), augmented: true, labels: false }
    }

    fn variables(&self) -> &nn::VarStore {
        &self.towers.network.store
    }

    fn start(&mut self, _: &mut dyn Callback) -> anyhow::Result<()> {
        self.towers.start()
    }

    /// Both views in one pass of each encoder; crops and the whole, pooled and projected.
    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let mut rows = Named::new();
        for (modality, branch) in &self.towers.network.branches {
            let input = &batch.inputs[modality];
            let augmented = input.augmented.as_ref().context("the method needs augmented views")?;
            let both = [&input.plain.values, &augmented.values];
            let views = branch.encoder().encode_pair(both, [None, None]);
            let (grid, purpose) = (self.grid(*modality), Purpose::FeatureCrop(*modality));
            let streams = batch.visits.iter();
            let mut streams: Vec<_> = streams
                .map(|visit| stream(self.seed, visit.key(), visit.clip as u64, purpose))
                .collect();
            for (view, tokens) in views.into_iter().enumerate() {
                for (name, size) in self.crops() {
                    let places: Vec<_> = streams
                        .iter_mut()
                        .map(|rng| grid.draw(size, |count| below(count, rng)))
                        .collect();
                    let crop = self.pooled(*modality, cropped(&tokens, &places));
                    rows.insert(format!("{name}_{view}_{modality}"), crop);
                }
                rows.insert(format!("whole_{view}_{modality}"), self.pooled(*modality, tokens));
            }
        }
        Ok(rows)
    }

    /// `L = alpha L_between + (1 - alpha) mean_modality L_crops`
    fn terms(
        &mut self,
        own: &Named,
        all: &Gathered,
        _: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let modalities = self.towers.modalities();
        let alpha = self.settings.alpha;
        let between = |view: usize| {
            let [a, b] = [0, 1].map(|side: usize| format!("whole_{view}_{}", modalities[side]));
            let keys = all.keys(&a, &b);
            let keys = Keys { a: keys.a.detach(), b: keys.b.detach(), first: keys.first };
            info_nce(&own[&a], &own[&b], &keys, self.settings.temperature, None)
        };
        let weighed = |contrast: Contrast, weight: f64| Contrast {
            loss: contrast.loss * weight,
            top1: contrast.top1,
        };
        let between = weighed(mean(vec![between(0), between(1)]), alpha);
        let mut terms = vec![Term::contrast(BETWEEN, between)];
        for modality in modalities {
            let crops = weighed(self.crop_loss(modality, own, all), (1.0 - alpha) / 2.0);
            terms.push(Term::contrast(term(modality), crops));
        }
        Ok(terms)
    }

    fn term_names(&self) -> Vec<String> {
        let crops = self.towers.modalities().into_iter().map(term);
        [BETWEEN.to_owned()].into_iter().chain(crops).collect()
    }

    fn measures(&self, own: &Named) -> Named {
        self.towers.spreads(own, "whole_0")
    }

    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        self.towers.evaluate(lists, |_, _| Ok(Vec::new()))
    }

    fn online_cost(&self) -> Option<f64> {
        Some(0.5)
    }

    fn evaluate_online(&self, held_out: &HeldOut<'_>) -> anyhow::Result<Vec<Metric>> {
        self.towers.evaluate_online(held_out)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use equiav_data::Visit;
    use equiav_models::{BranchConfig, Encode, EncodeOptions, HeadConfig};

    use super::*;
    use crate::clips::{Input, InputView};
    use crate::model::Network;

    /// Patches as they are, on a grid of 4 by 4, and how often they were asked for.
    #[derive(Debug)]
    struct Counting(Arc<AtomicUsize>);

    impl Encode for Counting {
        fn width(&self) -> i64 {
            4
        }

        fn encode(&self, input: &Tensor, _: &EncodeOptions<'_>) -> Features {
            self.0.fetch_add(1, Ordering::Relaxed);
            Features::new(input.flatten(2, 3).transpose(1, 2))
        }

        fn grid(&self) -> Option<[i64; 2]> {
            Some([4, 4])
        }
    }

    #[test]
    fn crops_cost_no_pass_of_the_encoder() {
        let text = include_str!("../../../../recipes/stica-quick.toml");
        let recipe = crate::recipe::Checked::<MethodSettings<SticaSettings>>::parse(text, &[]);
        let recipe = recipe.expect("a recipe");
        let calls = Arc::new(AtomicUsize::new(0));
        let store = nn::VarStore::new(Device::Cpu);
        let branches = recipe.embedding().expect("networks").branches();
        let branch = |(modality, config): (Modality, BranchConfig)| {
            let config = BranchConfig { inter_head: HeadConfig::NONE, ..config };
            let counting = Counting(calls.clone());
            let root = store.root();
            (
                modality,
                config
                    .builder(&root)
                    .encoder(|_| counting)
                    .pool(|_| equiav_models::MeanPool)
                    .build(),
            )
        };
        let branches = branches.into_iter().map(branch).collect();
        let towers = Towers::over_arrays(Network::of_branches(store, branches));
        let view = || InputView {
            values: Tensor::randn([3, 4, 4, 4], (Kind::Float, Device::Cpu)),
            material: None,
        };
        let input = |modality| {
            let input =
                Input { plain: view(), augmented: Some(view()), vectors: None, centroid: None };
            (modality, input)
        };
        let batch = DeviceBatch {
            inputs: Modality::AUDIO_VISUAL.map(input).into(),
            labels: None,
            visits: (0..3).map(|clip| Visit { epoch: 0, repetition: 0, clip }).collect(),
        };
        let mut method = Stica::new(towers, recipe.method.clone(), 5).expect("a method");
        let mut passes = |large, small| {
            method.settings = SticaSettings { large, small, ..method.settings.clone() };
            let before = calls.load(Ordering::Relaxed);
            let rows = method.embed(&batch).expect("rows");
            assert_eq!(rows.len(), 2 * 2 * (large + small + 1));
            calls.load(Ordering::Relaxed) - before
        };
        // Both views of both modalities, whatever the crops: an encoder of its own has a pass for each view.
        assert_eq!([passes(1, 0), passes(2, 4), passes(3, 9)], [4, 4, 4]);
    }
}
