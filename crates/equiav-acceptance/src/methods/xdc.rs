//! Cross-modal clustering, in a world in which each modality has strong clusters of its own beside a weak class that both
//! share: who learns the other's clusters must find the class, who learns its own must not.

use equiav_augment::{Modality, Purpose, stream};
use equiav_cca::{ClusterDistance, ClusterStart, k_means};
use equiav_eval::normalized_mutual_information;
use equiav_models::{Activation, HeadConfig, PoolConfig};
use equiav_train::engine::seeded;
use equiav_train::methods::xdc::{PseudoLabels, Xdc, XdcSettings};
use tch::Tensor;

use crate::criterion::{Bar, Criterion};
use crate::training::{Schedule, Shape, embedded, towers, trained};
use crate::world::{MadeClips, MadeWorld};

const A: Modality = Modality::AUDIO;
const V: Modality = Modality::VISUAL;

/// Strong private clusters and a weak class.
const WORLD: MadeWorld = MadeWorld {
    width: 32,
    classes: 8,
    class_energy: 0.7,
    zipf: 0.0,
    instance: 1,
    instance_energy: 0.0,
    nuisances: 8,
    nuisance_energy: 1.5,
    noise: 0.1,
    unrelated: 0.0,
};

/// What 8 clusters of held-out sounds tell of the class, and of what sounds have to themselves.
#[derive(Clone, Copy)]
struct Found {
    class: f64,
    nuisance: f64,
}

/// Every figure of the method and of its relatives.
///
/// # Errors
///
/// If libtorch or the disk fails.
pub(crate) fn figures(seeds: &[u64]) -> anyhow::Result<Vec<Criterion>> {
    let of = |labels, shuffled| -> anyhow::Result<Vec<Found>> {
        seeds.iter().map(|seed| found(*seed, labels, shuffled)).collect()
    };
    let xdc = of(PseudoLabels::Other, false)?;
    let sdc = of(PseudoLabels::Own, false)?;
    let mdc = of(PseudoLabels::OwnAndOther, false)?;
    let cdc = of(PseudoLabels::Joint, false)?;
    let shuffled = of(PseudoLabels::Other, true)?;
    let class = |found: &[Found]| found.iter().map(|one| one.class).collect::<Vec<f64>>();
    let nuisance = |found: &[Found]| found.iter().map(|one| one.nuisance).collect::<Vec<f64>>();
    Ok(vec![
        Criterion::new("XDC: NMI of clusters and classes", class(&xdc), Bar::AtLeast(0.7)),
        Criterion::new(
            "XDC: NMI of clusters and what the modality has to itself",
            nuisance(&xdc),
            Bar::AtMost(0.1),
        ),
        Criterion::new("SDC: NMI of clusters and classes", class(&sdc), Bar::AtMost(0.35)),
        Criterion::new(
            "SDC: NMI of clusters and what the modality has to itself",
            nuisance(&sdc),
            Bar::AtLeast(0.5),
        ),
        Criterion::new("MDC: NMI of clusters and classes", class(&mdc), Bar::Shown),
        Criterion::new("CDC: NMI of clusters and classes", class(&cdc), Bar::Shown),
        Criterion::new(
            "XDC, sounds and pictures shuffled: NMI of clusters and classes",
            class(&shuffled),
            Bar::AtMost(0.1),
        ),
    ])
}

fn found(seed: u64, labels: PseudoLabels, shuffled: bool) -> anyhow::Result<Found> {
    let train = WORLD.clips(seed, 0, 3_000, &[A, V]);
    let train = if shuffled { train.shuffled(V, seed) } else { train };
    let test = WORLD.clips(seed, 1, 2_000, &[A, V]);
    let settings =
        XdcSettings { name: "xdc".to_owned(), labels, clusters: 8, every: 4, cosine: false };
    let shape = Shape {
        input: WORLD.width,
        layers: vec![64, 32],
        activation: Activation::Relu,
        head: HeadConfig::NONE,
        readout: None,
        pool: PoolConfig::Mean,
    };
    let schedule = Schedule { epochs: 60, batch: 100, lr: 2e-3, weights: vec![] };
    let method = trained(seed, &schedule, &train.arrays(WORLD.classes), || {
        let towers = towers(seed, &[(A, shape.clone()), (V, shape.clone())]);
        seeded(seed + 1, || Xdc::new(towers, settings, seed))
    })?;
    let features = embedded(&method.towers, &test.arrays(WORLD.classes));
    told(seed, &features[&A], &test)
}

fn told(seed: u64, features: &Tensor, test: &MadeClips) -> anyhow::Result<Found> {
    let mut rng = stream(seed, 0, 7, Purpose::Clusters);
    let start = ClusterStart::PlusPlus(WORLD.classes);
    let fit = k_means(features, ClusterDistance::Euclidean, start, 100, &mut rng);
    let clusters: Vec<i64> = Vec::try_from(&fit.labels)?;
    let clusters: Vec<usize> = clusters.into_iter().map(|cluster| cluster as usize).collect();
    Ok(Found {
        class: normalized_mutual_information(&test.classes, &clusters)?,
        nuisance: normalized_mutual_information(&test.nuisances[&A], &clusters)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_clusters_lead_to_the_class_and_ones_own_do_not() {
        let [other, own] =
            [PseudoLabels::Other, PseudoLabels::Own].map(|labels| found(3, labels, false));
        let (other, own) = (other.expect("a run"), own.expect("a run"));
        assert!(other.class > 0.7 && other.nuisance < 0.1, "{} {}", other.class, other.nuisance);
        assert!(own.class < 0.35 && own.nuisance > 0.5, "{} {}", own.class, own.nuisance);
    }
}
