//! Pictures: bytes to pixels, pixels to the planes that the image encoder takes.
//!
//! The steps are those of the reference processor: decode to RGB, resize straight to a square (the aspect ratio is not
//! kept) as Pillow's `BILINEAR` does it, scale to `0..=1`, subtract the mean and divide by the deviation.

mod decode;
mod pad;
mod resize;

pub use decode::{MAX_PIXELS, MAX_SIDE, decode};
pub use pad::{Square, pad_to_square};
pub use resize::resize_bilinear;

use crate::error::{Error, Result};

/// An 8-bit RGB picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Row-major samples: `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

impl RgbImage {
    /// A picture from samples that are already RGB, such as those of a canvas.
    ///
    /// pixels: `[height, width, 3]`. Fails with [`Error::Image`] when their number is another one, and with
    /// [`Error::LimitExceeded`] when a side is beyond [`MAX_SIDE`] or the whole beyond [`MAX_PIXELS`].
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self> {
        decode::check_dimensions(width, height)?;
        let expected = u64::from(width) * u64::from(height) * 3;
        if pixels.len() as u64 != expected {
            return Err(Error::Image {
                detail: format!(
                    "{width} x {height} pixels need {expected} samples and {} came",
                    pixels.len()
                ),
            });
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Row `y` as `[width, 3]`; empty where there is none.
    fn row(&self, y: usize) -> &[u8] {
        let bytes = self.width as usize * 3;
        let start = y.saturating_mul(bytes);
        self.pixels
            .get(start..start.saturating_add(bytes))
            .unwrap_or_default()
    }
}

/// Samples to normalised planes: `(sample / 255 - mean) / std` for each channel.
///
/// Returns `[3, height, width]`, row-major.
pub fn normalise(image: &RgbImage, mean: [f32; 3], std: [f32; 3]) -> Vec<f32> {
    let mut planes = Vec::with_capacity(image.pixels.len());
    for (channel, (mean, std)) in mean.into_iter().zip(std).enumerate() {
        let values: [f32; 256] = std::array::from_fn(|sample| (sample as f32 / 255.0 - mean) / std);
        let plane = image.pixels.iter().skip(channel).step_by(3);
        planes.extend(plane.map(|&sample| values[usize::from(sample)]));
    }
    planes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn normalise_makes_one_plane_for_each_channel() {
        let image = RgbImage::new(2, 1, vec![0, 255, 51, 255, 0, 102]).unwrap();
        let planes = normalise(&image, [0.5; 3], [0.5; 3]);
        assert_eq!(planes.len(), 6);
        for (found, expected) in planes.iter().zip([-1.0, 1.0, 1.0, -1.0, -0.6, -0.2]) {
            assert!((found - expected).abs() < 1e-6, "{found} != {expected}");
        }
    }

    #[test]
    fn samples_that_do_not_fill_the_picture_are_refused() {
        let error = RgbImage::new(2, 2, vec![0; 11]).unwrap_err();
        assert!(matches!(error, Error::Image { .. }), "{error}");
        assert!(RgbImage::new(0, 2, Vec::new()).is_err());
    }
}
