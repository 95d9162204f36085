//! From a photo to what the network sees; the training code does the same.

use std::borrow::Cow;

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage, RgbaImage};

use crate::config::InputConfig;
use crate::{Error, Photo};

/// A large image is first reduced to this many sides of the square.
const COARSE_SIDES: u32 = 4;

/// A square of RGB bytes, row by row: the network's input before normalisation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pixels {
    side: u32,
    levels: Vec<u8>,
}

impl Pixels {
    /// Prepares a photo:
    ///
    /// 1. A cut-out is laid on paper: `(c·a + paper·(255−a) + 127) / 255` in
    ///    integers. It is not cropped: how much of the picture the leaf fills
    ///    tells small leaves from large ones.
    /// 2. An image longer than eight sides of the square is first reduced to
    ///    four by box means: exact enough, and ten times as fast for a photo
    ///    of 12 megapixels. No training image is that large.
    /// 3. The image is scaled to fit the square, sides rounded half up, at
    ///    least 1, with an antialiasing triangle filter, vertical pass first,
    ///    and rounded once; the rest of the square is paper.
    ///
    /// # Errors
    /// [`Error::Transparent`] for a cut-out in which nothing is visible.
    pub fn prepare(photo: &Photo, input: &InputConfig) -> Result<Self, Error> {
        let rgb = match photo {
            Photo::Opaque(image) => Cow::Borrowed(image),
            Photo::CutOut(image) => Cow::Owned(on_paper(image, input)?),
        };
        let square = letterbox(&rgb, input);
        Ok(Self {
            side: input.side,
            levels: square.into_raw(),
        })
    }

    /// Takes pixels that were prepared elsewhere, `side · side · 3` bytes.
    pub fn from_levels(side: u32, levels: Vec<u8>) -> Option<Self> {
        let len = (side as usize).checked_mul(side as usize)?.checked_mul(3)?;
        (levels.len() == len).then_some(Self { side, levels })
    }

    /// Pixels along each side.
    pub fn side(&self) -> u32 {
        self.side
    }

    /// The bytes, `[side, side, 3]`.
    pub fn levels(&self) -> &[u8] {
        &self.levels
    }
}

fn on_paper(image: &RgbaImage, input: &InputConfig) -> Result<RgbImage, Error> {
    if image.pixels().all(|pixel| pixel.0[3] == 0) {
        return Err(Error::Transparent);
    }
    let paper = u32::from(input.paper);
    Ok(RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [r, g, b, a] = image.get_pixel(x, y).0.map(u32::from);
        Rgb([r, g, b].map(|c| ((c * a + paper * (255 - a) + 127) / 255) as u8))
    }))
}

fn letterbox(image: &RgbImage, input: &InputConfig) -> RgbImage {
    let side = input.side;
    let coarse = side * COARSE_SIDES;
    let small = if image.width().max(image.height()) > 2 * coarse {
        let (w, h) = fitted(image, coarse);
        let reduced = imageops::thumbnail(image, w, h);
        let (w, h) = fitted(image, side);
        imageops::resize(&reduced, w, h, FilterType::Triangle)
    } else {
        let (w, h) = fitted(image, side);
        imageops::resize(image, w, h, FilterType::Triangle)
    };
    let mut square = RgbImage::from_pixel(side, side, Rgb([input.paper; 3]));
    let (left, top) = ((side - small.width()) / 2, (side - small.height()) / 2);
    imageops::replace(&mut square, &small, i64::from(left), i64::from(top));
    square
}

/// The size at which the image just fits into a square, rounded half up.
fn fitted(image: &RgbImage, side: u32) -> (u32, u32) {
    let longest = u64::from(image.width().max(image.height()));
    let scaled = |length: u32| {
        let rounded = (2 * u64::from(length) * u64::from(side) + longest) / (2 * longest);
        u32::try_from(rounded).unwrap_or(side).clamp(1, side)
    };
    (scaled(image.width()), scaled(image.height()))
}

#[cfg(test)]
mod tests {
    use image::Rgba;
    use proptest::prelude::*;

    use super::*;

    fn input(side: u32) -> InputConfig {
        InputConfig {
            side,
            paper: 255,
            mean: [0.5; 3],
            std: [0.25; 3],
        }
    }

    #[test]
    fn a_wide_photo_keeps_its_proportions_between_strips_of_paper() {
        let photo = Photo::Opaque(RgbImage::from_pixel(200, 50, Rgb([10, 20, 30])));
        let pixels = Pixels::prepare(&photo, &input(64)).unwrap();
        for (i, pixel) in pixels.levels().chunks(3).enumerate() {
            let leaf = (24..40).contains(&(i / 64));
            assert_eq!(pixel, if leaf { [10, 20, 30] } else { [255; 3] });
        }
    }

    #[test]
    fn halving_averages_pairs_with_the_weights_of_the_triangle() {
        // Output pixel 1 of a halved row has its centre between sources 2 and
        // 3; the triangle of support 2 weighs sources 1 to 4 as 1:3:3:1.
        let row = [0u8, 80, 160, 40, 240, 8, 16, 32];
        let image = RgbImage::from_fn(8, 8, |x, _| Rgb([row[x as usize]; 3]));
        let pixels = Pixels::prepare(&Photo::Opaque(image), &input(4)).unwrap();
        let expected = (80.0 + 3.0 * 160.0 + 3.0 * 40.0 + 240.0) / 8.0_f64;
        assert_eq!(pixels.levels()[3], expected.round() as u8);
    }

    #[test]
    fn a_cut_out_shows_paper_as_far_as_it_is_transparent() {
        let mut image = RgbaImage::from_pixel(64, 64, Rgba([9, 9, 9, 0]));
        image.put_pixel(5, 6, Rgba([0, 100, 0, 255]));
        image.put_pixel(7, 6, Rgba([0, 100, 0, 51]));
        let pixels = Pixels::prepare(&Photo::CutOut(image), &input(64)).unwrap();
        let at = |x: usize, y: usize| &pixels.levels()[(y * 64 + x) * 3..][..3];
        assert_eq!(at(0, 0), [255; 3]);
        assert_eq!(at(5, 6), [0, 100, 0]);
        assert_eq!(at(7, 6), [204, 224, 204]);
    }

    #[test]
    fn nothing_visible_is_an_error() {
        let photo = Photo::CutOut(RgbaImage::from_pixel(30, 30, Rgba([0, 99, 0, 0])));
        assert!(matches!(
            Pixels::prepare(&photo, &input(64)),
            Err(Error::Transparent)
        ));
    }

    #[test]
    fn a_large_photo_looks_as_if_it_had_been_scaled_in_one_step() {
        let image = RgbImage::from_fn(1_200, 900, |x, y| {
            let wave = (f64::from(x) / 40.0).sin() * (f64::from(y) / 55.0).cos();
            Rgb([
                (128.0 + 100.0 * wave) as u8,
                (x / 5) as u8,
                if x > y { 230 } else { 20 },
            ])
        });
        let (w, h) = fitted(&image, 64);
        assert_eq!((w, h), (64, 48));
        let once = imageops::resize(&image, w, h, FilterType::Triangle);
        let pixels = Pixels::prepare(&Photo::Opaque(image), &input(64)).unwrap();
        let inside = &pixels.levels()[8 * 64 * 3..][..once.as_raw().len()];
        let apart = inside
            .iter()
            .zip(once.iter())
            .map(|(a, b)| f64::from(a.abs_diff(*b)));
        let mean = apart.sum::<f64>() / inside.len() as f64;
        assert!(mean < 1.5, "{mean}");
    }

    proptest! {
        #[test]
        fn any_shape_fills_the_square(
            width in 1u32..300,
            height in 1u32..300,
            side in 1u32..130,
            alpha: u8,
        ) {
            let opaque = Photo::Opaque(RgbImage::from_pixel(width, height, Rgb([7; 3])));
            let pixels = Pixels::prepare(&opaque, &input(side)).unwrap();
            prop_assert_eq!(pixels.levels().len(), (side * side * 3) as usize);
            let cut_out = Photo::CutOut(RgbaImage::from_pixel(width, height, Rgba([7, 7, 7, alpha])));
            prop_assert_eq!(Pixels::prepare(&cut_out, &input(side)).is_ok(), alpha > 0);
        }
    }
}
