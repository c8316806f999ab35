//! What happens to the visual view: the chain of its families, and their operations one by one.

pub mod color;
pub mod crop;
pub mod flip;
pub mod gaussian;
pub mod grayscale;
mod placement;
pub mod resize;
pub mod rotation;
mod tile;
mod weighted;

use ndarray::Array2;
use rand::Rng;

use crate::audiovisual::blur::Blur;
use crate::audiovisual::jitter::Jitter;
use crate::chain::{Chain, ChainDraw, Ladder, Link, VectorLength};
use crate::{Context, Image, ImageSize, Modality, ParameterVector, Profile, Setting, Slot, Views};

/// What happens to the visual view; also the `visual` part of a recipe.
pub type VisualAugment = Chain<Image>;

/// One draw of [`VisualAugment`].
pub type VisualDraw = ChainDraw<Image>;

/// How long the visual parameter vector is: which of the built-in families there are.
pub type VisualVector = VectorLength<Image>;

impl VisualVector {
    /// 16 numbers: crop, jitter and blur.
    pub const P16: Self = Self::new(16);
    /// 18 numbers, as published: the horizontal flip and the grayscale too.
    pub const P18: Self = Self::new(18);
    /// 21 numbers: all built-in families.
    pub const P21: Self = Self::new(21);

    /// Every length, shortest first.
    pub const ALL: &'static [Self] = &[Self::P16, Self::P18, Self::P21];
}

impl Ladder for Image {
    const MODALITY: Modality = Modality::VISUAL;
    const LENGTHS: &'static [VisualVector] = VisualVector::ALL;
    const SPEC: VisualVector = VisualVector::P18;

    fn common() -> Vec<Link<Self>> {
        Vec::new()
    }

    fn augmented() -> Vec<Link<Self>> {
        vec![
            // The crop is what brings the view to its size, so it stands first and in every ladder.
            Link::new("crop", crop::Crop::spec()),
            Link::new("jitter", Jitter::spec()),
            Link::new("blur", Blur::spec()),
            Link::new("horizontal_flip", flip::HorizontalFlip::spec()),
            Link::new("grayscale", grayscale::Grayscale::spec()),
            Link::new("rotation", rotation::Rotation::spec()),
            Link::new("vertical_flip", flip::VerticalFlip::spec()),
        ]
    }
}

impl VisualAugment {
    fn context(&self, source: ImageSize, output: ImageSize) -> Context<ImageSize> {
        let source = match self.profile {
            // PUBLISHED: crop-raw-file, the frame of reference is the file.
            Profile::Published => source,
            Profile::Corrected => output,
        };
        Context { profile: self.profile, source, output }
    }

    /// What the numbers of the vector are; none depends on a picture's size.
    pub fn slots(&self) -> Vec<Slot> {
        self.families().into_iter().flat_map(|(_, slots)| slots).collect()
    }

    /// The families of the vector, by their key in a recipe, with their slots.
    pub fn families(&self) -> Vec<(&'static str, Vec<Slot>)> {
        let any = ImageSize::square(224);
        self.families_in(&self.context(any, any))
    }

    /// Draws what will happen to a picture of size `source` on its way to a view of `output`.
    pub fn draw(&self, source: ImageSize, output: ImageSize, rng: &mut impl Rng) -> VisualDraw {
        self.draw_in(self.context(source, output), rng)
    }

    /// The draw under which the augmented view is the plain one.
    pub fn identity(&self, source: ImageSize, output: ImageSize) -> VisualDraw {
        self.identity_in(self.context(source, output))
    }

    /// The plain view, in training as in evaluation, whatever the profile.
    ///
    /// As torchvision does it with Pillow: the shorter side is resized to `output` with a cubic,
    /// then the center is cut out. For other aspects than a square's: the smallest cover.
    pub fn plain(&self, source: &Image, output: ImageSize) -> Image {
        placement::Placement::new(source.size(), output).plain(source)
    }

    /// Which part of a picture of size `source` the [`plain`](Self::plain) view shows: left, top, right,
    /// bottom as shares of its sides, each in [0, 1].
    pub fn plain_part(&self, source: ImageSize, output: ImageSize) -> [f64; 4] {
        let (height, width) = (output.height as f64, output.width as f64);
        let whole = resize::Area { top: 0.0, left: 0.0, height, width };
        let area = placement::Placement::new(source, output).in_source(whole);
        let (down, right) = (source.height as f64, source.width as f64);
        let corners = [
            area.left / right,
            area.top / down,
            (area.left + area.width) / right,
            (area.top + area.height) / down,
        ];
        corners.map(|share| share.clamp(0.0, 1.0))
    }

    /// Both views of a clip, from one draw.
    ///
    /// The published profile takes the augmented view from `augmented_source`, another frame; the
    /// corrected one takes both from `plain_source`.
    pub fn views(
        &self,
        plain_source: &Image,
        augmented_source: &Image,
        output: ImageSize,
        rng: &mut impl Rng,
    ) -> Views<Image> {
        let (augmented, vector) = self.augmented(plain_source, augmented_source, output, rng);
        Views { plain: self.plain(plain_source, output), augmented, vector }
    }

    /// The augmented one of both [`views`](Self::views), and its vector.
    pub fn augmented(
        &self,
        plain_source: &Image,
        augmented_source: &Image,
        output: ImageSize,
        rng: &mut impl Rng,
    ) -> (Image, ParameterVector) {
        let source = match self.profile {
            // PUBLISHED: two-frames, the views show two frames of the clip, drawn independently.
            Profile::Published => augmented_source,
            Profile::Corrected => plain_source,
        };
        let drawn = self.draw(source.size(), output, rng);
        (drawn.apply(source), drawn.encode())
    }

    /// The vectors of `count` draws, without a picture: those of the centroid.
    ///
    /// # Shapes
    ///
    /// - returns: `[count, len]`
    pub fn sample(&self, output: ImageSize, count: usize, rng: &mut impl Rng) -> Array2<f32> {
        // PUBLISHED: centroid-crop-square, crops of views are drawn in the file's size and those of
        // the centroid's vectors in the view's; corrected draws both in the view's.
        self.sample_in(self.context(output, output), count, rng)
    }
}
