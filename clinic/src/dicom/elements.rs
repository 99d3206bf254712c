//! The data elements of a DICOM file, one after the other: no copies, no recursion, nothing allocated.
//!
//! Sources: DICOM PS3.10 section 7.1 (file), PS3.5 section 7 (data set; 7.1.2 and 7.1.3 headers, 7.5 sequences). What a
//! sequence holds is skipped, however deep: nothing that is needed lies in one.

use crate::error::{Error, Result};

/// Explicit VR Little Endian: the default of today's files.
pub(super) const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Implicit VR Little Endian: what every reader must understand.
pub(super) const IMPLICIT: &str = "1.2.840.10008.1.2";

/// A length that is not known beforehand: a delimiter ends the value.
const UNDEFINED: u32 = u32::MAX;

/// Group of the file's own header, which is always explicit little endian.
const META: u16 = 0x0002;
const TRANSFER_SYNTAX: (u16, u16) = (META, 0x0010);
const ITEM: (u16, u16) = (0xFFFE, 0xE000);
const ITEM_END: (u16, u16) = (0xFFFE, 0xE00D);
const SEQUENCE_END: (u16, u16) = (0xFFFE, 0xE0DD);

/// Value representations whose length has 32 bits (PS3.5, 7.1.2).
const LONG: [&[u8; 2]; 13] = [
    b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV",
];

/// One element outside of all sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// Group and element number.
    pub tag: (u16, u16),
    /// Its bytes, or `None` if they are in fragments, as compressed pixels are.
    pub value: Option<&'a [u8]>,
}

/// Walks over the elements of a file.
#[derive(Debug, Clone)]
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    explicit: bool,
    /// Sequences and items of unknown length that are open.
    depth: u64,
    /// Within an `UN` of unknown length all is implicit (PS3.5, 6.2.2): the depth outside of it.
    implicit_above: Option<u64>,
}

struct Header {
    tag: (u16, u16),
    is_unknown: bool,
    length: u32,
}

impl<'a> Elements<'a> {
    /// At the first element behind the file's own header; and the transfer syntax.
    pub fn of_file(bytes: &'a [u8]) -> Result<(Self, String)> {
        if bytes.get(128..132) != Some(b"DICM") {
            return Err(Error::Dicom {
                detail: "it does not begin as a DICOM file does".to_owned(),
            });
        }
        let mut elements = Self {
            bytes,
            at: 132,
            explicit: true,
            depth: 0,
            implicit_above: None,
        };
        let mut syntax = None;
        while elements.group() == Some(META) {
            let element = elements.next()?;
            if let Some(Element {
                tag: TRANSFER_SYNTAX,
                value: Some(value),
            }) = element
            {
                syntax = Some(super::text(value));
            }
        }
        let syntax = syntax.ok_or_else(|| Error::Dicom {
            detail: "it does not say its transfer syntax (0002,0010)".to_owned(),
        })?;
        elements.explicit = syntax != IMPLICIT;
        Ok((elements, syntax))
    }

    /// The next element outside of all sequences; `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<Element<'a>>> {
        while self.at < self.bytes.len() {
            let outside = self.depth == 0;
            let Header {
                tag,
                is_unknown,
                length,
            } = self.header()?;
            match tag {
                ITEM_END | SEQUENCE_END => {
                    self.depth = self.depth.checked_sub(1).ok_or_else(|| stray(tag))?;
                    if self.implicit_above == Some(self.depth) {
                        self.implicit_above = None;
                    }
                    continue;
                }
                ITEM if outside => return Err(stray(tag)),
                super::PIXEL_DATA if outside && length == UNDEFINED => {
                    return Ok(Some(Element { tag, value: None }));
                }
                _ if length == UNDEFINED => {
                    if is_unknown && self.implicit_above.is_none() {
                        self.implicit_above = Some(self.depth);
                    }
                    self.depth += 1;
                    continue;
                }
                _ => {}
            }
            let value = self.take(tag, length)?;
            if outside {
                let value = Some(value);
                return Ok(Some(Element { tag, value }));
            }
        }
        match self.depth {
            0 => Ok(None),
            _ => Err(ends_early("a sequence")),
        }
    }

    /// Group of the next element.
    fn group(&self) -> Option<u16> {
        let bytes = self.bytes.get(self.at..)?.first_chunk()?;
        Some(u16::from_le_bytes(*bytes))
    }

    fn header(&mut self) -> Result<Header> {
        let tag = (self.u16()?, self.u16()?);
        // Items and delimiters have no value representation, in either syntax.
        let explicit = self.explicit && self.implicit_above.is_none() && tag.0 != ITEM.0;
        if !explicit {
            let length = self.u32()?;
            return Ok(Header {
                tag,
                is_unknown: false,
                length,
            });
        }
        let representation: [u8; 2] = self.chunk()?;
        if !representation.iter().all(u8::is_ascii_uppercase) {
            return Err(Error::Dicom {
                detail: format!("element {} has no value representation", name(tag)),
            });
        }
        let length = match LONG.contains(&&representation) {
            true => {
                let _reserved = self.u16()?;
                self.u32()?
            }
            false => u32::from(self.u16()?),
        };
        Ok(Header {
            tag,
            is_unknown: representation == *b"UN",
            length,
        })
    }

    /// The value of an element; fails before anything is read if the file is shorter.
    fn take(&mut self, tag: (u16, u16), length: u32) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let value = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length))
            .ok_or_else(|| Error::Dicom {
                detail: format!(
                    "element {} has {length} bytes, and {} are left",
                    name(tag),
                    rest.len()
                ),
            })?;
        self.at += value.len();
        Ok(value)
    }

    fn u16(&mut self) -> Result<u16> {
        self.chunk().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N]> {
        let chunk = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk);
        let chunk = chunk.ok_or_else(|| ends_early("the header of an element"))?;
        self.at += N;
        Ok(*chunk)
    }
}

/// A tag as the standard writes it: (0028,0010).
pub(super) fn name(tag: (u16, u16)) -> String {
    format!("({:04X},{:04X})", tag.0, tag.1)
}

fn stray(tag: (u16, u16)) -> Error {
    Error::Dicom {
        detail: format!("{} stands outside of a sequence", name(tag)),
    }
}

fn ends_early(within: &str) -> Error {
    Error::Dicom {
        detail: format!("it ends within {within}"),
    }
}
