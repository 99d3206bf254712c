//! CT slices from DICOM files: pixels and where they lie, in Hounsfield units.
//!
//! Uncompressed little-endian files of one frame. Of all that a file says, only the elements in `WANTED` are looked at:
//! never a name, a date or a number of a patient. Written for this instead of a general reader, because those make room
//! for whatever a file announces and recurse as deep as it nests; here nothing does, as files come from anywhere.
//!
//! Sources: DICOM PS3.3 C.7.6.2 and C.7.6.3 (plane, pixels), C.8.2.1 (CT), C.11.1 (rescale); PS3.6 annex A (syntaxes).

mod elements;
mod order;

use std::hash::{DefaultHasher, Hash, Hasher};

use elements::{EXPLICIT, Element, Elements, IMPLICIT, name};

use crate::ct::{Series, Slice, check_side, sample};
use crate::error::{Error, Result};

pub use order::order;

const MODALITY: (u16, u16) = (0x0008, 0x0060);
const SERIES: (u16, u16) = (0x0020, 0x000E);
const INSTANCE: (u16, u16) = (0x0020, 0x0013);
const POSITION: (u16, u16) = (0x0020, 0x0032);
const ORIENTATION: (u16, u16) = (0x0020, 0x0037);
const SAMPLES: (u16, u16) = (0x0028, 0x0002);
const PHOTOMETRIC: (u16, u16) = (0x0028, 0x0004);
const FRAMES: (u16, u16) = (0x0028, 0x0008);
const ROWS: (u16, u16) = (0x0028, 0x0010);
const COLUMNS: (u16, u16) = (0x0028, 0x0011);
const BITS_ALLOCATED: (u16, u16) = (0x0028, 0x0100);
const BITS_STORED: (u16, u16) = (0x0028, 0x0101);
const HIGH_BIT: (u16, u16) = (0x0028, 0x0102);
const SIGNED: (u16, u16) = (0x0028, 0x0103);
const INTERCEPT: (u16, u16) = (0x0028, 0x1052);
const SLOPE: (u16, u16) = (0x0028, 0x1053);
const RESCALE_TYPE: (u16, u16) = (0x0028, 0x1054);
const PIXEL_DATA: (u16, u16) = (0x7FE0, 0x0010);

/// Every element that is looked at, and no other.
const WANTED: [(u16, u16); 17] = [
    MODALITY,
    SERIES,
    INSTANCE,
    POSITION,
    ORIENTATION,
    SAMPLES,
    PHOTOMETRIC,
    FRAMES,
    ROWS,
    COLUMNS,
    BITS_ALLOCATED,
    BITS_STORED,
    HIGH_BIT,
    SIGNED,
    INTERCEPT,
    SLOPE,
    RESCALE_TYPE,
];

/// Transfer syntaxes that are refused, by name (PS3.6 annex A).
const REFUSED: [(&str, &str); 15] = [
    (
        "1.2.840.10008.1.2.1.99",
        "Deflated Explicit VR Little Endian",
    ),
    ("1.2.840.10008.1.2.2", "Explicit VR Big Endian"),
    ("1.2.840.10008.1.2.4.50", "JPEG Baseline"),
    ("1.2.840.10008.1.2.4.51", "JPEG Extended"),
    ("1.2.840.10008.1.2.4.57", "JPEG Lossless"),
    (
        "1.2.840.10008.1.2.4.70",
        "JPEG Lossless, first-order prediction",
    ),
    ("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless"),
    ("1.2.840.10008.1.2.4.81", "JPEG-LS Near-Lossless"),
    ("1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless"),
    ("1.2.840.10008.1.2.4.91", "JPEG 2000"),
    (
        "1.2.840.10008.1.2.4.201",
        "High-Throughput JPEG 2000 Lossless",
    ),
    (
        "1.2.840.10008.1.2.4.202",
        "High-Throughput JPEG 2000 RPCL Lossless",
    ),
    ("1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000"),
    ("1.2.840.10008.1.2.5", "RLE Lossless"),
    ("1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression"),
];

/// Where a slice lies, and which series it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Tells series apart, and nothing else: a digest of the series' identifier.
    pub series: u64,
    /// Number of the image in its series.
    pub instance: Option<i64>,
    /// Centre of the first pixel in millimetres: towards the patient's left, back and head.
    pub position: Option<[f64; 3]>,
    /// Directions along a row and along a column.
    pub orientation: Option<[[f64; 3]; 2]>,
}

/// A slice whose pixels are still as the file has them.
#[derive(Debug, Clone)]
pub struct CtImage<'a> {
    geometry: Geometry,
    width: u32,
    height: u32,
    bits: u16,
    signed: bool,
    slope: f64,
    intercept: f64,
    /// `[height, width]`, 16 bits each, little endian.
    stored: &'a [u8],
}

/// Reads the header of a file; its pixels are checked, and decoded by [`CtImage::slice`].
///
/// # Errors
/// [`Error::Dicom`] for what is no DICOM file, ends early, contradicts itself or lacks what is needed,
/// [`Error::Unsupported`] for another modality, transfer syntax or arrangement of pixels, and
/// [`Error::LimitExceeded`] for sides beyond [`crate::ct::MAX_SIDE`].
pub fn read(bytes: &[u8]) -> Result<CtImage<'_>> {
    let (mut elements, syntax) = Elements::of_file(bytes)?;
    check_syntax(&syntax)?;
    let mut found = Found::default();
    let stored = loop {
        match elements.next()? {
            Some(Element {
                tag: PIXEL_DATA,
                value,
            }) => {
                break value.ok_or_else(|| unsupported("pixel data in fragments"))?;
            }
            Some(Element {
                tag,
                value: Some(value),
            }) => found.keep(tag, value),
            Some(_) => {}
            None => return Err(missing("pixel data", PIXEL_DATA)),
        }
    };
    found.image(stored)
}

/// One series from its files, in order, and at most `most` slices of it ([`sample`]). Only these are decoded.
///
/// # Errors
/// Those of [`read`] and [`order`].
pub fn series(files: &[impl AsRef<[u8]>], most: usize) -> Result<Series> {
    let images: Vec<_> = files
        .iter()
        .map(|file| read(file.as_ref()))
        .collect::<Result<_>>()?;
    let geometries: Vec<_> = images.iter().map(|image| &image.geometry).collect();
    let order = order(&geometries)?;
    let taken = sample(order.len(), most).into_iter();
    let slices = taken
        .filter_map(|index| images.get(*order.get(index)?))
        .map(CtImage::slice);
    Series::new(slices.collect::<Result<_>>()?)
}

impl CtImage<'_> {
    /// Where it lies.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The slice in Hounsfield units: stored value * slope + intercept.
    ///
    /// # Errors
    /// [`Error::Series`] if a value is beyond what an `f32` holds.
    pub fn slice(&self) -> Result<Slice> {
        let unused = 16 - u32::from(self.bits);
        let value = |bytes: &[u8; 2]| {
            // Bits above those stored may hold an overlay.
            let raw = u16::from_le_bytes(*bytes) << unused;
            match self.signed {
                true => f64::from(raw.cast_signed() >> unused),
                false => f64::from(raw >> unused),
            }
        };
        let (values, _) = self.stored.as_chunks::<2>();
        let hounsfield = values
            .iter()
            .map(|bytes| (value(bytes) * self.slope + self.intercept) as f32)
            .collect();
        let position = self.geometry.along_normal();
        Slice::new(self.width, self.height, hounsfield, position)
    }
}

/// Values of the wanted elements; of one that stands twice, the first.
#[derive(Debug, Default)]
struct Found<'a>([Option<&'a [u8]>; WANTED.len()]);

impl<'a> Found<'a> {
    fn keep(&mut self, tag: (u16, u16), value: &'a [u8]) {
        let place = WANTED.iter().position(|wanted| *wanted == tag);
        if let Some(place) = place.and_then(|index| self.0.get_mut(index)) {
            place.get_or_insert(value);
        }
    }

    /// The value of an element, unless it is absent or empty.
    fn value(&self, tag: (u16, u16)) -> Option<&'a [u8]> {
        let index = WANTED.iter().position(|wanted| *wanted == tag)?;
        self.0.get(index)?.filter(|value| !value.is_empty())
    }

    fn text(&self, tag: (u16, u16)) -> Option<String> {
        self.value(tag).map(text)
    }

    /// An unsigned number of 16 bits.
    fn short(&self, what: &str, tag: (u16, u16)) -> Result<u16> {
        let value = self.value(tag).ok_or_else(|| missing(what, tag))?;
        let bytes = value.try_into().map_err(|_| Error::Dicom {
            detail: format!("{what} {} has {} bytes for 2", name(tag), value.len()),
        })?;
        Ok(u16::from_le_bytes(bytes))
    }

    /// `N` decimal numbers; `None` if the element is absent.
    fn numbers<const N: usize>(&self, what: &str, tag: (u16, u16)) -> Result<Option<[f64; N]>> {
        let Some(text) = self.text(tag) else {
            return Ok(None);
        };
        let numbers: Option<Vec<f64>> = text
            .split('\\')
            .map(|number| number.trim().parse().ok().filter(|n: &f64| n.is_finite()))
            .collect();
        let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
        numbers.map(Some).ok_or_else(|| Error::Dicom {
            detail: format!("{what} {} is {text:?}", name(tag)),
        })
    }

    fn number(&self, what: &str, tag: (u16, u16)) -> Result<f64> {
        let number = self.numbers::<1>(what, tag)?;
        number
            .map(|[number]| number)
            .ok_or_else(|| missing(what, tag))
    }

    fn image(&self, stored: &'a [u8]) -> Result<CtImage<'a>> {
        self.check_kind()?;
        let height = u32::from(self.short("the number of rows", ROWS)?);
        let width = u32::from(self.short("the number of columns", COLUMNS)?);
        check_side("the height of a slice", height)?;
        check_side("the width of a slice", width)?;
        let bits = self.bits()?;
        let signed = match self.short("pixel representation", SIGNED)? {
            0 => false,
            1 => true,
            other => {
                return Err(Error::Dicom {
                    detail: format!("pixel representation {} is {other}", name(SIGNED)),
                });
            }
        };
        let needed = u64::from(width) * u64::from(height) * 2;
        if needed == 0 || stored.len() as u64 != needed {
            return Err(Error::Dicom {
                detail: format!(
                    "{width} x {height} pixels need {needed} bytes, and its pixel data have {}",
                    stored.len()
                ),
            });
        }
        let slope = self.number("rescale slope", SLOPE)?;
        if slope == 0.0 {
            return Err(Error::Dicom {
                detail: format!("rescale slope {} is 0", name(SLOPE)),
            });
        }
        let orientation = self.numbers::<6>("image orientation", ORIENTATION)?;
        let mut series = DefaultHasher::new();
        self.value(SERIES).hash(&mut series);
        Ok(CtImage {
            geometry: Geometry {
                series: series.finish(),
                instance: self.text(INSTANCE).and_then(|text| text.parse().ok()),
                position: self.numbers("image position", POSITION)?,
                orientation: orientation.map(|[a, b, c, d, e, f]| [[a, b, c], [d, e, f]]),
            },
            width,
            height,
            bits,
            signed,
            slope,
            intercept: self.number("rescale intercept", INTERCEPT)?,
            stored,
        })
    }

    /// Refuses what is no CT, or has not one grey value for each pixel.
    ///
    /// Both `MONOCHROME1` and `MONOCHROME2` are taken: they say how stored values are shown, and a Hounsfield unit is a
    /// measure that does not depend on it.
    fn check_kind(&self) -> Result<()> {
        let modality = self.text(MODALITY);
        match modality.as_deref() {
            Some("CT") => {}
            Some(other) => return Err(unsupported(&format!("a file of modality {other:?}"))),
            None => return Err(missing("modality", MODALITY)),
        }
        if let Some(kind) = self.text(RESCALE_TYPE).filter(|kind| kind != "HU") {
            return Err(unsupported(&format!("a CT whose values are {kind:?}")));
        }
        if let Some(frames) = self.text(FRAMES).filter(|frames| frames != "1") {
            return Err(unsupported(&format!("a file of {frames:?} frames")));
        }
        let samples = self.short("samples per pixel", SAMPLES)?;
        let photometric = self.text(PHOTOMETRIC).unwrap_or_default();
        if samples != 1 || !matches!(photometric.as_str(), "MONOCHROME1" | "MONOCHROME2") {
            return Err(unsupported(&format!(
                "a file of {samples} samples per pixel, {photometric:?},"
            )));
        }
        Ok(())
    }

    /// Bits of a stored value.
    fn bits(&self) -> Result<u16> {
        let allocated = self.short("bits allocated", BITS_ALLOCATED)?;
        let stored = self.short("bits stored", BITS_STORED)?;
        let high = self.short("high bit", HIGH_BIT)?;
        let sound = (1..=16).contains(&stored) && high == stored - 1;
        match allocated == 16 && sound {
            true => Ok(stored),
            false => Err(unsupported(&format!(
                "an arrangement of {stored} bits up to bit {high} of {allocated}"
            ))),
        }
    }
}

fn check_syntax(syntax: &str) -> Result<()> {
    if [EXPLICIT, IMPLICIT].contains(&syntax) {
        return Ok(());
    }
    let known = REFUSED.iter().find(|(uid, _)| *uid == syntax);
    Err(unsupported(&match known {
        Some((uid, name)) => format!("the transfer syntax {name} ({uid})"),
        None => format!("the transfer syntax {syntax:?}"),
    }))
}

/// Most bytes of an element that is read as text: six decimal numbers of 16 characters with their separators. What claims more has swallowed its neighbours, the patient's name
/// perhaps among them, and no message may quote that.
const MAX_TEXT_BYTES: usize = 101;

/// Text without the padding that makes its length even; nothing of one that is too long to be what it claims.
fn text(value: &[u8]) -> String {
    match value.len() <= MAX_TEXT_BYTES {
        true => {
            let text = String::from_utf8_lossy(value);
            text.trim_matches([' ', '\0']).to_owned()
        }
        false => String::new(),
    }
}

fn missing(what: &str, tag: (u16, u16)) -> Error {
    Error::Dicom {
        detail: format!("it has no {what} {}", name(tag)),
    }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported {
        what: what.to_owned(),
        remedy: "export CT slices as uncompressed little-endian DICOM, one slice in a file",
    }
}
