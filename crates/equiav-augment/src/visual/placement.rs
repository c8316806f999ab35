//! Where the plain view lies in a picture: the frame of reference of the visual views.

use super::resize::{Area, Filter, resized_window};
use crate::{Image, ImageSize};

/// Which part of a picture the plain view shows: its center, as large as the view's aspect allows.
///
/// As torchvision's `Resize` of the shorter side followed by `CenterCrop`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placement {
    source: ImageSize,
    /// The picture's size once it just covers the view.
    scaled: ImageSize,
    output: ImageSize,
    top: usize,
    left: usize,
}

impl Placement {
    /// The placement of a view of `output` in a picture of `source`.
    pub(super) fn new(source: ImageSize, output: ImageSize) -> Self {
        let scaled = covering(source, output);
        let margin = |scaled: usize, output: usize| {
            ((scaled - output) as f64 / 2.0).round_ties_even() as usize
        };
        let top = margin(scaled.height, output.height);
        let left = margin(scaled.width, output.width);
        Self { source, scaled, output, top, left }
    }

    /// The plain view.
    pub(super) fn plain(&self, source: &Image) -> Image {
        let rows = self.top..self.top + self.output.height;
        let columns = self.left..self.left + self.output.width;
        resized_window(source, self.scaled, [rows, columns], Filter::Bicubic)
    }

    /// Where a part of the plain view, in its pixels, lies in the picture.
    pub(super) fn in_source(&self, part: Area) -> Area {
        let down = self.source.height as f64 / self.scaled.height as f64;
        let right = self.source.width as f64 / self.scaled.width as f64;
        Area {
            top: (self.top as f64 + part.top) * down,
            left: (self.left as f64 + part.left) * right,
            height: part.height * down,
            width: part.width * right,
        }
    }
}

/// The smallest size with the aspect of `source` that covers `output`.
fn covering(source: ImageSize, output: ImageSize) -> ImageSize {
    if source.width * output.height >= source.height * output.width {
        let width = output.height * source.width / source.height;
        ImageSize { height: output.height, width: width.max(output.width) }
    } else {
        let height = output.width * source.height / source.width;
        ImageSize { height: height.max(output.height), width: output.width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_side_fits_and_the_center_is_kept() {
        let size = |height, width| ImageSize { height, width };
        let placement = |source| Placement::new(source, ImageSize::square(224));
        let wide = placement(size(213, 320));
        assert_eq!((wide.scaled, wide.top, wide.left), (size(224, 336), 0, 56));
        let tall = placement(size(300, 100));
        assert_eq!((tall.scaled, tall.top, tall.left), (size(672, 224), 224, 0));
        assert_eq!(placement(size(7, 7)).scaled, size(224, 224));
    }

    #[test]
    fn the_whole_view_lies_inside_the_picture() {
        for (height, width) in [(213, 320), (320, 213), (1, 5), (224, 224), (500, 333)] {
            let source = ImageSize { height, width };
            for output in [ImageSize::square(224), ImageSize { height: 50, width: 80 }] {
                let (h, w) = (output.height as f64, output.width as f64);
                let whole = Area { top: 0.0, left: 0.0, height: h, width: w };
                let area = Placement::new(source, output).in_source(whole);
                assert!(area.top >= 0.0 && area.left >= 0.0, "{area:?}");
                assert!(area.top + area.height < height as f64 + 1e-6, "{area:?}");
                assert!(area.left + area.width < width as f64 + 1e-6, "{area:?}");
            }
        }
    }
}
