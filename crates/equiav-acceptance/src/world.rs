//! A made world of clips that two or three modalities see: shared classes, an instance of its own that all see, and what each
//! modality has to itself, mixed by a fixed nonlinear map.
//!
//! As features, a clip is a vector in each modality:
//!
//! ```text
//! z = [class energy e_class, instance energy i, nuisance energy n_modality, noise]     x = W2 tanh(W1 z) + noise
//! ```

use std::collections::BTreeMap;

use equiav_augment::random::{below, unit};
use equiav_augment::{Modality, Purpose, stream};
use equiav_train::clips::{ArrayClips, Values};
use ndarray::{Array1, Array2};
use rand::Rng;

/// Numbers that stand for a class or a nuisance before they are mixed.
const CODE: usize = 8;

/// What there is in a world.
#[derive(Clone, Copy, Debug)]
pub struct MadeWorld {
    /// Numbers of a clip in each modality.
    pub width: usize,
    /// Classes that all modalities share.
    pub classes: usize,
    /// How much of a clip its class is.
    pub class_energy: f64,
    /// How unequal classes are: 0, all alike; 1, Zipf's law.
    pub zipf: f64,
    /// Numbers of what every clip has to itself and all modalities see.
    pub instance: usize,
    /// How much of a clip that is.
    pub instance_energy: f64,
    /// Values of what each modality has to itself.
    pub nuisances: usize,
    /// How much of a clip that is.
    pub nuisance_energy: f64,
    /// The standard deviation of what is added to every number.
    pub noise: f64,
    /// The share of clips of which one modality is of another clip altogether.
    pub unrelated: f64,
}

impl Default for MadeWorld {
    fn default() -> Self {
        Self {
            width: 32,
            classes: 8,
            class_energy: 1.0,
            zipf: 0.0,
            instance: 4,
            instance_energy: 0.0,
            nuisances: 8,
            nuisance_energy: 0.0,
            noise: 0.1,
            unrelated: 0.0,
        }
    }
}

/// MadeClips of a world.
#[derive(Clone, Debug)]
pub struct MadeClips {
    /// What each modality sees, `[n, width]`.
    pub features: BTreeMap<Modality, Array2<f32>>,
    /// The class of each.
    pub classes: Vec<usize>,
    /// What each modality has to itself.
    pub nuisances: BTreeMap<Modality, Vec<usize>>,
}

impl MadeWorld {
    /// `count` clips of the world of `seed`, which `modalities` see; `part` tells training clips and held-out ones apart.
    ///
    /// The map of a modality depends on the seed alone, so that all parts are of one world.
    pub fn clips(&self, seed: u64, part: u64, count: usize, modalities: &[Modality]) -> MadeClips {
        let mut rng = stream(seed, part, 1, Purpose::Synthesis);
        let classes: Vec<usize> = (0..count).map(|_| self.class(&mut rng)).collect();
        let mut instances = normal((count, self.instance.max(1)), &mut rng);
        instances *= self.instance_energy as f32;
        let mut features = BTreeMap::new();
        let mut nuisances = BTreeMap::new();
        for (place, modality) in modalities.iter().enumerate() {
            let mut own = stream(seed, part, 2 + place as u64, Purpose::Synthesis);
            let values: Vec<usize> = (0..count).map(|_| below(self.nuisances, &mut own)).collect();
            let shown = |clip: usize| match unit(&mut own) < self.unrelated && place > 0 {
                true => below(count, &mut own),
                false => clip,
            };
            let shown: Vec<usize> = (0..count).map(shown).collect();
            // Of the world, and not of the part.
            let mut map = stream(seed, u64::MAX, place as u64, Purpose::Synthesis);
            let width = 2 * CODE + self.instance.max(1);
            let codes = [self.classes, self.nuisances].map(|kinds| normal((kinds, CODE), &mut map));
            let first = normal((width, 4 * width), &mut map) / (width as f32).sqrt();
            let second = normal((4 * width, self.width), &mut map) / (4.0 * width as f32).sqrt();
            let mut latent = Array2::zeros((count, width));
            for clip in 0..count {
                let seen = shown[clip];
                let class = &codes[0].row(classes[seen]) * self.class_energy as f32;
                let nuisance = &codes[1].row(values[clip]) * self.nuisance_energy as f32;
                let mut row = latent.row_mut(clip);
                row.slice_mut(ndarray::s![..CODE]).assign(&class);
                row.slice_mut(ndarray::s![CODE..2 * CODE]).assign(&nuisance);
                row.slice_mut(ndarray::s![2 * CODE..]).assign(&instances.row(seen));
            }
            let seen = latent.dot(&first).mapv(f32::tanh).dot(&second);
            let noise = normal((count, self.width), &mut own) * self.noise as f32;
            features.insert(*modality, seen + noise);
            nuisances.insert(*modality, values);
        }
        MadeClips { features, classes, nuisances }
    }

    fn class(&self, rng: &mut impl Rng) -> usize {
        let weights: Vec<f64> =
            (1..=self.classes).map(|rank| (rank as f64).powf(-self.zipf)).collect();
        let mut left = unit(rng) * weights.iter().sum::<f64>();
        for (class, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return class;
            }
        }
        self.classes - 1
    }
}

impl MadeClips {
    /// The same for the trainer, with labels.
    ///
    /// # Panics
    ///
    /// Never: rows are as many as labels.
    pub fn arrays(&self, classes: usize) -> ArrayClips {
        let values =
            |(modality, rows): (&Modality, &Array2<f32>)| (*modality, Values::from(rows.clone()));
        let mut labels = Array2::zeros((self.classes.len(), classes));
        for (row, class) in self.classes.iter().enumerate() {
            labels[[row, *class]] = 1.0;
        }
        ArrayClips::new(self.features.iter().map(values).collect())
            .and_then(|clips| clips.with_labels(labels))
            .expect("as many rows as labels")
    }

    /// The same with the clips of one modality in another order, so that nothing belongs together.
    #[must_use]
    pub fn shuffled(mut self, modality: Modality, seed: u64) -> Self {
        let count = self.classes.len();
        let mut order: Vec<usize> = (0..count).collect();
        equiav_augment::random::shuffle(&mut order, &mut stream(seed, 0, 0, Purpose::Order));
        if let Some(rows) = self.features.get_mut(&modality) {
            *rows = rows.select(ndarray::Axis(0), &order);
        }
        if let Some(values) = self.nuisances.get_mut(&modality) {
            *values = order.iter().map(|place| values[*place]).collect();
        }
        self
    }
}

/// Numbers of a normal distribution with variance 1 (Box and Muller).
pub fn normal((rows, columns): (usize, usize), rng: &mut impl Rng) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, columns), || {
        let (a, b) = (1.0 - unit(rng), unit(rng));
        ((-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
    })
}

/// A row of `count` uniform numbers in [low, high).
pub fn uniform(count: usize, (low, high): (f64, f64), rng: &mut impl Rng) -> Array1<f64> {
    Array1::from_shape_simple_fn(count, || low + (high - low) * unit(rng))
}
