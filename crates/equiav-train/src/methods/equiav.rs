//! EquiAV (Kim et al., arXiv 2403.09502): equivariance within a modality, a centroid between modalities.
//!
//! | paper | here |
//! |--|--|
//! | `t`, the augmentation's parameter vector | `vectors`, one for each augmented view |
//! | `h`, what an encoder makes of a view | tokens of [`Branch`](equiav_models::Branch) |
//! | `u(h, t)`, the transformation predictor | its predictor |
//! | `ẑ`, where the augmented view should land | rows `predicted_MODALITY` |
//! | `z'`, where it lands | rows `augmented_MODALITY` |
//! | `z̄`, the centroid of S predictions | rows `inter_MODALITY` |
//! | `L_intra`, `L_inter` | terms `intra_MODALITY`, `inter` |

mod positives;
mod quiet;
mod tokens;
mod told;

use equiav_augment::{Modality, Profile};
use equiav_loss::{Temperature, info_nce, nt_xent};
use equiav_models::{ForwardOptions, Intra, is_encoder, is_predictor};
use tch::{Device, nn};

use self::quiet::QuietSounds;
use self::told::told;
use crate::callback::Callback;
use crate::clips::{DeviceBatch, EvaluationLists, HeldOut};
use crate::engine::{
    Epoch, Gather, Gathered, Method, Named, Needs, ParamGroup, StepContext, Term, narrowed,
};
use crate::eval::{batch_measures, online, retrieval};
use crate::metrics::{Metric, Metrics};
use crate::model::Network;
use crate::recipe::{Settings, pairs};

/// The rows that name a temperature which is learned.
const TEMPERATURE: &str = "temperature";

/// EquiAV with the networks of a recipe.
#[derive(Debug)]
pub struct EquiAv {
    /// Encoders, predictors and heads of both modalities.
    pub network: Network,
    /// What decides which views, losses and weights there are.
    pub(crate) recipe: Settings,
    /// The epoch under way, counted from 0.
    epoch: u64,
    /// Sounds that no picture shows, where the recipe wants any.
    quiet: Option<QuietSounds>,
}

impl EquiAv {
    /// The method of `recipe` over `network`.
    ///
    /// # Errors
    ///
    /// If silence is to be heard by a front end that there cannot be.
    pub fn new(network: Network, recipe: Settings) -> anyhow::Result<Self> {
        Ok(Self { quiet: QuietSounds::of(&recipe)?, network, recipe, epoch: 0 })
    }

    /// The method of `recipe` with fresh networks on `device`.
    ///
    /// # Errors
    ///
    /// If libtorch fails.
    pub fn fresh(recipe: &Settings, device: Device) -> anyhow::Result<Self> {
        Self::new(Network::new(recipe, device)?, recipe.clone())
    }
}

impl Method for EquiAv {
    fn needs(&self) -> Needs {
        let modalities = self.network.branches.keys().copied().collect();
        Needs { modalities, augmented: true, labels: false }
    }

    fn variables(&self) -> &nn::VarStore {
        &self.network.store
    }

    fn leaves_variables_unused(&self) -> bool {
        let objective = &self.recipe.objective;
        objective.intra != Intra::Equivariant || objective.intra_block.is_some()
    }

    fn start(&mut self, _: &mut dyn Callback) -> anyhow::Result<()> {
        self.network.start(&self.recipe)
    }

    /// Encodes both views, predicts from the view's own vector and from S more, pools and projects.
    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let objective = &self.recipe.objective;
        let compared = objective.compared(self.epoch);
        let mut rows = Named::new();
        for (modality, branch) in &self.network.branches {
            let views = batch.inputs[modality].to_branch()?;
            let told = told(&self.recipe, *modality, batch);
            let compared = ForwardOptions { told: told.as_ref(), ..compared };
            let z = branch.compare(&views, &compared);
            if let Some(pair) = z.intra {
                rows.insert(format!("predicted_{modality}"), pair.predicted); // ẑ
                rows.insert(format!("augmented_{modality}"), pair.augmented); // z'
            }
            rows.insert(format!("inter_{modality}"), z.inter); // z̄
            let augmented = z.augmented_inter;
            rows.extend(augmented.map(|rows| (format!("inter_augmented_{modality}"), rows)));
            match (*modality, &self.quiet) {
                (Modality::VISUAL, _) if !objective.tokens.is_none() => {
                    let places = self.network.places(&views.plain, z.tokens.as_ref())?;
                    rows.insert(tokens::ROWS.to_owned(), places.flatten(1, 2));
                }
                (Modality::AUDIO, Some(quiet)) => {
                    rows.extend(quiet.rows(batch, branch, |views| {
                        branch
                            .compare(
                                views,
                                &ForwardOptions { intra: Intra::None, told: None, ..compared },
                            )
                            .inter
                    })?)
                }
                _ => {}
            }
        }
        rows.extend(self.network.temperature().map(|tau| (TEMPERATURE.to_owned(), tau)));
        Ok(rows)
    }

    fn gather(&self, name: &str) -> Gather {
        // PUBLISHED: keys-without-gradient, the published code gathers these rows without gradient.
        match self.recipe.profile {
            Profile::Published if name.starts_with("inter_") => Gather::Constant,
            _ => Gather::WithGradient,
        }
    }

    /// `L = w_inter InfoNCE(z̄_audio, z̄_visual) + Σ_modality w_modality NT-Xent(ẑ, z')`, and InfoNCE of every pair where
    /// there are more modalities
    fn terms(
        &mut self,
        own: &Named,
        all: &Gathered,
        _: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let objective = &self.recipe.objective;
        let fixed = Temperature::Fixed(objective.temperature);
        let tau = own.get(TEMPERATURE).map_or(fixed, Temperature::Learned);
        let chunk = objective.loss_chunk_size.map(|rows| rows as i64);
        let mut terms = Vec::new();
        for modality in self.network.branches.keys() {
            let (a, b) = (format!("predicted_{modality}"), format!("augmented_{modality}"));
            if let (Some(predicted), Some(augmented)) = (own.get(&a), own.get(&b)) {
                let contrast = nt_xent(predicted, augmented, &all.keys(&a, &b), tau, chunk);
                terms.push(Term::contrast(format!("intra_{modality}"), contrast));
            }
        }
        let modalities: Vec<Modality> = self.network.branches.keys().copied().collect();
        for (name, [a, b]) in pairs(&modalities) {
            let (a, b) = (format!("inter_{a}"), format!("inter_{b}"));
            let contrast = info_nce(&own[&a], &own[&b], &all.keys(&a, &b), tau, chunk);
            terms.push(Term::contrast(name, contrast));
        }
        terms.extend(positives::term(own, all, tau, chunk));
        terms.extend(tokens::term(objective.tokens, own, all, tau, chunk));
        Ok(terms)
    }

    fn term_names(&self) -> Vec<String> {
        let modalities: Vec<Modality> = self.network.branches.keys().copied().collect();
        let inter = pairs(&modalities).into_iter().map(|(name, _)| name);
        let intra = modalities.iter().map(|modality| format!("intra_{modality}"));
        inter.chain(intra).chain([positives::TERM, tokens::TERM].map(str::to_owned)).collect()
    }

    fn groups(&self) -> Vec<ParamGroup> {
        let factor = self.recipe.optimizer.predictor_lr_factor;
        let predictors = |lr_factor| ParamGroup {
            matches: Box::new(is_predictor),
            lr_factor,
            weight_decay: None,
            frozen: false,
        };
        factor.map(predictors).into_iter().collect()
    }

    fn epoch_start(&mut self, epoch: &mut Epoch<'_>) -> anyhow::Result<()> {
        self.epoch = epoch.number;
        Ok(())
    }

    fn measures(&self, own: &Named) -> Named {
        batch_measures(own, self.network.branches.keys().copied())
    }

    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        let one = |(name, list): &(String, _)| {
            let model = (&self.network, &self.recipe);
            retrieval::retrieve_sharded(name, list, model, lists.world, &|_| Ok(Vec::new()))
        };
        Ok(Metrics { lists: lists.lists.iter().map(one).collect::<anyhow::Result<_>>()? })
    }

    /// Clips go forward as in a step.
    fn online_cost(&self) -> Option<f64> {
        Some(0.5)
    }

    fn evaluate_online(&self, held_out: &HeldOut<'_>) -> anyhow::Result<Vec<Metric>> {
        let device = self.network.store.device();
        let precision = self.recipe.compute.precision;
        let all =
            held_out.embed(device, |batch| narrowed(device, precision, || self.embed(batch)))?;
        online::measures(all, held_out, &[self.network.branches.keys().copied().collect()])
    }

    /// Encoders, which serve every term; heads and predictors do not count.
    fn is_shared(&self, variable: &str) -> bool {
        is_encoder(variable)
    }
}
