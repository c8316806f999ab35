//! Cross-modal deep clustering (Alwassel et al., arXiv 1911.12667): the clusters of one modality's features are the classes that
//! another learns, and what only one of them knows is learned by none.
//!
//! At an epoch's start the features of all training clips are put into clusters, classifiers begin anew, and the cluster of a clip
//! is its label until the next clustering. docs/methods/xdc.md tells what of it is published.

mod clusters;
mod settings;

use std::collections::BTreeMap;

use anyhow::ensure;
use equiav_augment::random::below;
use equiav_augment::{Modality, Purpose, stream};
use equiav_cca::ClusterDistance;
use equiav_data::{Clips, Visit};
use equiav_loss::cross_entropy;
use tch::nn::Module;
use tch::{Device, Tensor, nn};

use self::clusters::{Clustering, Clusters, information, one_hot, tensor};
pub use self::settings::{PseudoLabels, XdcSettings};
use super::named::MethodSection;
use super::towers::Towers;
use crate::callback::Callback;
use crate::clips::{DeviceBatch, EvaluationLists, HeldOut, RunClips};
use crate::engine::{Epoch, Gather, Gathered, Method, Named, Needs, StepContext, Term, seeded};
use crate::eval::embeddings::Embedded;
use crate::metrics::{Metric, Metrics};
use crate::recipe::MethodSettings;

/// What stands for the features of all modalities side by side.
const JOINT: &str = "joint";

/// Clusters of one modality as labels of another, over towers.
#[derive(Debug)]
pub struct Xdc {
    /// The encoders; their pooled tokens are the features.
    pub towers: Towers,
    settings: XdcSettings,
    seed: u64,
    /// By term, what tells the clusters apart.
    classifiers: BTreeMap<String, Classifier>,
    clusters: Clusters,
}

#[derive(Debug)]
struct Classifier {
    of: Modality,
    /// Whether it learns what its own modality, or all together, have been put into.
    own: bool,
    linear: nn::Linear,
}

impl Xdc {
    /// The method of `settings` over `towers`, with what it draws keyed by `seed`.
    ///
    /// # Errors
    ///
    /// If there are not at least two modalities.
    pub fn new(towers: Towers, settings: XdcSettings, seed: u64) -> anyhow::Result<Self> {
        let modalities = towers.modalities();
        ensure!(modalities.len() > 1, "clusters of another modality need another modality");
        let mut classifiers = BTreeMap::new();
        for (own, kind, there) in
            [(true, "own", settings.labels.own()), (false, "other", settings.labels.others())]
        {
            for of in modalities.iter().copied().filter(|_| there) {
                let term = format!("{kind}_{of}");
                let path = towers.own_variables() / &term;
                let width = towers.network.branches[&of].encoder().width();
                let linear = nn::linear(path, width, settings.clusters as i64, Default::default());
                classifiers.insert(term, Classifier { of, own, linear });
            }
        }
        Ok(Self { towers, settings, seed, classifiers, clusters: Clusters::default() })
    }

    /// The features of each space, `[b, width]`.
    fn features(&self, batch: &DeviceBatch) -> Named {
        let pooled = self.towers.pooled(batch).into_iter();
        let each: Named = pooled.map(|(modality, rows)| (modality.to_string(), rows)).collect();
        if self.settings.labels != PseudoLabels::Joint {
            return each;
        }
        let unit = |rows: &Tensor| rows / rows.norm_scalaropt_dim(2, [1i64], true).clamp_min(1e-12);
        let side_by_side: Vec<Tensor> = each.values().map(unit).collect();
        [(JOINT.to_owned(), Tensor::cat(&side_by_side, 1))].into()
    }

    fn distance(&self) -> ClusterDistance {
        if self.settings.cosine { ClusterDistance::Cosine } else { ClusterDistance::Euclidean }
    }

    /// Puts the features of all training clips into clusters; the same on all ranks.
    fn cluster(&self, epoch: &Epoch<'_>) -> anyhow::Result<Clusters> {
        let (device, lists) = (self.towers.network.store.device(), &epoch.lists);
        let all = lists.embed_train(None, device, |batch| Ok(self.features(batch)))?;
        let how = Clustering {
            clusters: self.settings.clusters,
            distance: self.distance(),
            seed: self.seed,
            epoch: epoch.number,
        };
        Clusters::fit(&all, lists.train.len(), how, lists.world)
    }

    /// Draws the classifiers anew, and gives the names of their variables.
    fn restart_classifiers(&mut self, epoch: u64) -> Vec<String> {
        // Another stream than the one of the networks' first weights.
        seeded(self.seed ^ (epoch + 1).rotate_right(16), || {
            for Classifier { linear, .. } in self.classifiers.values_mut() {
                let bound = (linear.ws.size()[1] as f64).powf(-0.5);
                tch::no_grad(|| {
                    let _ = linear.ws.uniform_(-bound, bound);
                    linear.bs.iter_mut().for_each(|bias| drop(bias.zero_()));
                });
            }
        });
        let store = &self.towers.network.store;
        let own = |name: &String| {
            let mut terms = self.classifiers.keys();
            terms.any(|term| name.starts_with(&format!("method.{term}.")))
        };
        store.variables().into_keys().filter(own).collect()
    }

    /// Whose clusters `visit` of `of` learns.
    fn space(&self, classifier: &Classifier, visit: &Visit) -> String {
        if self.settings.labels == PseudoLabels::Joint {
            return JOINT.to_owned();
        }
        if classifier.own {
            return classifier.of.to_string();
        }
        let others: Vec<Modality> =
            self.towers.modalities().into_iter().filter(|other| *other != classifier.of).collect();
        let drawn = match others.len() {
            1 => 0,
            count => {
                let purpose = Purpose::PseudoLabel(classifier.of);
                below(count, &mut stream(self.seed, visit.epoch, visit.clip as u64, purpose))
            }
        };
        others[drawn].to_string()
    }

    /// The labels of the clips of a batch as shares of clusters, `[b, clusters]`; zeros of a clip that has none.
    fn targets(&self, classifier: &Classifier, batch: &DeviceBatch) -> anyhow::Result<Tensor> {
        let label = |visit: &Visit| self.clusters.label(&self.space(classifier, visit), visit.clip);
        let labels = batch.visits.iter().map(label).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(one_hot(&labels, self.settings.clusters).to_device(batch.device()))
    }

    /// The cluster of each row of `features` of `modality`, `[n]`, by the centroids of the last clustering; none where
    /// clusters are not of one modality, or of features of another width.
    pub fn assigned(&self, modality: Modality, features: &Tensor) -> Option<Tensor> {
        self.clusters.nearest(modality.name(), features, self.distance())
    }

    /// How much the clusters of a list's clips tell of their labels.
    fn information(&self, embedded: &Embedded, clips: &Clips) -> anyhow::Result<Vec<Metric>> {
        let label = |clip: &usize| match clips.labels(*clip)[..] {
            [label] => Some(label.to_owned()),
            _ => None,
        };
        let mut metrics = Vec::new();
        for (modality, rows) in &embedded.rows {
            let Some(clusters) = self.assigned(*modality, &tensor(rows)) else { continue };
            let found = information(embedded.clips.iter().map(label), &clusters)?;
            metrics.extend(found.map(|nmi| Metric::new(format!("{modality}/nmi"), nmi)));
        }
        Ok(metrics)
    }
}

impl MethodSection for XdcSettings {
    const NAME: &'static str = "xdc";
    type Method = Xdc;

    fn check(recipe: &MethodSettings<Self>) -> anyhow::Result<()> {
        recipe.method.check()
    }

    fn build(recipe: &MethodSettings<Self>, device: Device, _: &RunClips) -> anyhow::Result<Xdc> {
        let towers = Towers::of(recipe, device)?;
        seeded(recipe.seed.wrapping_add(1), || Xdc::new(towers, recipe.method.clone(), recipe.seed))
    }
}

impl Method for Xdc {
    fn needs(&self) -> Needs {
        Needs { modalities: self.towers.modalities(), ..Needs::default() }
    }

    fn variables(&self) -> &nn::VarStore {
        &self.towers.network.store
    }

    fn rows_are_independent(&self) -> bool {
        true
    }

    fn start(&mut self, _: &mut dyn Callback) -> anyhow::Result<()> {
        self.towers.start()
    }

    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named> {
        let pooled = self.towers.pooled(batch);
        let scores = self.classifiers.iter().map(|(term, Classifier { of, linear, .. })| {
            (term.clone(), linear.forward(&pooled[of]))
        });
        let mut rows: Named = scores.collect();
        rows.extend(
            pooled.iter().map(|(modality, rows)| (format!("feature_{modality}"), rows.detach())),
        );
        Ok(rows)
    }

    fn gather(&self, _: &str) -> Gather {
        Gather::Own
    }

    /// `L = Σ_modality cross-entropy(classifier(feature), cluster of the clip)`
    fn terms(
        &mut self,
        own: &Named,
        _: &Gathered,
        step: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>> {
        let term = |(name, classifier): (&String, &Classifier)| {
            let targets = self.targets(classifier, step.batch)?;
            Ok(Term::contrast(name.clone(), cross_entropy(&own[name], &targets)))
        };
        self.classifiers.iter().map(term).collect()
    }

    fn term_names(&self) -> Vec<String> {
        self.classifiers.keys().cloned().collect()
    }

    fn measures(&self, own: &Named) -> Named {
        self.towers.spreads(own, "feature")
    }

    fn state(&self) -> Named {
        self.clusters.state()
    }

    fn load(&mut self, state: Named) -> anyhow::Result<()> {
        self.clusters = Clusters::load(state)?;
        Ok(())
    }

    fn epoch_start(&mut self, epoch: &mut Epoch<'_>) -> anyhow::Result<()> {
        if epoch.used == 0 && epoch.number.is_multiple_of(self.settings.every) {
            self.clusters = tch::no_grad(|| self.cluster(epoch))?;
            epoch.restarted = self.restart_classifiers(epoch.number);
        }
        Ok(())
    }

    /// The usual measures, and how much the clusters tell of labels, `MODALITY/nmi`, where clips have one each.
    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics> {
        self.towers.evaluate(lists, |embedded, clips| self.information(embedded, clips))
    }

    fn online_cost(&self) -> Option<f64> {
        Some(0.5)
    }

    fn evaluate_online(&self, held_out: &HeldOut<'_>) -> anyhow::Result<Vec<Metric>> {
        self.towers.evaluate_online(held_out)
    }
}
