//! Pillow's `Image.resize(size, BILINEAR)`, bit for bit.
//!
//! Source: Pillow 13, `src/libImaging/Resample.c` (8 bits per channel). A triangle filter whose support grows with the
//! factor of reduction (antialiasing); weights in fixed point; one pass for each axis whose size changes, each rounding
//! to 8 bits. The order of the passes is Pillow 13's; before it, the horizontal pass always came first, and some
//! samples of pictures that lose far more rows than columns were one level off from today's.

use super::RgbImage;

/// Bits behind the point of a weight: 32, less 8 for the sample and 2 for the sum.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Resizes to `width` x `height` pixels; the aspect ratio is not kept.
///
/// Beside its result it holds no more rows than the vertical filter sees at once.
pub fn resize_bilinear(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    let mut pixels = vec![0; width as usize * height as usize * 3];
    if !pixels.is_empty() {
        let columns = (width != image.width).then(|| Filter::new(image.width, width));
        let rows = (height != image.height).then(|| Filter::new(image.height, height));
        let lost_rows = i64::from(image.height) - i64::from(height);
        let lost_columns = i64::from(image.width) - i64::from(width);
        let into = pixels.chunks_exact_mut(width as usize * 3);
        match rows {
            None => (0..)
                .zip(into)
                .for_each(|(y, out)| across(columns.as_ref(), image.row(y), out)),
            Some(rows) if lost_rows > 0 && lost_rows > 2 * lost_columns => {
                down_then_across(image, &rows, columns.as_ref(), into);
            }
            Some(rows) => across_then_down(image, columns.as_ref(), &rows, into),
        }
    }
    RgbImage {
        width,
        height,
        pixels,
    }
}

/// out: one row `[width, 3]` after the other.
fn down_then_across<'a>(
    image: &RgbImage,
    rows: &Filter,
    columns: Option<&Filter>,
    out: impl Iterator<Item = &'a mut [u8]>,
) {
    let mut row = vec![0; image.width as usize * 3];
    for (window, out) in rows.windows.iter().zip(out) {
        let seen = (window.first..).map(|y| image.row(y));
        weigh_rows(seen.zip(rows.weights(window)), &mut row);
        across(columns, &row, out);
    }
}

/// out: one row `[width, 3]` after the other.
fn across_then_down<'a>(
    image: &RgbImage,
    columns: Option<&Filter>,
    rows: &Filter,
    out: impl Iterator<Item = &'a mut [u8]>,
) {
    // Row y of the horizontally resized picture lives in slot y % slots; the windows only ever move down.
    let slots = rows.widest().max(1);
    let mut held = vec![Vec::new(); slots];
    let mut next = 0;
    for (window, out) in rows.windows.iter().zip(out) {
        for y in next.max(window.first)..window.first + window.count {
            if let Some(slot) = held.get_mut(y % slots) {
                slot.resize(out.len(), 0);
                across(columns, image.row(y), slot);
            }
            next = y + 1;
        }
        let seen = (window.first..).filter_map(|y| held.get(y % slots));
        weigh_rows(seen.map(Vec::as_slice).zip(rows.weights(window)), out);
    }
}

/// row: `[input, 3]`, out: `[output, 3]`; without a filter the sizes are the same.
fn across(filter: Option<&Filter>, row: &[u8], out: &mut [u8]) {
    let Some(filter) = filter else {
        out.iter_mut()
            .zip(row)
            .for_each(|(out, &sample)| *out = sample);
        return;
    };
    for (window, out) in filter.windows.iter().zip(out.chunks_exact_mut(3)) {
        let mut sums = [HALF; 3];
        let seen = row.chunks_exact(3).skip(window.first);
        for (pixel, &weight) in seen.zip(filter.weights(window)) {
            for (sum, &sample) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(sample) * weight;
            }
        }
        out.iter_mut()
            .zip(sums)
            .for_each(|(out, sum)| *out = to_sample(sum));
    }
}

/// The weighted sum of rows: each `[width, 3]`, like out.
fn weigh_rows<'a>(rows: impl Iterator<Item = (&'a [u8], &'a i32)>, out: &mut [u8]) {
    let mut sums = vec![HALF; out.len()];
    for (row, &weight) in rows {
        for (sum, &sample) in sums.iter_mut().zip(row) {
            *sum += i32::from(sample) * weight;
        }
    }
    out.iter_mut()
        .zip(sums)
        .for_each(|(out, sum)| *out = to_sample(sum));
}

/// One half in fixed point: where a sum begins, so that the shift at its end rounds.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

fn to_sample(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Which input samples an output sample sees.
struct Window {
    first: usize,
    count: usize,
    /// Where its weights begin.
    weights: usize,
}

/// The triangle filter along one axis.
struct Filter {
    windows: Vec<Window>,
    weights: Vec<i32>,
}

impl Filter {
    fn new(input: u32, output: u32) -> Self {
        let scale = f64::from(input) / f64::from(output);
        let support = scale.max(1.0);
        // Pillow multiplies by the inverse; a division would round differently.
        let inverse = 1.0 / support;
        let mut windows = Vec::with_capacity(output as usize);
        let mut weights = Vec::new();
        let mut exact = Vec::new();
        for index in 0..output {
            let centre = (f64::from(index) + 0.5) * scale;
            // Casts truncate towards zero, and a negative start becomes 0: as in C.
            let first = (centre - support + 0.5) as u32;
            let end = ((centre + support + 0.5) as u32).min(input);
            exact.clear();
            exact.extend((first..end).map(|x| {
                let distance = (f64::from(x) - centre + 0.5) * inverse;
                (1.0 - distance.abs()).max(0.0)
            }));
            let total: f64 = exact.iter().sum();
            windows.push(Window {
                first: first as usize,
                count: exact.len(),
                weights: weights.len(),
            });
            weights.extend(exact.iter().map(|&weight| {
                let weight = if total == 0.0 { weight } else { weight / total };
                // Never negative here, so adding a half and truncating rounds half away from zero.
                (0.5 + weight * f64::from(1_u32 << PRECISION_BITS)) as i32
            }));
        }
        Self { windows, weights }
    }

    fn weights(&self, window: &Window) -> &[i32] {
        self.weights
            .get(window.weights..window.weights + window.count)
            .unwrap_or_default()
    }

    fn widest(&self) -> usize {
        let counts = self.windows.iter().map(|window| window.count);
        counts.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
        let mut state = seed;
        let sample = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let pixels = (0..width * height * 3).map(sample).collect();
        RgbImage::new(width, height, pixels).unwrap()
    }

    #[test]
    fn the_weights_of_a_window_add_up_to_one() {
        for (input, output) in [(1, 7), (7, 1), (3000, 896), (896, 895), (10, 896)] {
            let filter = Filter::new(input, output);
            assert_eq!(filter.windows.len(), output as usize);
            for window in &filter.windows {
                let sum: i64 = filter.weights(window).iter().copied().map(i64::from).sum();
                let error = (sum - (1 << PRECISION_BITS)).unsigned_abs();
                assert!(error <= window.count as u64, "{input} -> {output}: {sum}");
                assert!(window.first + window.count <= input as usize);
            }
        }
    }

    #[test]
    fn a_picture_without_pixels_becomes_black_and_an_empty_target_empty() {
        let none = RgbImage {
            width: 0,
            height: 0,
            pixels: Vec::new(),
        };
        assert_eq!(resize_bilinear(&none, 2, 2).pixels, [0; 12]);
        assert!(resize_bilinear(&picture(3, 3, 1), 0, 4).pixels.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_same_size_changes_nothing(width in 1_u32..20, height in 1_u32..20, seed: u32) {
            let image = picture(width, height, seed);
            prop_assert_eq!(resize_bilinear(&image, width, height), image);
        }

        #[test]
        fn one_colour_stays_that_colour(
            colour: [u8; 3], width in 1_u32..50, height in 1_u32..50, to in (1_u32..50, 1_u32..50),
        ) {
            let image = RgbImage::new(width, height, colour.repeat((width * height) as usize)).unwrap();
            let resized = resize_bilinear(&image, to.0, to.1);
            prop_assert!(resized.pixels.chunks_exact(3).all(|pixel| pixel == colour));
        }

        #[test]
        fn both_passes_are_one_after_the_other(
            width in 1_u32..40, height in 1_u32..40, to in (1_u32..40, 1_u32..40), seed: u32,
        ) {
            let image = picture(width, height, seed);
            let across = resize_bilinear(&resize_bilinear(&image, to.0, height), to.0, to.1);
            let down = resize_bilinear(&resize_bilinear(&image, width, to.1), to.0, to.1);
            let at_once = resize_bilinear(&image, to.0, to.1);
            prop_assert!(at_once == across || at_once == down);
        }
    }
}
