//! Where in pictures a sound is seen: what its picture's similarity to it owes to every token.
//!
//! Retrieval compares one point of each modality's token space, `c`, after the head of the inter-modal
//! loss: the mean of the tokens, or the mean of the predictions from them. A token is as much a place of
//! the sound as the similarity falls when the token is left out; the factor makes maps of grids of other
//! sizes comparable:
//!
//! ```text
//! s(h, x) = cos(head_v(c_v(h)), head_a(c_a(x)))       c(h) = mean(h), or mean over k of u(h, t_k)
//! map(i)  = (n − 1) (s(h, x) − s(h without h_i, x))
//! ```
//!
//! The cosine of a token itself with the sound says nothing of the kind; `docs/localization.md` tells what
//! was tried.

mod measure;
mod truth;

pub use measure::{Compared, Localized, Ruled, Scores, Spread, localize};
pub use truth::Truths;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use equiav_augment::{Image, Modality, Spectrogram};
use equiav_data::sheet::heat::Heat;
use equiav_data::{Analyzer, Waveform};
use equiav_models::{Branch, View};
use image::RgbImage;
use ndarray::{Array2, Array3, Axis};
use tch::{Device, Kind, Tensor};

use crate::embedding::{Variant, fixed_vectors};
use crate::feed;
use crate::hashed::hashed;
use crate::network::Network;
use crate::settings::Settings;
use crate::trained::Trained;

/// How maps are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapOptions {
    /// Which point of the token space is compared.
    pub variant: Variant,
    /// How many times finer than the tokens' grid the map is, each way: so many squared passes, each with
    /// the picture moved by a part of a patch. 1 is one pass.
    pub finer: i64,
    /// The cosine of picture and sound as wholes below which nothing of the picture is the sound's, and its
    /// map is not lit; -1 lights every map.
    pub dark: f32,
}

/// The network of a run, ready to compare sounds with places.
#[derive(Debug)]
pub struct Localizer<'a> {
    network: &'a Network,
    recipe: &'a Settings,
    options: MapOptions,
    vectors: BTreeMap<Modality, Tensor>,
    analyzer: Analyzer,
}

/// The map of one picture for one sound.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaceMap {
    /// What the similarity owes to each place, a value for each pixel of the plain view.
    pub values: Array2<f32>,
    /// Which part of the picture the plain view shows: left, top, right, bottom as shares of its sides.
    pub part: [f64; 4],
    /// The cosine of picture and sound as wholes.
    pub similarity: f32,
    /// Whether that is enough for the map to be shown.
    pub lit: bool,
}

/// The range of values that is drawn: not seen at the first, brightest at the second.
const DRAWN: [f32; 2] = [0.0, 1.0];

impl PlaceMap {
    /// The greatest value.
    pub fn greatest(&self) -> f32 {
        self.values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// The picture with the map over it, if it is lit; equal values have equal colors in all pictures.
    pub fn over(&self, picture: &Image) -> RgbImage {
        let dark = Array2::zeros(self.values.dim());
        let values = if self.lit { self.values.view() } else { dark.view() };
        Heat { values, part: self.part, range: DRAWN }.over(picture)
    }
}

impl<'a> Localizer<'a> {
    /// A localizer of `trained`.
    ///
    /// # Errors
    ///
    /// If the patches cannot be moved so finely, or the variant has no vectors.
    pub fn new(trained: &'a Trained, options: MapOptions) -> anyhow::Result<Self> {
        let (network, recipe) = (&trained.network, &*trained.recipe);
        let patch = recipe.model.encoder.patch;
        ensure!(
            options.finer == 1 || options.finer > 1 && patch % (2 * options.finer) == 0,
            "a grid {} times finer: 1, or what divides half a patch of {patch} pixels",
            options.finer
        );
        if let Variant::Centroid { vectors, .. } = options.variant {
            ensure!(vectors > 0, "a centroid of 0 vectors: at least 1");
        }
        let vectors = fixed_vectors(options.variant, recipe, network.store.device());
        let analyzer = Analyzer::new(recipe.front_end.clone())?;
        Ok(Self { network, recipe, options, vectors, analyzer })
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
        let values = pixels(&places.points.matmul(&heard.0).unsqueeze(0), self.side())?;
        let similarity = places.whole.dot(&heard.0).double_value(&[]) as f32;
        let (values, lit) = (values.index_axis_move(Axis(0), 0), similarity >= self.options.dark);
        Ok(PlaceMap { values, part: places.part, similarity, lit })
    }

    /// What `sound` looks for.
    ///
    /// # Errors
    ///
    /// If it is shorter than a frame of the filterbank.
    pub fn sound(&self, sound: &Waveform) -> anyhow::Result<Heard> {
        let spectrogram = self.analyzer.spectrogram(sound).map_err(anyhow::Error::msg)?;
        let input = sound_input(&spectrogram.spectrogram);
        Ok(Heard(self.sounds(&self.tensor(&input)).squeeze_dim(0)))
    }

    /// As [`sound`](Self::sound) of digital silence that fills the front end.
    ///
    /// # Errors
    ///
    /// None that a checked front end can have.
    pub fn silence(&self) -> anyhow::Result<Heard> {
        self.noise(0.0)
    }

    /// As [`sound`](Self::sound) of white noise that fills the front end, -60 dB of full scale at its peaks:
    /// next to nothing, but not silence to the last bit.
    ///
    /// # Errors
    ///
    /// None that a checked front end can have.
    pub fn faint_noise(&self) -> anyhow::Result<Heard> {
        self.noise(1e-3)
    }

    /// White noise of a peak.
    fn noise(&self, peak: f32) -> anyhow::Result<Heard> {
        let front_end = &self.recipe.front_end;
        let rate = front_end.sample_rate.unwrap_or(16_000);
        // A frame is 25 ms and begins every 10 ms.
        let count = (front_end.frames + 2) * rate as usize / 100;
        let samples = hashed(0, count).into_iter().map(|sample| peak * sample).collect();
        self.sound(&Waveform { samples, rate })
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
        let input = view.standardized(equiav_data::IMAGE_MEAN, equiav_data::IMAGE_STD);
        let [points, whole] = self.places(&self.tensor(&input)).map(|all| all.squeeze_dim(0));
        Ok(Places { points, whole, part: visual.plain_part(picture.size(), size) })
    }

    fn tensor(&self, input: &Array3<f32>) -> Tensor {
        feed::tensor(&input.clone().insert_axis(Axis(0)), self.network.store.device())
    }

    /// Height and width of a map.
    fn side(&self) -> i64 {
        self.recipe.front_end.image as i64
    }

    /// `[b, 1, mels, frames]` to unit embeddings `[b, out]`.
    fn sounds(&self, inputs: &Tensor) -> Tensor {
        let embed = || {
            let branch = &self.network.branches[&Modality::Audio];
            unit(&branch.embed(inputs, self.vectors.get(&Modality::Audio)))
        };
        self.run(embed)
    }

    /// `[b, 3, side, side]` to what places add to the picture's embedding, `[b, rows, columns, out]`, and
    /// to the unit embedding itself, `[b, out]`.
    fn places(&self, inputs: &Tensor) -> [Tensor; 2] {
        let branch = &self.network.branches[&Modality::Visual];
        let [rows, columns] = branch.grid();
        let whole = self.run(|| {
            let vectors = self.vectors.get(&Modality::Visual);
            unit(&branch.embed(inputs, vectors))
        });
        let (patch, finer) = (self.recipe.model.encoder.patch, self.options.finer);
        let moved = moves(inputs, patch, finer);
        let each = moved.iter().map(|input| {
            let shares = self.run(|| self.shares(branch, &branch.encode(input, View::Plain)));
            shares.unflatten(1, [rows, columns])
        });
        [interleaved(&each.collect::<Vec<_>>(), finer), whole]
    }

    /// What each of `tokens` `[b, n, width]` adds to the unit embedding of all, `[b, n, out]`.
    fn shares(&self, branch: &Branch, tokens: &Tensor) -> Tensor {
        let count = tokens.size()[1];
        let all = unit(&branch.project(&self.center(branch, tokens))).unsqueeze(1);
        let without = match self.options.variant {
            Variant::Clean => {
                let mean = tokens.mean_dim([1i64].as_slice(), true, None);
                &mean - (tokens - &mean) / (count - 1) as f64
            }
            Variant::Centroid { .. } => {
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
        let points = match self.vectors.get(&Modality::Visual) {
            None => tokens.shallow_clone(),
            Some(vectors) => {
                let queries = vectors.unsqueeze(0).expand([tokens.size()[0], -1, -1], false);
                branch.predict(tokens, &queries)
            }
        };
        points.mean_dim([1i64].as_slice(), false, None)
    }

    fn run(&self, work: impl FnOnce() -> Tensor) -> Tensor {
        let narrowed = || self.network.narrowed(self.recipe.compute.precision, work);
        tch::no_grad(narrowed).to_kind(Kind::Float).to_device(Device::Cpu)
    }
}

/// A sound's unit embedding, `[out]`.
#[derive(Debug)]
pub struct Heard(Tensor);

/// What the places of a picture add to its embedding.
#[derive(Debug)]
pub struct Places {
    /// `[rows, columns, out]`
    points: Tensor,
    /// The picture's unit embedding, `[out]`.
    whole: Tensor,
    part: [f64; 4],
}

/// `[b, rows, columns]` to `[b, side, side]`, linearly between the centers of the cells.
fn pixels(cells: &Tensor, side: i64) -> anyhow::Result<Array3<f32>> {
    let scaled = cells.unsqueeze(1).upsample_bilinear2d([side, side], false, None, None);
    let values: ndarray::ArrayD<f32> = (&scaled.squeeze_dim(1).contiguous()).try_into()?;
    values.into_dimensionality().context("a map for each picture")
}

fn unit(embeddings: &Tensor) -> Tensor {
    let embeddings = embeddings.to_kind(Kind::Float);
    let length = embeddings.square().sum_dim_intlist(-1i64, true, None).sqrt().clamp_min(1e-12);
    embeddings / length
}

/// `[1, mels, frames]` of a spectrogram.
fn sound_input(spectrogram: &Spectrogram) -> Array3<f32> {
    let turned = spectrogram.values().t().to_owned();
    turned.as_standard_layout().into_owned().insert_axis(Axis(0))
}

/// The pictures moved by parts of a patch, row by row: the centers of all their patches together are those
/// of a grid `finer` times as fine. What a move brings in is the picture's edge.
fn moves(pictures: &Tensor, patch: i64, finer: i64) -> Vec<Tensor> {
    if finer == 1 {
        return vec![pictures.shallow_clone()];
    }
    let half = patch / 2;
    let wide = pictures.replication_pad2d([half, half, half, half]);
    let (height, width) = (pictures.size()[2], pictures.size()[3]);
    let start = |step: i64| half + (2 * step - (finer - 1)) * patch / (2 * finer);
    let moved = |step: i64| {
        let (row, column) = (start(step / finer), start(step % finer));
        wide.narrow(2, row, height).narrow(3, column, width)
    };
    (0..finer * finer).map(moved).collect()
}

/// The grids `[b, rows, columns, out]` of all [`moves`] as one `[b, finer · rows, finer · columns, out]`.
fn interleaved(grids: &[Tensor], finer: i64) -> Tensor {
    let size = grids[0].size();
    let (b, rows, columns, out) = (size[0], size[1], size[2], size[3]);
    Tensor::stack(grids, 0)
        .view([finer, finer, b, rows, columns, out])
        .permute([2, 3, 0, 4, 1, 5]) // [b, rows, finer, columns, finer, out]
        .reshape([b, finer * rows, finer * columns, out])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_pictures_make_one_finer_grid() {
        // A picture whose every pixel says where it is; a "network" that gives a patch's mean.
        let (side, patch) = (16i64, 8i64);
        let column = Tensor::arange(side, (Kind::Float, Device::Cpu)) + 0.5;
        let picture = column.view([1, 1, 1, side]).expand([1, 3, side, side], false);
        for finer in [1, 2, 4] {
            let means = |input: &Tensor| {
                let mean =
                    input.avg_pool2d([patch, patch], [patch, patch], 0i64, false, true, None);
                mean.narrow(1, 0, 1).permute([0, 2, 3, 1])
            };
            let grids: Vec<Tensor> = moves(&picture, patch, finer).iter().map(means).collect();
            let grid = interleaved(&grids, finer);
            let cells = side / patch * finer;
            assert_eq!(grid.size(), [1, cells, cells, 1]);
            for cell in 0..cells {
                let center = (cell as f64 + 0.5) * patch as f64 / finer as f64;
                for row in 0..cells {
                    let found = grid.double_value(&[0, row, cell, 0]);
                    // At the edge a moved patch reaches out of the picture.
                    let inside = center - 4.0 >= 0.0 && center + 4.0 <= side as f64;
                    assert!(!inside || (found - center).abs() < 1e-5, "{finer}: {found}, {center}");
                }
            }
        }
    }

    #[test]
    fn cells_lie_where_their_patches_are() {
        let cells = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 3.0]).view([1, 2, 2]);
        let map = pixels(&cells, 8).expect("a map");
        let at = |row: usize, column: usize| map[[0, row, column]];
        assert_eq!((at(0, 0), at(0, 7), at(7, 0), at(7, 7)), (0.0, 1.0, 2.0, 3.0));
        assert!((at(3, 3) + at(4, 4) - 3.0).abs() < 1e-6, "the middle is the mean");
    }
}
