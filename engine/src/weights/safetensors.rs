//! Safetensors files: the length of a JSON header, the header, then the tensors' data without gaps.
//!
//! Format: <https://github.com/huggingface/safetensors>, README, "Format".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::layout::StoredBlocks;
use super::limits::MAX_JSON_BYTES;
use super::metadata::{Metadata, Value};
use super::table::{self, TensorTable};
use super::{BlockType, Part, TensorInfo, WeightSource};
use crate::error::{Error, Result, shown};
use crate::ports::ByteSource;

const FORMAT: &str = "safetensors file";

/// Bytes of the header's length.
const LENGTH_BYTES: u64 = 8;

/// Types with the bytes of an element (safetensors, `Dtype`).
const DTYPES: &[(&str, u64)] = &[
    ("BOOL", 1),
    ("U8", 1),
    ("I8", 1),
    ("F8_E5M2", 1),
    ("F8_E4M3", 1),
    ("U16", 2),
    ("I16", 2),
    ("F16", 2),
    ("BF16", 2),
    ("U32", 4),
    ("I32", 4),
    ("F32", 4),
    ("U64", 8),
    ("I64", 8),
    ("F64", 8),
];

/// Tensors of a safetensors file. Those of type F32, F16 and BF16 can be read.
#[derive(Debug)]
pub struct Safetensors<S> {
    source: S,
    entries: Vec<SafetensorsEntry>,
    metadata: Metadata,
    /// The tensors that can be read.
    table: TensorTable,
    /// Where each tensor of `table` begins, from the start of the file.
    offsets: Vec<u64>,
}

/// A tensor of any type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SafetensorsEntry {
    /// Name, unique in the file.
    pub name: String,
    /// Name of the type, such as `I64`.
    pub dtype: String,
    /// Size of each dimension, the contiguous one last; empty for a single number.
    pub shape: Vec<u64>,
}

impl<S: ByteSource> Safetensors<S> {
    /// Reads and checks the header; leaves the tensors' data where they are.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Malformed`], [`Error::LimitExceeded`] and [`Error::Unsupported`].
    pub fn open(source: S) -> Result<Self> {
        let (header, data) = read_header(&source)?;
        table::check_count(header.tensors.len() as u64)?;
        let mut spans = Vec::new();
        for (name, entry) in &header.tensors {
            spans.push((check(name, entry)?, name.as_str()));
        }
        check_no_gaps(spans, data, source.len())?;

        let mut entries = Vec::new();
        let mut tensors = Vec::new();
        let mut offsets = Vec::new();
        for (name, entry) in header.tensors {
            if let Some(block) = block_type(&entry.dtype) {
                offsets.push(data + entry.data_offsets.0);
                tensors.push(TensorInfo {
                    name: name.clone(),
                    shape: entry.shape.clone(),
                    block,
                });
            }
            entries.push(SafetensorsEntry {
                name,
                dtype: entry.dtype,
                shape: entry.shape,
            });
        }
        let texts = header.metadata.into_iter();
        Ok(Self {
            source,
            entries,
            metadata: texts
                .map(|(key, text)| (key, Value::String(text)))
                .collect(),
            table: TensorTable::new(tensors, FORMAT)?,
            offsets,
        })
    }

    /// All tensors, those that cannot be read among them.
    pub fn entries(&self) -> &[SafetensorsEntry] {
        &self.entries
    }
}

impl<S: ByteSource> WeightSource for Safetensors<S> {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn tensors(&self) -> &[TensorInfo] {
        self.table.tensors()
    }

    fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.table.get(name)
    }

    fn require(&self, name: &str, shape: &[u64]) -> Result<&TensorInfo> {
        let Some(tensor) = self.tensor(name) else {
            let entry = self.entries.iter().find(|entry| entry.name == name);
            return Err(match entry {
                Some(entry) => Error::Unsupported {
                    what: format!("tensor `{name}` of type {}", entry.dtype),
                    remedy: "store it as F32, F16 or BF16".to_owned(),
                },
                None => Error::MissingTensor {
                    name: name.to_owned(),
                },
            });
        };
        match tensor.shape == shape {
            true => Ok(tensor),
            false => Err(Error::TensorShape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: tensor.shape.clone(),
            }),
        }
    }

    fn read_part(
        &self,
        tensor: &TensorInfo,
        part: Part,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<()> {
        let (index, own) = self.table.locate(tensor, part, offset, buf.len())?;
        let blocks = StoredBlocks {
            source: &self.source,
            offset: self.offsets.get(index).copied().unwrap_or(u64::MAX),
            block: own.block,
            elements: own.elements(),
        };
        blocks.read(part, offset, buf)
    }
}

/// The header as it is written.
#[derive(Default)]
struct Header {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(String, Entry)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("`{name}` occurs twice")));
            }
            if name == "__metadata__" {
                header.metadata = map.next_value()?;
            } else {
                header.tensors.push((name, map.next_value()?));
            }
        }
        Ok(header)
    }
}

/// The header, and where the data begin.
fn read_header<S: ByteSource>(source: &S) -> Result<(Header, u64)> {
    let file_bytes = source.len();
    let short = |what: &str, needed: u64| Error::Truncated {
        what: what.to_owned(),
        needed,
        available: file_bytes,
    };
    if file_bytes < LENGTH_BYTES {
        return Err(short("the length of the header", LENGTH_BYTES));
    }
    let mut length = [0; LENGTH_BYTES as usize];
    source.read_exact_at(0, &mut length)?;
    let header_bytes = u64::from_le_bytes(length);
    if header_bytes > MAX_JSON_BYTES {
        return Err(Error::LimitExceeded {
            what: "the header of this safetensors file, in bytes,".to_owned(),
            value: header_bytes,
            limit: MAX_JSON_BYTES,
        });
    }
    let data = LENGTH_BYTES + header_bytes;
    if data > file_bytes {
        return Err(short("the header", data));
    }
    let mut json = vec![0; header_bytes as usize];
    source.read_exact_at(LENGTH_BYTES, &mut json)?;
    let header = serde_json::from_slice(&json)
        .map_err(|error| damaged(format!("its header says {}", shown(&error.to_string()))))?;
    Ok((header, data))
}

fn damaged(detail: String) -> Error {
    Error::Malformed {
        format: FORMAT,
        detail,
    }
}

/// Checks one tensor by itself, and returns where its data are.
fn check(name: &str, entry: &Entry) -> Result<Range<u64>> {
    table::check_name(name, FORMAT)?;
    table::check_dims(name, entry.shape.len() as u64)?;
    let known = DTYPES.iter().find(|(dtype, _)| *dtype == entry.dtype);
    let Some((_, element_bytes)) = known else {
        return Err(Error::Unsupported {
            what: format!("tensor `{name}` of type `{}`", shown(&entry.dtype)),
            remedy: "store it as F32, F16 or BF16".to_owned(),
        });
    };
    let (start, end) = entry.data_offsets;
    let bytes = table::bytes_of(&entry.shape, *element_bytes, 1);
    match bytes {
        Some(bytes) if start.checked_add(bytes) == Some(end) => Ok(start..end),
        _ => Err(damaged(format!(
            "tensor `{name}` of {:?} {} has the bytes from {start} to {end}",
            entry.shape, entry.dtype
        ))),
    }
}

/// Checks that the tensors' data follow each other from the start to the end of the file.
fn check_no_gaps(mut spans: Vec<(Range<u64>, &str)>, data: u64, file_bytes: u64) -> Result<()> {
    spans.sort_by_key(|(span, _)| (span.start, span.end));
    let mut end = 0;
    for (span, name) in spans {
        if span.start != end {
            return Err(damaged(format!(
                "tensor `{name}` starts at {} where the one before ends at {end}",
                span.start
            )));
        }
        end = span.end;
    }
    let needed = data.saturating_add(end);
    match file_bytes.checked_sub(needed) {
        Some(0) => Ok(()),
        Some(rest) => Err(damaged(format!(
            "{rest} bytes at its end belong to no tensor"
        ))),
        None => Err(Error::Truncated {
            what: "the tensors' data".to_owned(),
            needed,
            available: file_bytes,
        }),
    }
}

fn block_type(dtype: &str) -> Option<BlockType> {
    match dtype {
        "F32" => Some(BlockType::F32),
        "F16" => Some(BlockType::F16),
        "BF16" => Some(BlockType::Bf16),
        _ => None,
    }
}
