//! Seeds that are pictures: the golden ones, and what a file may carry beside its pixels.

use std::path::Path;

use crate::Seeds;

/// EXIF data with one entry: orientation 6, in Intel's byte order.
const EXIF: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

/// The pictures in `folder`, and those that are put together from them.
pub fn all(folder: &Path) -> std::io::Result<Seeds> {
    let mut seeds = Seeds::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let picture = ["jpg", "png", "webp"].iter().any(|end| name.ends_with(end));
        // Orientations 2 to 7 differ from the others in one byte.
        if picture && !("exif-2.jpg"..="exif-7.jpg").contains(&name.as_str()) {
            seeds.insert(name, std::fs::read(path)?);
        }
    }
    let lossless = seeds.get("lossless.webp").cloned().unwrap_or_default();
    let png = seeds.get("rgb.png").cloned().unwrap_or_default();
    seeds.insert("extended.webp".to_owned(), extended_webp(&lossless));
    seeds.insert("animated.webp".to_owned(), animated_webp(&lossless));
    seeds.insert(
        "lossy.webp".to_owned(),
        riff(&[chunk(b"VP8 ", &lossy_frame())]),
    );
    seeds.insert("exif.png".to_owned(), png_with_exif(&png));
    Ok(seeds)
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut bytes = [&name[..], &(data.len() as u32).to_le_bytes(), data].concat();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"RIFF", &[b"WEBP".to_vec(), chunks.concat()].concat())
}

/// Flags, then width and height less one in 24 bits each. The golden file has 16 x 8 pixels.
fn canvas(flags: u8) -> Vec<u8> {
    chunk(b"VP8X", &[flags, 0, 0, 0, 15, 0, 0, 7, 0, 0])
}

/// A profile that means nothing, the picture, EXIF data.
fn extended_webp(lossless: &[u8]) -> Vec<u8> {
    let picture = lossless.get(12..).unwrap_or_default().to_vec();
    riff(&[
        canvas(0x28),
        chunk(b"ICCP", &[7; 20]),
        picture,
        chunk(b"EXIF", EXIF),
    ])
}

fn animated_webp(lossless: &[u8]) -> Vec<u8> {
    let picture = lossless.get(12..).unwrap_or_default();
    let place = [0, 0, 0, 0, 0, 0, 15, 0, 0, 7, 0, 0, 50, 0, 0, 2];
    let frame = chunk(b"ANMF", &[&place[..], picture].concat());
    riff(&[canvas(0x02), chunk(b"ANIM", &[0; 6]), frame.clone(), frame])
}

/// A key frame of VP8 (RFC 6386, 9.1) of 16 x 16 pixels whose partitions are all zeros.
fn lossy_frame() -> Vec<u8> {
    const FIRST_PARTITION: u32 = 32;
    // Key frame, version 0, shown.
    let tag = (1 << 4 | FIRST_PARTITION << 5).to_le_bytes();
    let start = [0x9d, 0x01, 0x2a, 16, 0, 16, 0];
    [&tag[..3], &start, &[0; 64]].concat()
}

/// The picture with an eXIf chunk behind its header. Its checksum is wrong, which no decoder minds while fuzzing.
fn png_with_exif(png: &[u8]) -> Vec<u8> {
    const HEADER_END: usize = 8 + 25;
    let (header, rest) = png.split_at(HEADER_END.min(png.len()));
    let length = (EXIF.len() as u32).to_be_bytes();
    [header, &length, b"eXIf", EXIF, &[0; 4], rest].concat()
}
