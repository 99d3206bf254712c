//! A picture: JPEG, PNG or WebP, turned upright by its EXIF data and resized.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use outpost_engine::image::{MAX_PIXELS, MAX_SIDE, decode, resize_bilinear};
use outpost_fuzz::{check_error, within};

/// Most pixels that are decoded here: more only take longer.
const FEW_PIXELS: u64 = 1 << 18;

/// Memory for a pixel, for a byte of the file, and for none: a lossy WebP's partition may claim 16 MiB.
const PIXEL_FACTOR: u64 = 32;
const FACTOR: u64 = 64;
const BASE_BYTES: u64 = 24 << 20;

fuzz_target!(|data: &[u8]| {
    let (width, height) = declared_size(data);
    let pixels = u64::from(width) * u64::from(height);
    let too_large = pixels > MAX_PIXELS || width.max(height) > MAX_SIDE;
    if pixels > FEW_PIXELS && !too_large {
        return;
    }
    let pixels = if too_large { 0 } else { pixels };
    let limit = PIXEL_FACTOR * pixels + FACTOR * data.len() as u64 + BASE_BYTES;
    let image = match within(limit, || decode(data)) {
        Ok(image) => image,
        Err(error) => return check_error(&error),
    };
    assert!(!too_large, "{width} x {height} pixels were decoded");
    let sides = [(image.width, image.height), (image.height, image.width)];
    assert!(sides.contains(&(width, height)), "{sides:?}");
    assert_eq!(image.pixels.len() as u64, pixels * 3);
    let small = resize_bilinear(&image, 9, 5);
    assert_eq!(small.pixels.len(), 9 * 5 * 3);
});

/// What the header says, by the same crate that will decode the picture.
fn declared_size(data: &[u8]) -> (u32, u32) {
    let reader = image::ImageReader::new(Cursor::new(data)).with_guessed_format();
    let size = reader.ok().and_then(|reader| reader.into_dimensions().ok());
    size.unwrap_or_default()
}
