//! Padding to a square with black, the picture in the middle.
//!
//! The encoder takes squares, and the processor squashes whatever it gets. MedGemma's notebooks on chest X-rays pad
//! first, so that the model sees true proportions and its boxes can be mapped back.

use super::{RgbImage, decode};
use crate::error::Result;

/// The square around a picture, and where in it the picture lies. All in pixels.
///
/// Of an odd number of rows or columns to add, the extra one is below or on the right (as `np.pad` is called in
/// google-health/medgemma, cxr_anatomy_localization_with_hugging_face.ipynb).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Square {
    /// Side of the square: the picture's longer one.
    pub side: u32,
    /// Columns to the left of the picture.
    pub left: u32,
    /// Rows above the picture.
    pub top: u32,
}

impl Square {
    /// The square around a picture of `width` x `height` pixels.
    pub fn around(width: u32, height: u32) -> Self {
        let side = width.max(height);
        Self {
            side,
            left: (side - width) / 2,
            top: (side - height) / 2,
        }
    }
}

/// Puts a picture into the middle of a black square, at the place that [`Square::around`] names.
///
/// # Errors
/// [`Error::LimitExceeded`](crate::error::Error::LimitExceeded) if the square has more pixels than a picture may have:
/// a very long and narrow one.
pub fn pad_to_square(image: &RgbImage) -> Result<RgbImage> {
    let Square { side, left, top } = Square::around(image.width, image.height);
    decode::check_dimensions(side, side)?;
    let row_bytes = side as usize * 3;
    let mut pixels = vec![0; row_bytes * side as usize];
    let rows = pixels.chunks_exact_mut(row_bytes).skip(top as usize);
    for (y, row) in (0..image.height as usize).zip(rows) {
        let into = row.iter_mut().skip(left as usize * 3);
        into.zip(image.row(y))
            .for_each(|(out, &sample)| *out = sample);
    }
    Ok(RgbImage {
        width: side,
        height: side,
        pixels,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Which of the pixels are white, row by row.
    fn white(image: &RgbImage) -> String {
        let marks = image
            .pixels
            .chunks_exact(3)
            .map(|pixel| if pixel == [255; 3] { '#' } else { '.' });
        let marks: Vec<char> = marks.collect();
        let rows = marks.chunks(image.width as usize);
        rows.map(|row| row.iter().collect::<String>())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn blank(width: u32, height: u32) -> RgbImage {
        RgbImage::new(width, height, vec![255; (width * height * 3) as usize]).unwrap()
    }

    #[test]
    fn the_odd_row_is_below_and_the_odd_column_on_the_right() {
        let wide = pad_to_square(&blank(4, 1)).unwrap();
        assert_eq!(white(&wide), ".... #### .... ....");
        let tall = pad_to_square(&blank(2, 3)).unwrap();
        assert_eq!(white(&tall), "##. ##. ##.");
    }

    #[test]
    fn a_square_stays_as_it_is() {
        assert_eq!(pad_to_square(&blank(3, 3)).unwrap(), blank(3, 3));
    }

    #[test]
    fn a_strip_whose_square_would_take_gigabytes_is_refused() {
        let error = pad_to_square(&blank(decode::MAX_SIDE, 1)).unwrap_err();
        assert!(
            matches!(error, crate::error::Error::LimitExceeded { .. }),
            "{error}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_pixel_is_found_again_at_its_offset(width in 1_u32..30, height in 1_u32..30, seed: u8) {
            let sample = |index: u32| (index as u8).wrapping_mul(31).wrapping_add(seed) | 1;
            let pixels: Vec<u8> = (0..width * height * 3).map(sample).collect();
            let image = RgbImage::new(width, height, pixels).unwrap();
            let square = Square::around(width, height);
            let padded = pad_to_square(&image).unwrap();
            prop_assert_eq!((padded.width, padded.height), (square.side, square.side));
            let lit = padded.pixels.iter().filter(|&&sample| sample != 0).count();
            prop_assert_eq!(lit, image.pixels.len());
            for y in 0..height as usize {
                let start = square.left as usize * 3;
                let found = &padded.row(y + square.top as usize)[start..start + width as usize * 3];
                prop_assert_eq!(found, image.row(y));
            }
        }
    }
}
