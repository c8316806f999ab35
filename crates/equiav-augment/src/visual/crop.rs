//! Random resized crop of a picture: what brings the augmented view to its size.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::placement::Placement;
use super::resize::{Area, Filter, resized_area, resized_crop};
use crate::audiovisual::crop::{Region, Shape, draw_region};
use crate::setting::{Chance, Interval};
use crate::{Context, Draw, Family, Image, ImageSize, Profile, Setting, Slot};

/// Cuts out a part and resizes it to the view's size.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct Crop {
    /// Chance that a draw crops; otherwise the plain view's part is kept.
    pub chance: Chance,
    /// Limits of the part's area over the whole's.
    pub area: Interval,
    /// Limits of the part's width over its height.
    pub aspect: Interval,
}

impl Setting for Crop {
    fn spec() -> Self {
        Self {
            chance: Chance::ALWAYS,
            area: Interval::of(0.08, 1.0),
            aspect: Interval::of(0.75, 4.0 / 3.0),
        }
    }
}

/// A drawn [`Crop`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum CropDraw {
    /// Keeps what the plain view shows.
    #[default]
    Off,
    /// Keeps a part, in pixels of the frame of reference.
    To(Region),
}

impl Family<Image> for Crop {
    type Draw = CropDraw;

    const SLOTS: usize = 5;

    fn slots(&self, context: &Context<ImageSize>) -> Vec<Slot> {
        let [down, right] = match context.profile {
            Profile::Published => ["rows over the file's", "columns over the file's"],
            Profile::Corrected => ["rows over the plain view's", "columns over the plain view's"],
        };
        vec![
            Slot::flag("crop on", "whether a part is resized to the whole"),
            Slot::range("crop top", 0.0, 1.0, down),
            Slot::range("crop left", 0.0, 1.0, right),
            Slot::range("crop height", 0.0, 1.0, down),
            Slot::range("crop width", 0.0, 1.0, right),
        ]
    }

    fn draw(&self, context: &Context<ImageSize>, rng: &mut impl Rng) -> CropDraw {
        if !self.chance.strikes(rng) {
            return CropDraw::Off;
        }
        let ImageSize { height, width } = context.source;
        let shape = Shape { area: self.area, aspect: self.aspect };
        let region = draw_region(height, width, shape, rng);
        // PUBLISHED: draws-without-effect, a part that is the whole is recorded as a crop.
        if context.profile == Profile::Corrected && region.is_whole(height, width) {
            return CropDraw::Off;
        }
        CropDraw::To(region)
    }
}

impl Draw<Image> for CropDraw {
    fn apply(&self, context: &Context<ImageSize>, view: Image) -> Image {
        self.apply_to(context, &view)
    }

    fn apply_to(&self, context: &Context<ImageSize>, view: &Image) -> Image {
        let output = context.output;
        let placement = Placement::new(view.size(), output);
        match (self, context.profile) {
            (Self::Off, _) => placement.plain(view),
            // PUBLISHED: crop-raw-file, the part is one of the file, not of the plain view.
            // PUBLISHED: crop-bilinear, the plain view is resized with a cubic, the augmented one
            // linearly; corrected uses the cubic for both, so that they differ by the crop alone.
            (Self::To(region), Profile::Published) => {
                resized_crop(view, *region, output, Filter::Bilinear)
            }
            (Self::To(region), Profile::Corrected) => {
                let area = placement.in_source(Area {
                    top: region.top as f64,
                    left: region.left as f64,
                    height: region.height as f64,
                    width: region.width as f64,
                });
                resized_area(view, area, output, Filter::Bicubic)
            }
        }
    }

    fn encode(&self, context: &Context<ImageSize>, vector: &mut Vec<f32>) {
        let ImageSize { height, width } = context.source;
        let (on, region) = match self {
            Self::Off => (0.0, Region { top: 0, left: 0, height, width }),
            Self::To(region) => (1.0, *region),
        };
        let down = |rows: usize| rows as f32 / height as f32;
        let right = |columns: usize| columns as f32 / width as f32;
        vector.extend([
            on,
            down(region.top),
            right(region.left),
            down(region.height),
            right(region.width),
        ]);
    }
}
