//! Where in pictures a sound is seen: what its picture's similarity to it owes to every token, or how well each token fits it.
//!
//! Retrieval compares one point of each modality's token space, `c`, after the head of the inter-modal
//! loss: what the tokens are pooled to, by default their mean, or the mean of the predictions from them. A token is as much a place of
//! the sound as the similarity falls when the token is left out; the factor makes maps of grids of other
//! sizes comparable:
//!
//! ```text
//! s(h, x) = cos(head_v(c_v(h)), head_a(c_a(x)))       c(h) = pool(h), or mean over k of u(h, t_k)
//! map(i)  = (n − 1) (s(h, x) − s(h without h_i, x))
//! ```
//!
//! The cosine of a token itself with the sound says nothing of the kind, unless tokens were compared with sounds in training
//! (`objective.tokens`): then it is the map. `docs/localization.md` tells what was tried.

mod figures;
mod grid;
mod map;
mod measure;
mod options;
mod truth;

pub use figures::{Compared, LocalizationMetrics, Ruled, Scores, Spread};
pub use map::PlaceMap;
pub use measure::localize;
pub use options::{MapKind, MapOptions};
pub use truth::Truths;

use std::collections::BTreeMap;

use anyhow::ensure;
use equiav_augment::{Image, Modality};
use equiav_data::Orientation;
use equiav_frontend::{Analyzer, Waveform, audio_input};
use equiav_models::{Branch, Features, ViewKind};
use equiav_torch::FullPrecision;
use ndarray::{Array3, Axis};
use tch::{Device, Kind, Tensor};

use grid::{interleaved, moves, pixels};

use crate::clips;
use crate::clips::{peak, white_noise};
use crate::engine::narrowed;
use crate::eval::embeddings::{Variant, fixed_vectors};
use crate::model::LoadedModel;
use crate::model::Network;
use crate::recipe::Settings;

/// The network of a run, ready to compare sounds with places.
#[derive(Debug)]
pub struct Localizer<'a> {
    network: &'a Network,
    recipe: &'a Settings,
    options: MapOptions,
    vectors: BTreeMap<Modality, Tensor>,
    analyzer: Analyzer,
}

impl<'a> Localizer<'a> {
    /// A localizer of `trained`.
    ///
    /// # Errors
    ///
    /// If the tokens of pictures lie on no grid of patches, these cannot be moved so finely, or the variant has no
    /// vectors.
    pub fn new(trained: &'a LoadedModel, options: MapOptions) -> anyhow::Result<Self> {
        let (network, recipe) = (&trained.network, &*trained.recipe);
        let patch = patch(network);
        let side = recipe.front_end.image as i64 / patch;
        ensure!(
            network.branches[&Modality::VISUAL].grid() == Some([side, side]),
            "maps of places need an encoder of pictures whose tokens lie on a grid of {side} x {side} patches, as \
             model.encoder.patch says (help: implement `Encode::grid`)"
        );
        ensure!(
            options.finer == 1 || options.finer > 1 && patch % (2 * options.finer) == 0,
            "a grid {} times finer: 1, or what divides half a patch of {patch} pixels",
            options.finer
        );
        ensure!(
            (0.0..=8.0).contains(&options.blur),
            "a blur of {} patches: expected 0 to 8",
            options.blur
        );
        if let Variant::Centroid { vectors, .. } = options.variant {
            ensure!(vectors > 0, "a centroid of 0 vectors: at least 1");
        }
        let vectors = fixed_vectors(options.variant, recipe, network.store.device());
        let analyzer = Analyzer::new(recipe.front_end.clone())?;
        Ok(Self { network, recipe, options, vectors, analyzer })
    }

    /// Which way up pictures are read for the model.
    pub fn orientation(&self) -> Orientation {
        Orientation::of(self.recipe.augment.visual.profile)
    }

    /// The map of `picture` for `sound`.
    ///
    /// # Errors
    ///
    /// If the sound is shorter than a frame of the filterbank.
    pub fn map(&self, sound: &Waveform, picture: &Image) -> anyhow::Result<PlaceMap> {
        self.fit(&self.picture(picture)?, &self.sound(sound)?)
    }

    /// How well each of `places` fits `heard`.
    ///
    /// # Errors
    ///
    /// None that embeddings of this localizer can cause.
    pub fn fit(&self, places: &Places, heard: &Heard) -> anyhow::Result<PlaceMap> {
        let _full = FullPrecision::new()?;
        let values = self.pixels(&places.points.matmul(&heard.0).unsqueeze(0))?;
        let similarity = places.whole.dot(&heard.0).double_value(&[]) as f32;
        let values = values.index_axis_move(Axis(0), 0);
        let map = PlaceMap { values, part: places.part, similarity, lit: false };
        let decides = match self.options.map {
            MapKind::LeftOut => similarity,
            MapKind::Tokens => map.greatest(),
        };
        Ok(PlaceMap { lit: decides >= self.options.dark, ..map })
    }

    /// What `sound` looks for.
    ///
    /// # Errors
    ///
    /// If it is shorter than a frame of the filterbank.
    pub fn sound(&self, sound: &Waveform) -> anyhow::Result<Heard> {
        let spectrogram =
            self.analyzer.audio(&sound.samples, sound.rate).map_err(anyhow::Error::msg)?;
        let (input, frames) = (audio_input(&spectrogram.spectrogram), self.recipe.front_end.frames);
        let device = self.network.store.device();
        let material = clips::valid_frames(&[spectrogram.valid], frames, device);
        Ok(Heard(self.sounds(&self.tensor(&input), material.as_ref()).squeeze_dim(0)))
    }

    /// As [`sound`](Self::sound) of digital silence that fills the front end.
    ///
    /// # Errors
    ///
    /// None that a checked front end can have.
    pub fn silence(&self) -> anyhow::Result<Heard> {
        self.sound(&white_noise(&self.recipe.front_end, 0.0, 0))
    }

    /// As [`sound`](Self::sound) of white noise that fills the front end, -60 dB of full scale at its peaks:
    /// next to nothing, but not silence to the last bit.
    ///
    /// # Errors
    ///
    /// None that a checked front end can have.
    pub fn faint_noise(&self) -> anyhow::Result<Heard> {
        self.sound(&white_noise(&self.recipe.front_end, peak(-60.0), 0))
    }

    /// What can be found in `picture`.
    ///
    /// # Errors
    ///
    /// None that a picture can cause.
    pub fn picture(&self, picture: &Image) -> anyhow::Result<Places> {
        let size = self.recipe.front_end.image_size();
        let visual = &self.recipe.augment.visual;
        let view = visual.plain(picture, size);
        let input = view.standardized(equiav_frontend::IMAGE_MEAN, equiav_frontend::IMAGE_STD);
        let [points, whole] = self.places(&self.tensor(&input)).map(|all| all.squeeze_dim(0));
        Ok(Places { points, whole, part: visual.plain_part(picture.size(), size) })
    }

    fn tensor(&self, input: &Array3<f32>) -> Tensor {
        clips::tensor(&input.clone().insert_axis(Axis(0)), self.network.store.device())
    }

    /// Height and width of a map.
    fn side(&self) -> i64 {
        self.recipe.front_end.image as i64
    }

    /// `[b, rows, columns]` to maps of that size, `[b, side, side]`.
    fn pixels(&self, cells: &Tensor) -> anyhow::Result<Array3<f32>> {
        let blur = self.options.blur * patch(self.network) as f64;
        pixels(cells, self.side(), blur)
    }

    /// `[b, 1, mels, frames]`, of which the frames that hold `material` count, to unit embeddings `[b, out]`.
    fn sounds(&self, inputs: &Tensor, material: Option<&Tensor>) -> Tensor {
        let embed = || {
            let branch = &self.network.branches[&Modality::AUDIO];
            unit(&branch.embed(inputs, self.vectors.get(&Modality::AUDIO), material))
        };
        self.run(embed)
    }

    /// `[b, 3, side, side]` to what sounds are multiplied with for a map, `[b, rows, columns, out]`: what places add to the
    /// picture's unit embedding, or the unit embeddings of their tokens; and to the picture's itself, `[b, out]`.
    fn places(&self, inputs: &Tensor) -> [Tensor; 2] {
        let branch = &self.network.branches[&Modality::VISUAL];
        let [rows, columns] = branch.grid().expect("as the localizer was made for");
        let whole = self.run(|| {
            let vectors = self.vectors.get(&Modality::VISUAL);
            unit(&branch.embed(inputs, vectors, None))
        });
        let (patch, finer) = (patch(self.network), self.options.finer);
        let moved = moves(inputs, patch, finer);
        let each = moved.iter().map(|input| {
            let points = self.run(|| match self.options.map {
                MapKind::LeftOut => self.shares(branch, &branch.encode(input, ViewKind::Plain)),
                MapKind::Tokens => {
                    let places = self.network.places(input, None);
                    unit(&places.expect("as it was trained"))
                }
            });
            points.unflatten(1, [rows, columns])
        });
        [interleaved(&each.collect::<Vec<_>>(), finer), whole]
    }

    /// What each of `tokens` `[b, n, width]` adds to the unit embedding of all, `[b, n, out]`.
    fn shares(&self, branch: &Branch, tokens: &Tensor) -> Tensor {
        let count = tokens.size()[1];
        let all = unit(&branch.project(&self.center(branch, tokens))).unsqueeze(1);
        let without = match self.options.variant {
            Variant::Clean if branch.pools_by_mean() => {
                let mean = tokens.mean_dim([1i64].as_slice(), true, None);
                &mean - (tokens - &mean) / (count - 1) as f64
            }
            _ => {
                let others = |left_out: i64| {
                    let (before, after) = (left_out, count - left_out - 1);
                    let parts =
                        [tokens.narrow(1, 0, before), tokens.narrow(1, left_out + 1, after)];
                    self.center(branch, &Tensor::cat(&parts, 1))
                };
                Tensor::stack(&(0..count).map(others).collect::<Vec<_>>(), 1)
            }
        };
        (all - unit(&branch.project(&without))) * (count - 1) as f64
    }

    /// The point that stands for `tokens` `[b, n, width]`, `[b, width]`.
    fn center(&self, branch: &Branch, tokens: &Tensor) -> Tensor {
        let Some(vectors) = self.vectors.get(&Modality::VISUAL) else {
            return branch.pool(&Features::new(tokens.shallow_clone())).point;
        };
        let queries = vectors.unsqueeze(0).expand([tokens.size()[0], -1, -1], false);
        branch.predict(tokens, &queries, None).mean_dim([1i64].as_slice(), false, None)
    }

    fn run(&self, work: impl FnOnce() -> Tensor) -> Tensor {
        let (device, precision) = (self.network.store.device(), self.recipe.compute.precision);
        let narrowed = || narrowed(device, precision, work);
        tch::no_grad(narrowed).to_kind(Kind::Float).to_device(Device::Cpu)
    }
}

/// A sound's unit embedding, `[out]`.
#[derive(Debug)]
pub struct Heard(Tensor);

/// What a picture's places are compared by.
#[derive(Debug)]
pub struct Places {
    /// `[rows, columns, out]`
    points: Tensor,
    /// The picture's unit embedding, `[out]`.
    whole: Tensor,
    part: [f64; 4],
}

/// Height and width of a picture's patch.
fn patch(network: &Network) -> i64 {
    network.branches[&Modality::VISUAL].config().encoder.patch
}

fn unit(embeddings: &Tensor) -> Tensor {
    let embeddings = embeddings.to_kind(Kind::Float);
    let length = embeddings.square().sum_dim_intlist(-1i64, true, None).sqrt().clamp_min(1e-12);
    embeddings / length
}
