//! Cross-modal deep clustering (Alwassel et al., arXiv 1911.12667): the clusters of one modality's features are the classes that
//! another learns, and what only one of them knows is learned by none.
//!
//! At an epoch's start the features of all training clips are put into clusters, classifiers begin anew, and the cluster of a clip
//! is its label until the next clustering. docs/methods/xdc.md tells what of it is published.

mod settings;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use equiav_augment::random::below;
use equiav_augment::{Modality, Purpose, stream};
use equiav_cca::{ClusterDistance, ClusterStart, k_means, nearest_centroids};
use equiav_data::{Clips, Visit};
use equiav_loss::cross_entropy;
use ndarray::Array2;
use tch::nn::Module;
use tch::{Device, Kind, Tensor, nn};

pub use self::settings::{PseudoLabels, XdcSettings};
use super::named::MethodSection;
use super::towers::Towers;
use crate::callback::Callback;
use crate::clips::{DeviceBatch, EvaluationLists, HeldOut, RunClips};
use crate::engine::{Epoch, Gather, Gathered, Method, Named, Needs, StepContext, Term, seeded};
use crate::eval::embeddings::Embedded;
use crate::metrics::{Metric, Metrics};
use crate::recipe::MethodSettings;

/// Steps of k-means at most; it mostly rests before.
const MOST_STEPS: usize = 100;
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
    /// By what was put into clusters: each training clip's, and -1 where it could not be read, `[n]`; and the centroids.
    labels: Named,
    centroids: Named,
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
        let (labels, centroids) = (Named::new(), Named::new());
        Ok(Self { towers, settings, seed, classifiers, labels, centroids })
    }

    /// What is put into clusters together: a modality, or all of them.
    fn spaces(&self) -> Vec<String> {
        match self.settings.labels {
            PseudoLabels::Joint => vec![JOINT.to_owned()],
            _ => self.towers.modalities().iter().map(Modality::to_string).collect(),
        }
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
    fn cluster(&mut self, epoch: &Epoch<'_>) -> anyhow::Result<()> {
        let device = self.towers.network.store.device();
        let (clips, lists) = (epoch.lists.train.len(), &epoch.lists);
        let all = lists.embed_train(None, device, |batch| Ok(self.features(batch)))?;
        for (place, space) in self.spaces().into_iter().enumerate() {
            let rows = &all.rows[&space];
            let fit = || {
                let (count, k) = (rows.nrows(), self.settings.clusters);
                ensure!(count >= k, "method.clusters = {k}: there are {count} training clips");
                let mut rng = stream(self.seed, epoch.number, place as u64, Purpose::Clusters);
                let start = ClusterStart::PlusPlus(k);
                let fit = k_means(&tensor(rows), self.distance(), start, MOST_STEPS, &mut rng);
                let labels: Vec<i64> = Vec::try_from(&fit.labels)?;
                let centroids: Vec<f64> = Vec::try_from(fit.centroids.flatten(0, -1))?;
                Ok((labels, centroids))
            };
            let (found, centroids) = lists.world.rank0_then_broadcast("clusters", fit)?;
            let mut labels = vec![-1i64; clips];
            all.clips.iter().zip(found).for_each(|(clip, label)| labels[*clip] = label);
            let centroids =
                Tensor::from_slice(&centroids).view([self.settings.clusters as i64, -1]);
            self.labels.insert(space.clone(), Tensor::from_slice(&labels));
            self.centroids.insert(space, centroids);
        }
        Ok(())
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
        let (rows, columns) = (batch.visits.len(), self.settings.clusters);
        let mut targets = vec![0f32; rows * columns];
        for (row, visit) in batch.visits.iter().enumerate() {
            let labels = self.labels.get(&self.space(classifier, visit));
            let labels = labels.context("there are no clusters before the first epoch's start")?;
            let label = labels.int64_value(&[visit.clip as i64]);
            if label >= 0 {
                targets[row * columns + label as usize] = 1.0;
            }
        }
        let targets = Tensor::from_slice(&targets).view([rows as i64, columns as i64]);
        Ok(targets.to_device(batch.device()))
    }

    /// The cluster of each row of `features` of `modality`, `[n]`, by the centroids of the last clustering; none where
    /// clusters are not of one modality.
    pub fn assigned(&self, modality: Modality, features: &Tensor) -> Option<Tensor> {
        let centroids = self.centroids.get(modality.name())?;
        Some(nearest_centroids(features, centroids, self.distance()))
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
        let named = |kind: &'static str, all: &Named| {
            let named = all
                .iter()
                .map(move |(space, rows)| (format!("{kind}.{space}"), rows.shallow_clone()));
            named.collect::<Vec<_>>()
        };
        named("labels", &self.labels)
            .into_iter()
            .chain(named("centroids", &self.centroids))
            .collect()
    }

    fn load(&mut self, state: Named) -> anyhow::Result<()> {
        (self.labels, self.centroids) = (Named::new(), Named::new());
        for (name, rows) in state {
            let (kind, space) = name.split_once('.').context("the state of another method")?;
            let into = match kind {
                "labels" => &mut self.labels,
                "centroids" => &mut self.centroids,
                _ => anyhow::bail!("`{name}` is of another method"),
            };
            into.insert(space.to_owned(), rows.to_device(Device::Cpu));
        }
        Ok(())
    }

    fn epoch_start(&mut self, epoch: &mut Epoch<'_>) -> anyhow::Result<()> {
        if epoch.used == 0 && epoch.number.is_multiple_of(self.settings.every) {
            tch::no_grad(|| self.cluster(epoch))?;
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

impl Xdc {
    /// The normalized mutual information of clusters and labels; nothing where features are not what is embedded.
    fn information(&self, embedded: &Embedded, clips: &Clips) -> anyhow::Result<Vec<Metric>> {
        let mut names: Vec<&str> = Vec::new();
        let mut classes = Vec::with_capacity(embedded.clips.len());
        for clip in &embedded.clips {
            let [label] = clips.labels(*clip)[..] else { return Ok(Vec::new()) };
            let place = names.iter().position(|name| *name == label).unwrap_or_else(|| {
                names.push(label);
                names.len() - 1
            });
            classes.push(place);
        }
        let mut metrics = Vec::new();
        for (modality, rows) in &embedded.rows {
            let Some(centroids) = self.centroids.get(modality.name()) else { continue };
            if centroids.size()[1] != rows.ncols() as i64 {
                continue;
            }
            let clusters = nearest_centroids(&tensor(rows), centroids, self.distance());
            let clusters: Vec<i64> = Vec::try_from(&clusters)?;
            let clusters: Vec<usize> =
                clusters.into_iter().map(|cluster| cluster as usize).collect();
            let nmi = equiav_eval::normalized_mutual_information(&classes, &clusters)?;
            metrics.push(Metric::new(format!("{modality}/nmi"), nmi));
        }
        Ok(metrics)
    }
}

fn tensor(rows: &Array2<f32>) -> Tensor {
    Tensor::try_from(rows).expect("rows in standard order").to_kind(Kind::Float)
}
