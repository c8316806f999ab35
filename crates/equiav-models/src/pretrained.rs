//! An exported model for use: sound and pictures in, features out, without the trainer.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use equiav_augment::{Image, Modality};
use equiav_frontend::{Analyzer, FrontEnd, audio_input, image_input};
use ndarray::Array3;
use tch::{Device, Tensor, nn};

use crate::branch::Branch;
use crate::encoder::encode::Features;
use crate::pool::PoolOutput;
use crate::weights::export::read_export;
use crate::weights::import::restore;

/// The section of `config.json` that describes the front end.
const FRONT_END: &str = "front_end";

/// The encoders of an exported model, with the front end that they were trained on.
///
/// ```
/// use equiav_models::Pretrained;
/// use tch::Device;
///
/// # let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/legacy/export").as_ref();
/// let model = Pretrained::open(dir, Device::Cpu)?;
/// let rate = 16_000;
/// let second: Vec<f32> = (0..rate).map(|n| (n as f32 * 0.1).sin()).collect();
/// let sound = model.audio(&second, rate)?;
/// let photo = equiav_augment::Image::new(ndarray::Array3::zeros((480, 640, 3)));
/// let picture = model.image(&photo)?;
///
/// let [rows, columns] = sound.grid.expect("patches lie on a grid");
/// assert_eq!(sound.tokens.size(), [1, rows * columns, model.width()]);
/// let similarity = tch::Tensor::cosine_similarity(&model.embed(&sound), &model.embed(&picture), 1, 1e-8);
/// assert!(similarity.double_value(&[0]).abs() <= 1.0);
/// # Ok::<(), anyhow::Error>(())
/// ```
///
/// Outputs of blocks in between are kept where they are asked for:
///
/// ```
/// # use equiav_models::Pretrained;
/// # let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/legacy/export").as_ref();
/// let model = Pretrained::open(dir, tch::Device::Cpu)?.with_layers(&[0])?;
/// let sound = model.audio(&[0.1; 16_000], 16_000)?;
/// assert_eq!(sound.layers[&0].size(), sound.tokens.size());
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug)]
pub struct Pretrained {
    store: nn::VarStore,
    branches: BTreeMap<String, Branch>,
    layers: Vec<usize>,
    analyzer: Analyzer,
}

impl Pretrained {
    /// Opens the folder `dir` that `equiav export` wrote, on `device`.
    ///
    /// # Errors
    ///
    /// If a file of it is absent or damaged, or it is of a version that kept no front end.
    pub fn open(dir: &Path, device: Device) -> anyhow::Result<Self> {
        let exported = read_export(dir)?;
        let config = dir.join("config.json");
        let context = || format!("in {}", config.display());
        let Some(front_end) = exported.config.extra.get(FRONT_END) else {
            bail!("{}: `{FRONT_END}` is missing (help: export the run again)", config.display());
        };
        let front_end: FrontEnd =
            serde_json::from_value(front_end.clone()).with_context(context)?;
        let analyzer = Analyzer::new(front_end).with_context(context)?;
        let store = nn::VarStore::new(device);
        let mut branches = BTreeMap::new();
        for (name, shape) in &exported.config.branches {
            branches.insert(name.clone(), shape.build(&store.root()));
        }
        if let Some(lacking) =
            Modality::AUDIO_VISUAL.iter().find(|one| !branches.contains_key(one.name()))
        {
            bail!("{}: `branches` has no {lacking}", config.display());
        }
        restore(&store, &exported.weights).with_context(|| format!("in {}", dir.display()))?;
        Ok(Self { store, branches, layers: Vec::new(), analyzer })
    }

    /// Has all features hold the outputs of the blocks `layers`, counted from 0.
    ///
    /// # Errors
    ///
    /// If an encoder has no such block.
    pub fn with_layers(mut self, layers: &[usize]) -> anyhow::Result<Self> {
        for (name, branch) in &self.branches {
            let blocks = branch.encoder().blocks();
            if let Some(layer) = layers.iter().find(|layer| **layer >= blocks) {
                bail!("the {name} encoder has no block {layer} (help: 0 to {})", blocks - 1);
            }
        }
        self.layers = layers.to_vec();
        Ok(self)
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.store.device()
    }

    /// Channels of a token.
    pub fn width(&self) -> i64 {
        self.branches[Modality::AUDIO.name()].encoder().width()
    }

    /// The features of one channel of sound, in [-1, 1], at `rate` Hz. What is longer than the front end's window is
    /// cut behind it, what is shorter is padded.
    ///
    /// # Errors
    ///
    /// If there is no sample, one is not finite, or the rate is below what the front end takes.
    pub fn audio(&self, samples: &[f32], rate: u32) -> anyhow::Result<Features> {
        let sound = self.analyzer.audio(samples, rate)?;
        let frames = sound.spectrogram.frames();
        let material: Vec<bool> = (0..frames).map(|frame| frame < sound.valid).collect();
        let material = (sound.valid < frames).then(|| {
            Tensor::from_slice(&material).view([1, frames as i64]).to_device(self.device())
        });
        self.features(Modality::AUDIO, &audio_input(&sound.spectrogram), material.as_ref())
    }

    /// The features of a picture of any size.
    ///
    /// # Errors
    ///
    /// If libtorch fails.
    pub fn image(&self, image: &Image) -> anyhow::Result<Features> {
        self.features(Modality::VISUAL, &image_input(&self.analyzer.image(image)), None)
    }

    fn features(
        &self,
        modality: Modality,
        input: &Array3<f32>,
        material: Option<&Tensor>,
    ) -> anyhow::Result<Features> {
        let name = modality.name();
        let input = Tensor::try_from(input)?.unsqueeze(0).to_device(self.device());
        let features = || self.branches[name].features(&input, material, &self.layers);
        Ok(Features { branch: Some(name.to_owned()), ..tch::no_grad(features) })
    }

    /// The point that stands for `features`, `[1, width]`: by default the mean of the tokens that hold anything but
    /// padding, where the model tells them apart; with the attention of a pool that attends.
    ///
    /// # Panics
    ///
    /// If the features are of no [`audio`](Self::audio) or [`image`](Self::image).
    #[track_caller]
    pub fn pool(&self, features: &Features) -> PoolOutput {
        tch::no_grad(|| self.branch(features).pool(features))
    }

    /// The embedding that retrieval compares between modalities, `[1, out]`, of any length: the inter-modal head on
    /// the point that [`pool`](Self::pool) gives.
    ///
    /// # Panics
    ///
    /// As [`pool`](Self::pool).
    #[track_caller]
    pub fn embed(&self, features: &Features) -> Tensor {
        tch::no_grad(|| self.branch(features).project(&self.pool(features).point))
    }

    #[track_caller]
    fn branch(&self, features: &Features) -> &Branch {
        let branch = features.branch.as_ref().and_then(|name| self.branches.get(name));
        branch.expect("features that this model made of a sound or a picture")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/legacy/export")
    }

    #[test]
    fn features_are_those_of_the_branch() {
        let model = Pretrained::open(&export(), Device::Cpu).expect("a model");
        let samples: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.05).sin()).collect();
        let features = model.audio(&samples, 16_000).expect("features");
        let input = model.analyzer.audio(&samples, 16_000).expect("a spectrogram").spectrogram;
        let input = Tensor::try_from(&audio_input(&input)).expect("a tensor").unsqueeze(0);
        let branch = &model.branches["audio"];
        let expected = tch::no_grad(|| branch.embed(&input, None, None));
        assert!(model.embed(&features).equal(&expected));
        let point = model.pool(&features).point;
        assert_eq!(point.size(), [1, model.width()]);
        assert!(point.equal(&tch::no_grad(|| branch.pooled(&input, None))));
    }

    #[test]
    fn layers_are_kept_where_they_are_asked_for_and_change_nothing() {
        let open = || Pretrained::open(&export(), Device::Cpu).expect("a model");
        let picture = Image::new(ndarray::Array3::from_elem((40, 30, 3), 60));
        let plain = open().image(&picture).expect("features");
        assert!(plain.layers.is_empty());
        let blocks = open().branches["visual"].config().encoder.depth as usize;
        let model = open().with_layers(&[blocks - 1]).expect("the last block");
        let features = model.image(&picture).expect("features");
        assert!(features.tokens.equal(&plain.tokens));
        assert!(features.layers.keys().eq([&(blocks - 1)]));
        let error = open().with_layers(&[blocks]).expect_err("no such block").to_string();
        assert!(
            error.contains(&format!("no block {blocks} (help: 0 to {})", blocks - 1)),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_export_says_what_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Pretrained::open(folder.path(), Device::Cpu).expect_err("nothing is there");
        assert!(format!("{error:#}").contains("config.json"), "{error:#}");
        let text = std::fs::read_to_string(export().join("config.json")).expect("a description");
        let old = text.replace("\"front_end\"", "\"other\"");
        std::fs::write(folder.path().join("config.json"), old).expect("written");
        std::fs::copy(export().join("model.safetensors"), folder.path().join("model.safetensors"))
            .expect("copied");
        let error = Pretrained::open(folder.path(), Device::Cpu).expect_err("no front end");
        assert!(format!("{error:#}").contains("help: export the run again"), "{error:#}");
        let model = Pretrained::open(&export(), Device::Cpu).expect("a model");
        assert!(model.audio(&[], 16_000).is_err(), "no sample");
    }
}
