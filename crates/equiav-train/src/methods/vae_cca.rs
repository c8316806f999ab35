//! VAE-CCA (Zhang et al., arXiv 2112.02601): stochastic embeddings in a space that all modalities share, pulled together by
//! classes.
//!
//! Despite its name the published code decomposes no covariance; here that is a term which a recipe may ask for.
//! docs/methods/vae-cca.md has the formulas and what differs.

pub mod losses;
mod settings;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use equiav_augment::random::unit;
use equiav_augment::{Modality, Purpose, stream};
use equiav_cca::{Covariances, SpectralSum, canonical_correlation};
use equiav_models::{Head, HeadConfig};
use tch::nn::Module;
use tch::{Device, Kind, Tensor, nn};

use self::losses::{affinity, divergence, mean_length, own_centers, reparameterized, to_centers};
pub use self::settings::{Centers, VaeCcaSettings};
use super::classes::{self, Classes};
use super::named::MethodSection;
use super::towers::Towers;
use crate::callback::Callback;
use crate::clips::{DeviceBatch, EvaluationLists, HeldOut, RunClips};
use crate::engine::{Gather, Gathered, Method, Named, Needs, StepContext, Term, seeded};
use crate::metrics::{Metric, Metrics};
use crate::recipe::MethodSettings;

/// The names of all terms.
const TERMS: [&str; 7] =
    ["vae", "discriminative", "affinity", "distance", "center", "canonical", "canonical_class"];
/// The largest logarithm of a variance; beyond it a step of training is not finite.
const LARGEST_LOG_VARIANCE: f64 = 10.0;

/// Stochastic heads over towers, whose own heads give the means.
#[derive(Debug)]
pub struct VaeCca {
    /// Encoders and the head of the means, by which clips are compared.
    pub towers: Towers,
    settings: VaeCcaSettings,
    seed: u64,
    /// One for all modalities: the logarithm of the variance, from pooled tokens.
    log_variance: Head,
    /// One for all modalities: scores of classes.
    classifier: nn::Linear,
    /// What reconstructs the pooled tokens of each modality; the first layer is one for all.
    decoder: nn::Linear,
    decoders: BTreeMap<Modality, nn::Linear>,
    /// The center of each class, `[c, d]`.
    centers: Tensor,
    /// Those of this step in their place, where they are drawn anew.
    redrawn: Option<Tensor>,
    classes: Option<Classes>,
}

impl VaeCca {
    /// The method of `settings` over `towers` for so many `classes`, with noise keyed by `seed`.
    ///
    /// # Errors
    ///
    /// If the towers are not two of one width, since what is shared takes both.
    pub fn new(
        towers: Towers,
        settings: VaeCcaSettings,
        classes: usize,
        seed: u64,
    ) -> anyhow::Result<Self> {
        ensure!(towers.modalities().len() == 2, "the method compares two modalities");
        let widths: Vec<i64> =
            towers.network.branches.values().map(|branch| branch.encoder().width()).collect();
        ensure!(
            widths[0] == widths[1],
            "what is shared takes encoders of one width, not of {widths:?}"
        );
        let (width, classes) = (widths[0], classes as i64);
        let branch = towers.network.branches.values().next().context("a tower")?;
        let latent = branch.config().inter_head.outputs(width);
        let root = towers.own_variables();
        let linear = |name: &str, from, to| nn::linear(&root / name, from, to, Default::default());
        let decoder = |modality: &Modality| {
            (*modality, linear(&format!("decoder_{modality}"), settings.hidden, width))
        };
        let spread = nn::Init::Randn { mean: 0.0, stdev: 1.0 };
        Ok(Self {
            log_variance: HeadConfig::perceptron(settings.hidden, latent)
                .build(&(&root / "log_variance"), width),
            classifier: linear("classifier", latent, classes),
            decoder: linear("decoder", latent, settings.hidden),
            decoders: towers.modalities().iter().map(decoder).collect(),
            centers: root.var("centers", &[classes, latent], spread),
            redrawn: None,
            classes: None,
            towers,
            settings,
            seed,
        })
    }

    /// Numbers of a normal distribution for each clip of `batch`, `[b, d]`.
    fn noise(&self, batch: &DeviceBatch, modality: Modality, width: i64) -> Tensor {
        let rows = batch.visits.iter().flat_map(|visit| {
            let purpose = Purpose::Latent(modality);
            let mut rng = stream(self.seed, visit.key(), visit.clip as u64, purpose);
            (0..width).map(move |_| {
                // Box and Muller.
                let (a, b) = (1.0 - unit(&mut rng), unit(&mut rng));
                ((-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
            })
        });
        let rows: Vec<f32> = rows.collect();
        Tensor::from_slice(&rows).view([batch.len(), width]).to_device(batch.device())
    }

    fn pair<'a>(&self, kind: &str, all: &'a Gathered) -> [&'a Tensor; 2] {
        let modalities = self.towers.modalities();
        [0, 1].map(|side: usize| all.rows(&format!("{kind}_{}", modalities[side])))
    }
}

impl MethodSection for VaeCcaSettings {
    const NAME: &'static str = "vae-cca";
    type Method = VaeCca;

    fn check(recipe: &MethodSettings<Self>) -> anyhow::Result<()> {
        recipe.method.check()
    }

    fn build(
        recipe: &MethodSettings<Self>,
        device: Device,
        clips: &RunClips,
    ) -> anyhow::Result<VaeCca> {
        let towers = Towers::of(recipe, device)?;
        let classes = Classes::of(clips)?.context("the method needs labeled clips")?;
        let seed = recipe.seed.wrapping_add(1);
        let build = || VaeCca::new(towers, recipe.method.clone(), classes.count(), recipe.seed);
        let mut method = seeded(seed, build)?;
        method.classes = Some(classes);
        Ok(method)
    }
}

impl Method for VaeCca {
    fn needs(&self) -> Needs {
        let labels = self.classes.is_none();
        Needs { modalities: self.towers.modalities(), augmented: false, labels }
    }

    fn variables(&self) -> &nn::VarStore {
        &self.towers.network.store
    }

    fn start(&mut self, _: &mut dyn Callback) -> anyhow::Result<()> {
        self.towers.start()
    }

    fn step_start(&mut self, step: &StepContext<'_>) -> anyhow::Result<()> {
        if self.settings.centers == Centers::Redrawn {
            let key = self.seed ^ (step.step + 1).rotate_left(24);
            self.redrawn = Some(seeded(key, || self.centers.detach().randn_like()));
        }
        Ok(())
    }

    /// The mean, the logarithm of the variance, a draw `z`, its class scores and how well it reconstructs, of each modality.
    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let mut rows = Named::new();
        for (modality, pooled) in self.towers.pooled(batch) {
            let mean = self.towers.network.branches[&modality].head(&pooled);
            let log_variance = self.log_variance.forward(&pooled).clamp_max(LARGEST_LOG_VARIANCE);
            let z =
                reparameterized(&mean, &log_variance, &self.noise(batch, modality, mean.size()[1]));
            let made = self.decoders[&modality].forward(&self.decoder.forward(&z).relu());
            let error = (made - pooled).square().mean_dim([1i64].as_slice(), false, Kind::Float);
            let named = [
                ("mean", &mean),
                ("z", &z),
                ("score", &self.classifier.forward(&z)),
                ("kl", &divergence(&mean, &log_variance).unsqueeze(1)),
                ("error", &error.unsqueeze(1)),
            ];
            let named =
                named.map(|(kind, rows)| (format!("{kind}_{modality}"), rows.shallow_clone()));
            rows.extend(named);
        }
        let classes = classes::shares(batch, self.classes.as_ref())?;
        let centers = self.redrawn.as_ref().unwrap_or(&self.centers);
        rows.insert("center".to_owned(), own_centers(&classes, centers));
        rows.insert("classes".to_owned(), classes);
        Ok(rows)
    }

    fn gather(&self, name: &str) -> Gather {
        match name {
            "classes" => Gather::Constant,
            _ => Gather::WithGradient,
        }
    }

    /// `vae + discriminative + affinity + distance + center`, each weighed by the recipe.
    fn terms(
        &mut self,
        _: &Named,
        all: &Gathered,
        _: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let classes = all.rows("classes");
        let same = classes.matmul(&classes.tr()).gt(0.0).to_kind(Kind::Float);
        let ([a, b], errors, kl, scores) = (
            self.pair("z", all),
            self.pair("error", all),
            self.pair("kl", all),
            self.pair("score", all),
        );
        let both = |one: &dyn Fn(&Tensor) -> Tensor, [x, y]: [&Tensor; 2]| one(x) + one(y);
        let vae =
            both(&|rows| rows.mean(Kind::Float), errors) + both(&|rows| rows.sum(Kind::Float), kl);
        let mut terms = vec![
            ("vae", vae),
            ("discriminative", both(&|scores| mean_length(&(scores - classes)), scores)),
            ("affinity", affinity(a, b, &same) + affinity(a, a, &same) + affinity(b, b, &same)),
            ("distance", mean_length(&(a - b))),
            ("center", both(&|rows| to_centers(rows, classes, all.rows("center")), [a, b])),
        ];
        if let Some(ridge) = self.settings.canonical_ridge {
            let [x, y] = self.pair("mean", all);
            let correlation = |x: &Tensor, y: &Tensor| {
                let covariances = Covariances::of_rows(x, y);
                let found = canonical_correlation(&covariances, SpectralSum::All, ridge)?;
                anyhow::Ok(-found.to_kind(Kind::Float))
            };
            terms.push(("canonical", correlation(x, y)?));
            terms.push(("canonical_class", correlation(x, classes)? + correlation(y, classes)?));
        }
        let term =
            |(name, loss): (&str, Tensor)| Term { name: name.to_owned(), loss, accuracy: None };
        Ok(terms.into_iter().map(term).collect())
    }

    fn term_names(&self) -> Vec<String> {
        TERMS.map(str::to_owned).to_vec()
    }

    fn measures(&self, own: &Named) -> Named {
        self.towers.spreads(own, "mean")
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
