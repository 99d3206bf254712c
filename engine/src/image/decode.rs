//! JPEG, PNG and WebP bytes to RGB pixels, as Pillow's `Image.open(..).convert("RGB")` gives them, turned upright.
//!
//! Alpha is dropped, not blended; colour profiles are ignored; of an animation the first frame counts. 16-bit samples
//! keep their high byte. Pillow does so for colour, yet clips 16-bit grey at 255, which turns every such X-ray white:
//! grey is scaled here too. Dimensions are checked before anything of their size is allocated.

use std::io::Cursor;

use ::image::codecs::{jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use ::image::{
    ColorType, DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, Limits,
};

use super::RgbImage;
use crate::error::{Error, Result};

/// Longest side of a picture, in pixels.
pub const MAX_SIDE: u32 = 32_768;

/// Most pixels of a picture: 8,192 x 8,192, above the 50 megapixels of today's cameras.
pub const MAX_PIXELS: u64 = 1 << 26;

/// Decodes a JPEG, PNG or WebP file and applies its EXIF orientation.
///
/// Fails with [`Error::Image`] when the bytes are no such picture, are damaged or end early, and with
/// [`Error::LimitExceeded`] when a side is beyond [`MAX_SIDE`] or the whole beyond [`MAX_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<RgbImage> {
    match ::image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => {
            check_jpeg_complete(bytes)?;
            read(JpegDecoder::new(Cursor::new(bytes)).map_err(damaged)?)
        }
        Ok(ImageFormat::Png) => {
            check_png_dimensions(bytes)?;
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(MAX_PIXELS * MAX_PIXEL_BYTES);
            read(PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(damaged)?)
        }
        Ok(ImageFormat::WebP) => {
            let file = complete_webp(bytes)?;
            read(WebPDecoder::new(Cursor::new(file)).map_err(damaged)?)
        }
        Ok(other) => Err(no_picture(format!("it is a {} file", name(other)))),
        Err(_) => Err(no_picture(foreign(bytes))),
    }
}

/// Refuses sides and areas that would take too much memory, and empty pictures.
pub(super) fn check_dimensions(width: u32, height: u32) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(no_picture(format!("it has {width} x {height} pixels")));
    }
    let limited = |what: &str, value: u64, limit: u64| match value > limit {
        true => Err(Error::LimitExceeded {
            what: format!("the picture's {what}"),
            value,
            limit,
        }),
        false => Ok(()),
    };
    limited("width", u64::from(width), u64::from(MAX_SIDE))?;
    limited("height", u64::from(height), u64::from(MAX_SIDE))?;
    limited(
        "number of pixels",
        u64::from(width) * u64::from(height),
        MAX_PIXELS,
    )
}

/// Four channels of 16 bits.
const MAX_PIXEL_BYTES: u64 = 8;

fn read<D: ImageDecoder>(mut decoder: D) -> Result<RgbImage> {
    let (width, height) = decoder.dimensions();
    check_dimensions(width, height)?;
    // A picture with unreadable EXIF data is still a picture.
    let orientation = decoder.orientation().ok();
    let colour = decoder.color_type();
    let bytes = decoder.total_bytes();
    let mut samples = Vec::new();
    usize::try_from(bytes)
        .ok()
        .filter(|&bytes| samples.try_reserve_exact(bytes).is_ok())
        .map(|bytes| samples.resize(bytes, 0))
        .ok_or_else(|| no_picture(format!("its {bytes} bytes of pixels do not fit in memory")))?;
    decoder.read_image(&mut samples).map_err(damaged)?;

    let buffer = ImageBuffer::from_raw(width, height, to_rgb(samples, colour)?)
        .ok_or_else(|| no_picture("its pixels are incomplete"))?;
    let mut picture = DynamicImage::ImageRgb8(buffer);
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    let picture = picture.into_rgb8();
    Ok(RgbImage {
        width: picture.width(),
        height: picture.height(),
        pixels: picture.into_raw(),
    })
}

/// Samples of any kind that a decoder gives (native byte order) to 8-bit RGB.
fn to_rgb(samples: Vec<u8>, colour: ColorType) -> Result<Vec<u8>> {
    let high = if cfg!(target_endian = "big") { 0 } else { 1 };
    // Bytes of a pixel, and which of them are red, green and blue.
    let (stride, [red, green, blue]) = match colour {
        ColorType::Rgb8 => return Ok(samples),
        ColorType::Rgba8 => (4, [0, 1, 2]),
        ColorType::L8 => (1, [0; 3]),
        ColorType::La8 => (2, [0; 3]),
        ColorType::L16 => (2, [high; 3]),
        ColorType::La16 => (4, [high; 3]),
        ColorType::Rgb16 => (6, [high, 2 + high, 4 + high]),
        ColorType::Rgba16 => (8, [high, 2 + high, 4 + high]),
        other => return Err(no_picture(format!("its colours are {other:?}"))),
    };
    let mut rgb = Vec::with_capacity(samples.len() / stride * 3);
    for pixel in samples.chunks_exact(stride) {
        rgb.extend([pixel[red], pixel[green], pixel[blue]]);
    }
    Ok(rgb)
}

/// The header's dimensions, before a decoder sizes its buffers by them.
fn check_png_dimensions(bytes: &[u8]) -> Result<()> {
    // Signature (8 bytes), length and name of the IHDR chunk (8), then width and height.
    let field = |at: usize| {
        let field = bytes.get(at..at + 4)?.first_chunk()?;
        Some(u32::from_be_bytes(*field))
    };
    match (bytes.get(12..16), field(16), field(20)) {
        (Some(b"IHDR"), Some(width), Some(height)) => check_dimensions(width, height),
        _ => Err(no_picture("the PNG file has no header")),
    }
}

/// Walks the segments of a JPEG to its end marker: the decoder would paint what is missing grey, and say nothing.
fn check_jpeg_complete(bytes: &[u8]) -> Result<()> {
    const TRUNCATED: &str = "the JPEG file ends early; it is incomplete";
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        // Entropy-coded data and fill bytes end at a marker; FF 00 and FF D0..D7 belong to the data.
        let marker = rest.windows(2).position(|pair| {
            pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0x01 | 0xD0..=0xD7 | 0xFF)
        });
        let (code, after) = marker
            .and_then(|at| Some((*rest.get(at + 1)?, rest.get(at + 2..)?)))
            .ok_or_else(|| no_picture(TRUNCATED))?;
        if code == 0xD9 {
            return Ok(());
        }
        let length = after
            .first_chunk()
            .map(|length| u16::from_be_bytes(*length));
        rest = length
            .and_then(|length| after.get(usize::from(length)..))
            .ok_or_else(|| no_picture(TRUNCATED))?;
    }
}

/// A WebP file up to where it says that it ends, if all its chunks are there: the decoder makes room for as much as a
/// chunk claims to hold before it looks.
fn complete_webp(bytes: &[u8]) -> Result<&[u8]> {
    let truncated = || no_picture("the WebP file ends early; it is incomplete");
    // Where a chunk's data end: behind its name, its length and as many bytes.
    let end = |chunk: &[u8]| {
        let length = u32::from_le_bytes(*chunk.get(4..8)?.first_chunk()?);
        usize::try_from(length).ok()?.checked_add(8)
    };
    let whole = |chunk: &[u8]| end(chunk).filter(|end| *end <= chunk.len());
    let file = whole(bytes)
        .and_then(|end| bytes.get(..end))
        .ok_or_else(truncated)?;
    let mut chunks = file.get(12..).unwrap_or_default();
    while chunks.len() >= 8 {
        let end = whole(chunks).ok_or_else(truncated)?;
        // Chunks begin at even places.
        chunks = chunks.get(end.next_multiple_of(2)..).unwrap_or_default();
    }
    Ok(file)
}

/// What a file is that is none of the known formats, for the message.
fn foreign(bytes: &[u8]) -> String {
    let brand = bytes.get(4..12).unwrap_or_default();
    if bytes.is_empty() {
        "it is empty".to_owned()
    } else if matches!(brand, b"ftypheic" | b"ftypheix" | b"ftypmif1" | b"ftyphevc") {
        "it is a HEIC file".to_owned()
    } else if bytes.get(128..132) == Some(b"DICM") {
        "it is a DICOM file".to_owned()
    } else if bytes.starts_with(b"%PDF") {
        "it is a PDF file".to_owned()
    } else {
        "it is no picture file".to_owned()
    }
}

fn name(format: ImageFormat) -> String {
    format!("{format:?}").to_uppercase()
}

fn no_picture(detail: impl Into<String>) -> Error {
    Error::Image {
        detail: detail.into(),
    }
}

fn damaged(error: ImageError) -> Error {
    // One line, whatever a decoder writes.
    let detail = error.to_string();
    no_picture(detail.split_whitespace().collect::<Vec<_>>().join(" "))
}
