//! A few training steps of the published model: embeddings, gradients, losses and weights.
//!
//! Embeddings and weights are compared by their largest absolute difference. The deviation of a
//! gradient is its largest difference over the largest magnitude in the dumped tensor; a tensor whose
//! gradient is nothing but rounding (the bias of keys, which softmax does not see) is measured against
//! 1e-4 of the largest gradient of all tensors instead.

mod compare;
mod inputs;
mod trajectory;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use equiav_loss::{Contrast, Keys, info_nce, nt_xent};
use equiav_models::{
    Branch, BranchConfig, BranchInput, Embeddings, InputConfig, Inter, Intra, Weights,
    import_weights, read_weights,
};
use equiav_torch::{AdamW, clip_grad_norm};
use tch::{Device, Tensor, nn};

use crate::Item;
use compare::{Worst, compare_embeddings, compare_gradients, difference};
use inputs::hashed;
use trajectory::{Step, Trajectory};

const FIGURES: f64 = 1e-4;
const WEIGHTS: f64 = 1e-4;

/// Suffix, rows, columns and channels of each modality's input, in the published implementation.
const INPUTS: [(&str, i64, i64, i64); 2] = [("a", 128, 1024, 1), ("v", 224, 224, 3)];

/// Both branches, with the weights of the dump.
struct Network {
    store: nn::VarStore,
    branches: BTreeMap<&'static str, Branch>,
}

/// Runs the steps of the dump in `folder` on `device` and compares everything that it holds.
pub(crate) fn check(folder: &Path, device: Device) -> anyhow::Result<Vec<Item>> {
    let path = folder.join("trajectory.json");
    let text = std::fs::read_to_string(&path)?;
    let trajectory: Trajectory =
        serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    let read = |name: &str| read_weights(&folder.join(format!("{name}.safetensors")));
    let network = Network::new(&trajectory, &read("weights")?, device)?;
    let mut items = vec![network.position_tables(&read("weights")?)?];
    let views: BTreeMap<_, _> =
        INPUTS.iter().map(|input| (input.0, network.views(&trajectory, *input))).collect();

    let mut optimizer = AdamW::of_store(&network.store, trajectory.optimizer.config());
    let mut figures = Figures::default();
    for step in &trajectory.steps {
        let embeddings = network.forward(&views);
        let losses = Losses::new(&embeddings, &trajectory);
        optimizer.zero_grad();
        losses.total.backward();
        if step.step == 0 {
            items.extend(compare_embeddings(&embeddings, &read("embeddings")?)?);
            items.push(compare_gradients(&optimizer, &read("gradients")?)?);
        }
        let norm = clip_grad_norm(optimizer.parameters(), Some(trajectory.optimizer.clip_norm))?
            .double_value(&[]);
        let lr = trajectory.schedule.learning_rate(step.step);
        figures.add(step, &losses, norm, lr);
        optimizer.step(lr)?;
    }
    items.extend(figures.items());
    items.push(network.weights_after(&read("weights_after")?)?);
    Ok(items)
}

impl Network {
    fn new(trajectory: &Trajectory, weights: &Weights, device: Device) -> anyhow::Result<Self> {
        let store = nn::VarStore::new(device);
        let mut branches = BTreeMap::new();
        for (suffix, height, width, _) in INPUTS {
            let name = format!("aug_encoder_{suffix}.0.weight");
            let vector = weights.tensors().get(&name).map(Tensor::size);
            let vector = vector.and_then(|size| size.get(1).copied());
            let vector = vector.with_context(|| format!("the dump has no matrix `{name}`"))?;
            let config = trajectory.model.branch(suffix, InputConfig { height, width }, vector);
            config.check()?;
            branches.insert(suffix, config.build(&store.root()));
        }
        let report = import_weights(&store, weights)?;
        let complete = report.missing.is_empty() && report.unexpected.is_empty();
        ensure!(complete && report.wrong_shape.is_empty(), "the weights do not fit\n{report}");
        Ok(Self { store, branches })
    }

    /// The deviation of the formula's position tables from the dumped ones.
    fn position_tables(&self, weights: &Weights) -> anyhow::Result<Item> {
        let mut largest = 0.0f64;
        for (suffix, branch) in &self.branches {
            let name = format!("pos_embed_{suffix}");
            let theirs = weights.tensors().get(&name);
            let theirs = theirs.with_context(|| format!("the dump has no `{name}`"))?;
            let BranchConfig { input, encoder, .. } = branch.config();
            let (rows, columns) = (input.height / encoder.patch, input.width / encoder.patch);
            let ours = equiav_models::sine_cosine_table(rows, columns, encoder.width);
            largest = largest.max(difference(&ours, theirs));
        }
        Ok(Item::new("position tables", largest, WEIGHTS))
    }

    /// The inputs of one modality, from the integer hash.
    fn views(&self, trajectory: &Trajectory, input: (&str, i64, i64, i64)) -> BranchInput {
        let (suffix, height, width, channels) = input;
        let (batch, vector) = (trajectory.batch, self.branches[suffix].config().vector);
        let visual = u64::from(suffix == "v");
        let device = self.store.device();
        let hashed =
            |seed: u64, shape: &[i64]| hashed(trajectory.seed + seed, shape).to_device(device);
        let view = |seed: u64| match channels {
            // The dump's spectrograms are [time, mel]; encoders take mel first.
            1 => hashed(seed, &[batch, 1, width, height]).transpose(2, 3),
            _ => hashed(seed, &[batch, channels, height, width]),
        };
        BranchInput {
            plain: view(1 + 2 * visual),
            augmented: view(2 + 2 * visual),
            vectors: hashed(5 + visual, &[batch, vector]),
            centroid: hashed(7 + visual, &[batch, trajectory.centroid, vector]),
            material: None,
        }
    }

    fn forward(&self, views: &BTreeMap<&str, BranchInput>) -> BTreeMap<&'static str, Embeddings> {
        let forward = |(suffix, branch): (&&'static str, &Branch)| {
            (*suffix, branch.forward(&views[suffix], Intra::Equivariant, Inter::Centroid))
        };
        self.branches.iter().map(forward).collect()
    }

    fn weights_after(&self, theirs: &Weights) -> anyhow::Result<Item> {
        let mut worst = Worst::default();
        for (name, ours) in self.store.variables() {
            if ours.requires_grad() {
                let theirs = theirs.tensors().get(&name);
                let theirs = theirs.with_context(|| format!("the dump has no `{name}`"))?;
                worst.add(&name, difference(&ours, theirs));
            }
        }
        Ok(worst.item("weights after all steps", WEIGHTS))
    }
}

/// The losses of one step, still on the graph.
struct Losses {
    total: Tensor,
    inter: Contrast,
    intra: BTreeMap<&'static str, Contrast>,
}

impl Losses {
    fn new(embeddings: &BTreeMap<&'static str, Embeddings>, trajectory: &Trajectory) -> Self {
        let (tau, [inter_weight, audio_weight, visual_weight]) =
            (trajectory.tau, trajectory.weight);
        let (audio, visual) = (&embeddings["a"].inter, &embeddings["v"].inter);
        let inter = info_nce(audio, visual, &Keys::own(audio, visual), tau, None);
        let mut total = &inter.loss * inter_weight;
        let mut intra = BTreeMap::new();
        for (suffix, weight) in [("a", audio_weight), ("v", visual_weight)] {
            let pair = embeddings[suffix].intra.as_ref().expect("the paper's variant has a pair");
            let keys = Keys::own(&pair.predicted, &pair.augmented);
            let contrast = nt_xent(&pair.predicted, &pair.augmented, &keys, tau, None);
            total += &contrast.loss * weight;
            intra.insert(suffix, contrast);
        }
        Self { total, inter, intra }
    }
}

/// Largest deviations over the steps, by quantity.
#[derive(Default)]
struct Figures(Vec<(&'static str, f64)>);

impl Figures {
    fn add(&mut self, step: &Step, losses: &Losses, norm: f64, lr: f64) {
        let (audio, visual) = (&losses.intra["a"], &losses.intra["v"]);
        let value = |tensor: &Tensor| tensor.double_value(&[]);
        let percent = |contrast: &Contrast| 100.0 * value(&contrast.top1);
        for (name, ours, theirs) in [
            ("learning rate", lr, step.lr),
            ("loss", value(&losses.total), step.loss),
            ("inter loss", value(&losses.inter.loss), step.inter),
            ("intra audio loss", value(&audio.loss), step.intra_a),
            ("intra visual loss", value(&visual.loss), step.intra_v),
            ("inter accuracy (%)", percent(&losses.inter), step.acc_inter),
            ("intra audio accuracy (%)", percent(audio), step.acc_intra_a),
            ("intra visual accuracy (%)", percent(visual), step.acc_intra_v),
            ("gradient norm (relative)", norm / step.grad_norm, 1.0),
        ] {
            let deviation = if ours.is_finite() { (ours - theirs).abs() } else { f64::INFINITY };
            match self.0.iter_mut().find(|(known, _)| *known == name) {
                Some((_, largest)) => *largest = largest.max(deviation),
                None => self.0.push((name, deviation)),
            }
        }
    }

    fn items(self) -> impl Iterator<Item = Item> {
        let named = self.0.into_iter();
        named.map(|(name, largest)| Item::new(format!("every step: {name}"), largest, FIGURES))
    }
}
