//! Losses have products of 32 bits, whatever networks compute in; embeddings of lists follow the recipe.

#[path = "support/tiny.rs"]
mod tiny;

use std::sync::{Arc, Mutex};

use equiav_data::Loader;
use equiav_torch::{
    Group, GroupError, MatmulPrecision, Reduce, matmul_precision, set_matmul_precision,
};
use equiav_train::clips::{EvaluationLists, HostBatch};
use equiav_train::engine::{Position, step};
use equiav_train::eval::retrieval::retrieve_lists;
use equiav_train::recipe::{Precision, Sections};
use equiav_train::{Named, NoOp, Recipe, World};
use tch::{Device, Kind, Tensor};

/// Two processes of which this one is both, that note the precision at each of their collectives.
#[derive(Debug, Default)]
struct Observed(Mutex<Vec<(String, MatmulPrecision)>>);

impl Observed {
    fn note(&self, purpose: &str) {
        let precision = matmul_precision().expect("one of three");
        self.0.lock().expect("no panic").push((purpose.to_owned(), precision));
    }

    /// What was noted at that purpose.
    fn at(&self, purpose: &str) -> Vec<MatmulPrecision> {
        let all = self.0.lock().expect("no panic");
        all.iter().filter(|(other, _)| other == purpose).map(|(_, precision)| *precision).collect()
    }
}

impl Group for Observed {
    fn rank(&self) -> usize {
        0
    }

    fn world(&self) -> usize {
        2
    }

    fn broadcast(&self, _: &mut Tensor, _: usize, _: &str) -> Result<(), GroupError> {
        Ok(())
    }

    fn all_reduce(&self, _: &mut Tensor, _: Reduce, purpose: &str) -> Result<(), GroupError> {
        self.note(purpose);
        Ok(())
    }

    fn all_gather(&self, own: &Tensor, purpose: &str) -> Result<Tensor, GroupError> {
        self.note(purpose);
        Ok(Tensor::cat(&[own.detach(), own.detach()], 0))
    }

    fn barrier(&self, _: &str) -> Result<(), GroupError> {
        Ok(())
    }
}

fn batch(recipe: &Recipe) -> HostBatch {
    let corpus = recipe.data.source.prepare(&mut NoOp).expect("a corpus");
    let dataset = equiav_train::dataset(recipe, corpus.train).expect("clips");
    let size = recipe.run.batch / 2;
    let loader = Loader::new(dataset, 0, (0..size).collect(), size, Default::default());
    HostBatch::Unlabeled(
        loader.expect("a loader").next().expect("one batch").expect("readable clips"),
    )
}

#[test]
fn losses_and_their_gradient_have_full_precision_and_networks_their_own() {
    use MatmulPrecision::{High, Highest};
    let folder = tempfile::tempdir().expect("a folder");
    let variants: [&[&str]; 5] = [
        &["objective.learn_temperature=true"],
        &["run.micro_batch=2"],
        &["objective.rows=1"],
        &["compute.recompute_blocks=true"],
        &["profile=published"],
    ];
    for changes in variants {
        let recipe = tiny::tiny(folder.path(), changes);
        let observed = Arc::new(Observed::default());
        let world = World { group: observed.clone(), local_rank: 0 };
        let mut state = tiny::state(&recipe, &world);
        set_matmul_precision(High).expect("libtorch takes it");
        let position = Position { epoch: 0, step: 0, lr: 1e-3, data_time: Default::default() };
        let report = step(&mut state, &batch(&recipe), position, recipe.shared()).expect("a step");
        assert!(report.applied, "{changes:?}");
        // From the first product of the losses to the last one of their gradient ...
        assert_eq!(observed.at("embeddings"), [Highest], "{changes:?}");
        assert_eq!(observed.at("gradient of embeddings"), [Highest], "{changes:?}");
        // ... and no further.
        let averaged = observed.at("gradients");
        assert!(!averaged.is_empty(), "{changes:?}");
        assert!(averaged.iter().all(|precision| *precision == High), "{changes:?}: {averaged:?}");
        assert_eq!(matmul_precision(), Ok(High), "{changes:?}");
    }
}

#[test]
fn the_lists_of_any_method_are_embedded_in_the_precision_of_the_recipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = tiny::tiny(folder.path(), &[]);
    let world = World::alone();
    let clips = recipe.unlabeled().prepare(&world, &mut NoOp).expect("clips");
    for (precision, kind) in [(Precision::Fp32, Kind::Float), (Precision::Bf16, Kind::BFloat16)] {
        let lists = EvaluationLists {
            lists: &clips.lists,
            train: &clips.train,
            world: &world,
            batch: clips.batch,
            options: clips.options,
            precision,
        };
        let kinds = Mutex::new(Vec::new());
        let metrics = retrieve_lists(&lists, &recipe.evaluation, Device::Cpu, |batch| {
            let embed = |(modality, input): (&equiav_augment::Modality, &_)| {
                let equiav_train::clips::Input { plain, .. } = input;
                let pixels = plain.values.flatten(1, -1).narrow(1, 0, 64);
                let rows = pixels.matmul(&Tensor::eye(64, (Kind::Float, Device::Cpu)));
                kinds.lock().expect("no panic").push(rows.kind());
                (modality.to_string(), rows)
            };
            Ok(batch.inputs.iter().map(embed).collect::<Named>())
        });
        assert_eq!(metrics.expect("figures").lists.len(), 1);
        let kinds = kinds.into_inner().expect("no panic");
        assert!(!kinds.is_empty() && kinds.iter().all(|found| *found == kind), "{kinds:?}");
    }
}
