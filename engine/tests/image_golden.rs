//! Pictures against Pillow: `tests/golden/decode` and `tests/golden/resize`, and a table of files that are none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use outpost_engine::error::Error;
use outpost_engine::image::{MAX_SIDE, RgbImage, decode, resize_bilinear};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn golden(path: &str) -> PathBuf {
    Path::new("../tests/golden").join(path)
}

fn cases(folder: &str) -> Vec<Value> {
    let text = fs::read_to_string(golden(folder).join("cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(!cases.is_empty());
    cases
}

fn number(case: &Value, key: &str) -> u32 {
    case[key].as_u64().unwrap().try_into().unwrap()
}

fn hex(case: &Value, key: &str) -> Option<Vec<u8>> {
    let digits = case[key].as_str()?.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    Some(digits.map(byte).collect())
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn furthest(found: &[u8], expected: &[u8]) -> u8 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// Pixel (x, y) as `case.toml` of the resize cases gives it.
fn pattern(width: u32, height: u32) -> RgbImage {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let channels = [x * 7 + y * 13, x * x + 3 * y, x ^ y];
            pixels.extend(channels.map(|value| (value & 255) as u8));
        }
    }
    RgbImage::new(width, height, pixels).unwrap()
}

#[test]
fn resizing_gives_the_bytes_that_pillow_gives() {
    for case in cases("resize") {
        let image = pattern(number(&case, "in_w"), number(&case, "in_h"));
        let (width, height) = (number(&case, "out_w"), number(&case, "out_h"));
        let resized = resize_bilinear(&image, width, height);
        assert_eq!((resized.width, resized.height), (width, height));
        let name = &case["name"];
        if let Some(expected) = hex(&case, "rgb_hex") {
            assert_eq!(furthest(&resized.pixels, &expected), 0, "{name}");
        }
        assert_eq!(sha256(&resized.pixels), case["sha256"], "{name}");
    }
}

#[test]
fn encoded_pictures_become_upright_rgb() {
    for case in cases("decode") {
        let name = case["file"].as_str().unwrap();
        let image = decode(&fs::read(golden("decode").join(name)).unwrap()).unwrap();
        let size = (number(&case, "width"), number(&case, "height"));
        assert_eq!((image.width, image.height), size, "{name}");
        // 16-bit grey: Pillow clips at 255, which leaves nothing to see; the scaled picture is the right one.
        let (expected, levels) = match hex(&case, "scaled_rgb_hex") {
            Some(scaled) => (scaled, 1),
            None => (hex(&case, "rgb_hex").unwrap(), number(&case, "levels")),
        };
        let off = furthest(&image.pixels, &expected);
        assert!(u32::from(off) <= levels, "{name}: {off} levels off");
    }
}

#[test]
fn cmyk_jpegs_become_the_rgb_that_pillow_makes_of_them() {
    // 8 x 8 pixels of CMYK (10, 200, 100, 30), saved by Pillow.
    let image = decode(CMYK_JPEG).unwrap();
    assert_eq!((image.width, image.height), (8, 8));
    assert_eq!(image.pixels, [216, 49, 137].repeat(64));
}

#[test]
fn the_first_frame_of_an_animated_webp_counts() {
    let image = decode(ANIMATED_WEBP).unwrap();
    assert_eq!((image.width, image.height), (4, 3));
    assert_eq!(image.pixels, [250, 10, 20].repeat(12));
}

/// A PNG file that ends behind its header.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// The bytes of a JPEG with other dimensions in its frame header.
fn jpeg_of_size(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = fs::read(golden("decode/grey.jpg")).unwrap();
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]);
    let at = frame.unwrap() + 5;
    bytes[at..at + 2].copy_from_slice(&height.to_be_bytes());
    bytes[at + 2..at + 4].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// A sound WebP with EXIF data that claim to be `claimed` bytes long and are 4.
fn webp_with_exif(claimed: u32) -> Vec<u8> {
    let picture = fs::read(golden("decode/lossless.webp")).unwrap();
    let mut bytes = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x08\0\0\0\x0f\0\0\x07\0\0".to_vec();
    bytes.extend(&picture[12..]);
    bytes.extend(b"EXIF");
    bytes.extend(claimed.to_le_bytes());
    bytes.extend(b"II*\0");
    let length = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

#[test]
fn a_chunk_cannot_claim_more_than_its_file() {
    // The decoder would take that much memory before it looks, and there is less of it in a browser.
    for claimed in [5, 5 << 20, 0xffff_fff0, u32::MAX] {
        let error = decode(&webp_with_exif(claimed)).unwrap_err().to_string();
        assert!(error.contains("ends early"), "{claimed}: {error}");
    }
    assert_eq!(decode(&webp_with_exif(4)).unwrap().width, 16);
}

#[test]
fn what_is_no_usable_picture_is_refused_with_a_reason() {
    let dicom = [vec![0; 128], b"DICM".to_vec()].concat();
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty file", Vec::new(), "it is empty"),
        ("one byte", vec![0xFF], "no picture file"),
        ("text", b"Dear colleague,\n".to_vec(), "no picture file"),
        ("GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), "GIF"),
        ("BMP", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0".to_vec(), "BMP"),
        ("PDF", b"%PDF-1.7\n".to_vec(), "PDF"),
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0".to_vec(), "HEIC"),
        ("DICOM", dicom, "DICOM"),
        ("JPEG signature alone", vec![0xFF, 0xD8, 0xFF], "ends early"),
        ("PNG signature alone", b"\x89PNG\r\n\x1a\n".to_vec(), "header"),
        ("WebP signature alone", b"RIFF\x04\0\0\0WEBP".to_vec(), "picture"),
        ("PNG without pixels", png_header(8, 8), "picture"),
        ("PNG of no size", png_header(0, 8), "0 x 8 pixels"),
        ("PNG bomb", png_header(100_000, 100_000), "width is 100000"),
        ("PNG strip", png_header(8, u32::MAX), "height is 4294967295"),
        ("PNG field", png_header(MAX_SIDE, MAX_SIDE), "number of pixels is 1073741824"),
        ("JPEG bomb", jpeg_of_size(65_000, 65_000), "width is 65000"),
        ("JPEG field", jpeg_of_size(20_000, 20_000), "number of pixels is 400000000"),
    ];
    for (name, bytes, reason) in table {
        let error = decode(&bytes).unwrap_err();
        let message = error.to_string();
        let fits = matches!(error, Error::Image { .. } | Error::LimitExceeded { .. });
        assert!(fits && message.contains(reason), "{name}: {message}");
        let remedy = message.contains("; use ") && !message.contains('\n');
        assert!(remedy, "{name}: {message}");
    }
}

/// Every picture of `tests/golden/decode`, and the two below.
fn pictures() -> Vec<(String, Vec<u8>)> {
    let named = |case: &Value| {
        let name = case["file"].as_str().unwrap().to_owned();
        let bytes = fs::read(golden("decode").join(&name)).unwrap();
        (name, bytes)
    };
    let mut pictures: Vec<_> = cases("decode").iter().map(named).collect();
    pictures.push(("cmyk.jpg".to_owned(), CMYK_JPEG.to_vec()));
    pictures.push(("animated.webp".to_owned(), ANIMATED_WEBP.to_vec()));
    pictures
}

#[test]
fn a_picture_that_ends_early_is_refused() {
    for (name, bytes) in pictures() {
        let whole = decode(&bytes).unwrap();
        for length in 0..bytes.len() {
            match decode(&bytes[..length]) {
                Err(Error::Image { .. }) => {}
                Err(other) => panic!("{name} cut to {length} bytes: {other}"),
                // The last bytes of PNG (a checksum) and WebP (padding) hold nothing of the picture.
                Ok(picture) => {
                    assert!(!name.ends_with("jpg"), "{name} cut to {length} bytes");
                    assert!(picture == whole, "{name} cut to {length} bytes");
                }
            }
        }
    }
}

#[test]
fn no_flipped_bit_makes_the_decoder_panic() {
    for (name, bytes) in pictures() {
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            match decode(&damaged) {
                Ok(picture) => {
                    let samples = u64::from(picture.width) * u64::from(picture.height) * 3;
                    assert_eq!(picture.pixels.len() as u64, samples, "{name}, byte {at}");
                }
                Err(Error::Image { .. } | Error::LimitExceeded { .. }) => {}
                Err(other) => panic!("{name}, byte {at}: {other}"),
            }
        }
    }
}

#[rustfmt::skip]
const CMYK_JPEG: &[u8] = &[
    255, 216, 255, 238, 0, 14, 65, 100, 111, 98, 101, 0, 100, 0, 0, 0, 0, 0, 255, 219,
    0, 67, 0, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 2, 2, 2, 2, 2, 4, 3,
    2, 2, 2, 2, 5, 4, 4, 3, 4, 6, 5, 6, 6, 6, 5, 6, 6, 6, 7, 9,
    8, 6, 7, 9, 7, 6, 6, 8, 11, 8, 9, 10, 10, 10, 10, 10, 6, 8, 11, 12,
    11, 10, 12, 9, 10, 10, 10, 255, 192, 0, 20, 8, 0, 8, 0, 8, 4, 67, 17, 0,
    77, 17, 0, 89, 17, 0, 75, 17, 0, 255, 196, 0, 31, 0, 0, 1, 5, 1, 1, 1,
    1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    10, 11, 255, 196, 0, 181, 16, 0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0,
    0, 1, 125, 1, 2, 3, 0, 4, 17, 5, 18, 33, 49, 65, 6, 19, 81, 97, 7, 34,
    113, 20, 50, 129, 145, 161, 8, 35, 66, 177, 193, 21, 82, 209, 240, 36, 51, 98, 114, 130,
    9, 10, 22, 23, 24, 25, 26, 37, 38, 39, 40, 41, 42, 52, 53, 54, 55, 56, 57, 58,
    67, 68, 69, 70, 71, 72, 73, 74, 83, 84, 85, 86, 87, 88, 89, 90, 99, 100, 101, 102,
    103, 104, 105, 106, 115, 116, 117, 118, 119, 120, 121, 122, 131, 132, 133, 134, 135, 136, 137, 138,
    146, 147, 148, 149, 150, 151, 152, 153, 154, 162, 163, 164, 165, 166, 167, 168, 169, 170, 178, 179,
    180, 181, 182, 183, 184, 185, 186, 194, 195, 196, 197, 198, 199, 200, 201, 202, 210, 211, 212, 213,
    214, 215, 216, 217, 218, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 241, 242, 243, 244, 245,
    246, 247, 248, 249, 250, 255, 218, 0, 14, 4, 67, 0, 77, 0, 89, 0, 75, 0, 0, 63,
    0, 253, 212, 175, 205, 186, 246, 202, 253, 132, 175, 255, 217,
];

#[rustfmt::skip]
const ANIMATED_WEBP: &[u8] = &[
    82, 73, 70, 70, 182, 0, 0, 0, 87, 69, 66, 80, 86, 80, 56, 88, 10, 0, 0, 0,
    2, 0, 0, 0, 3, 0, 0, 2, 0, 0, 65, 78, 73, 77, 6, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 65, 78, 77, 70, 42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0,
    0, 2, 0, 0, 50, 0, 0, 2, 86, 80, 56, 76, 17, 0, 0, 0, 47, 3, 128, 0,
    0, 7, 80, 133, 234, 151, 162, 255, 129, 136, 232, 127, 0, 0, 65, 78, 77, 70, 40, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 2, 0, 0, 50, 0, 0, 0, 86, 80,
    56, 76, 15, 0, 0, 0, 47, 3, 128, 0, 0, 7, 208, 255, 136, 254, 7, 34, 162, 255,
    1, 0, 65, 78, 77, 70, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 2,
    0, 0, 50, 0, 0, 0, 86, 80, 56, 76, 15, 0, 0, 0, 47, 3, 128, 0, 0, 7,
    16, 209, 255, 254, 7, 34, 162, 255, 1, 0,
];
