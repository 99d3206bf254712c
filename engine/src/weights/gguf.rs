//! GGUF files, versions 2 and 3, little endian (ggml/docs/gguf.md).
//!
//! `GGUF`, version, number of tensors, metadata, one record for each tensor, then the tensors' data. A model may be split
//! into several files: the first has the metadata, each describes the tensors that it holds.

use std::ops::Range;

use super::header::HeaderReader;
use super::layout::StoredBlocks;
use super::limits::{MAX_ALIGNMENT, MAX_SPLITS};
use super::metadata::Metadata;
use super::table::{self, TensorTable};
use super::{BlockType, Part, TensorInfo, WeightSource};
use crate::error::{Error, Result};
use crate::ports::ByteSource;

const FORMAT: &str = "GGUF file";
const MAGIC: &[u8; 4] = b"GGUF";

/// Where the number of metadata keys is: after magic, version and the number of tensors.
const METADATA_OFFSET: u64 = 4 + 4 + 8;

/// Alignment of a file that names none.
const DEFAULT_ALIGNMENT: u64 = 32;

/// A model in one GGUF file, or in all files of a split one.
#[derive(Debug)]
pub struct Gguf<S> {
    /// The files, in order.
    sources: Vec<S>,
    version: u32,
    alignment: u64,
    header_bytes: u64,
    metadata: Metadata,
    metadata_range: Range<u64>,
    table: TensorTable,
    /// Where each tensor of `table` is.
    places: Vec<Place>,
}

/// Where a tensor's stored blocks are.
#[derive(Debug, Clone, Copy)]
struct Place {
    source: usize,
    /// From the start of the file.
    offset: u64,
}

/// What the header of one file says.
struct Header {
    version: u32,
    alignment: u64,
    bytes: u64,
    metadata: Metadata,
    metadata_range: Range<u64>,
    /// Tensors with their offsets from the start of the file.
    tensors: Vec<(TensorInfo, u64)>,
}

impl<S: ByteSource> Gguf<S> {
    /// Reads and checks the header; leaves the tensors' data where they are.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Malformed`], [`Error::LimitExceeded`] and [`Error::Unsupported`], each naming the
    /// key or the tensor.
    pub fn open(source: S) -> Result<Self> {
        Self::open_split(vec![source])
    }

    /// Reads and checks the headers of all files of a split model, in their order.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and [`Error::Request`] if the files are not one model's.
    pub fn open_split(sources: Vec<S>) -> Result<Self> {
        let count = sources.len() as u64;
        let mut first: Option<Header> = None;
        let mut tensors = Vec::new();
        let mut places = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let mut header = read_header(source)?;
            check_split(&header.metadata, index as u64, count)?;
            for (tensor, offset) in header.tensors.drain(..) {
                places.push(Place {
                    source: index,
                    offset,
                });
                tensors.push(tensor);
            }
            table::check_count(tensors.len() as u64)?;
            first.get_or_insert(header);
        }
        let Some(header) = first else {
            return Err(Error::Request {
                problem: "there is no file to open".to_owned(),
                remedy: "choose a GGUF file".to_owned(),
            });
        };
        Ok(Self {
            sources,
            version: header.version,
            alignment: header.alignment,
            header_bytes: header.bytes,
            metadata: header.metadata,
            metadata_range: header.metadata_range,
            table: TensorTable::new(tensors, FORMAT)?,
            places,
        })
    }

    /// Version of the format.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What offsets of tensors are multiples of, in bytes.
    pub fn alignment(&self) -> u64 {
        self.alignment
    }

    /// Bytes before the first tensor's data, in the first file.
    pub fn header_bytes(&self) -> u64 {
        self.header_bytes
    }

    /// Bytes of all files.
    pub fn file_bytes(&self) -> u64 {
        let bytes = self.sources.iter().map(ByteSource::len);
        bytes.fold(0, u64::saturating_add)
    }

    /// Name of the first file.
    pub fn label(&self) -> &str {
        self.sources.first().map_or("", ByteSource::label)
    }

    /// Bytes of the metadata as they are stored, their count among them.
    pub(super) fn metadata_bytes(&self) -> u64 {
        self.metadata_range.end - self.metadata_range.start
    }

    /// Fills `buf` from `offset` of the metadata as they are stored.
    pub(super) fn read_metadata(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        match self.sources.first() {
            Some(source) => source.read_exact_at(self.metadata_range.start + offset, buf),
            None => Ok(()),
        }
    }

    /// Fills `buf` from `offset` of a part of the tensor at `index`: any bytes, whole words or not.
    pub(super) fn read_bytes(
        &self,
        index: usize,
        part: Part,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<()> {
        let tensor = self.table.tensors().get(index);
        let place = self.places.get(index);
        let found = tensor.zip(place).and_then(|(tensor, place)| {
            let source = self.sources.get(place.source)?;
            Some((tensor, place, source))
        });
        let Some((tensor, place, source)) = found else {
            return Err(Error::MissingTensor {
                name: format!("number {index}"),
            });
        };
        let blocks = StoredBlocks {
            source,
            offset: place.offset,
            block: tensor.block,
            elements: tensor.elements(),
        };
        blocks.read(part, offset, buf)
    }
}

impl<S: ByteSource> WeightSource for Gguf<S> {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn tensors(&self) -> &[TensorInfo] {
        self.table.tensors()
    }

    fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.table.get(name)
    }

    fn read_part(
        &self,
        tensor: &TensorInfo,
        part: Part,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<()> {
        let (index, _) = self.table.locate(tensor, part, offset, buf.len())?;
        self.read_bytes(index, part, offset, buf)
    }
}

fn read_header<S: ByteSource>(source: &S) -> Result<Header> {
    let file_bytes = source.len();
    let mut reader = HeaderReader::new(source, file_bytes, FORMAT);
    let magic = reader.number("the beginning of a GGUF file", |bytes: [u8; 4]| bytes)?;
    if &magic != MAGIC {
        return Err(Error::Unsupported {
            what: format!("{}, which does not begin as a GGUF file,", source.label()),
            remedy: "choose a GGUF file".to_owned(),
        });
    }
    let version = reader.u32("the version")?;
    if !matches!(version, 2 | 3) {
        return Err(Error::Unsupported {
            what: match version.swap_bytes() {
                2 | 3 => "a GGUF file in big-endian order".to_owned(),
                _ => format!("version {version} of GGUF"),
            },
            remedy: "convert the model again with a current converter".to_owned(),
        });
    }
    let count = reader.u64("the number of tensors")?;
    table::check_count(count)?;
    let metadata = reader.metadata()?;
    let metadata_range = METADATA_OFFSET..reader.position();
    let alignment = alignment(&metadata)?;

    const LEAST_BYTES: u64 = 8 + 4 + 8 + 4 + 8;
    reader.check_left(count * LEAST_BYTES, "the list of tensors")?;
    let mut tensors = Vec::new();
    for _ in 0..count {
        tensors.push(read_tensor(&mut reader)?);
    }
    // An empty file needs no padding up to its data.
    let bytes = reader.position().next_multiple_of(alignment);
    for (tensor, offset) in &mut tensors {
        *offset = place(tensor, *offset, alignment, bytes, file_bytes)?;
    }
    let ranges = tensors.iter().map(|(tensor, offset)| {
        (
            *offset..offset + tensor.stored_bytes(),
            tensor.name.as_str(),
        )
    });
    table::check_disjoint(ranges.collect(), FORMAT)?;
    Ok(Header {
        version,
        alignment,
        bytes,
        metadata,
        metadata_range,
        tensors,
    })
}

fn alignment(metadata: &Metadata) -> Result<u64> {
    let key = "general.alignment";
    let alignment = metadata.opt_u64(key)?.unwrap_or(DEFAULT_ALIGNMENT);
    match alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT {
        true => Ok(alignment),
        false => Err(Error::BadKey {
            key: key.to_owned(),
            problem: format!("is {alignment}, no power of two up to {MAX_ALIGNMENT}"),
        }),
    }
}

/// Reads the record of one tensor: name, dimensions (the contiguous one first), type, offset in the data.
fn read_tensor<S: ByteSource>(reader: &mut HeaderReader<'_, S>) -> Result<(TensorInfo, u64)> {
    let name = reader.name("a tensor's name")?;
    table::check_name(&name, FORMAT)?;
    let what = format!("the description of tensor `{name}`");
    let dims = reader.u32(&what)?;
    table::check_dims(&name, u64::from(dims))?;
    let mut shape = Vec::new();
    for _ in 0..dims {
        shape.insert(0, reader.u64(&what)?);
    }
    let id = reader.u32(&what)?;
    let offset = reader.u64(&what)?;
    let Some(block) = BlockType::from_ggml(id) else {
        return Err(Error::Unsupported {
            what: format!("tensor `{name}` of type {}", type_name(id)),
            remedy: "use a file in F32, F16, BF16, Q4_0 to Q8_0 or Q2_K to Q6_K".to_owned(),
        });
    };
    table::check_shape(&name, &shape, block, FORMAT)?;
    let tensor = TensorInfo { name, shape, block };
    Ok((tensor, offset))
}

/// Where a tensor begins in the file, if it lies within the file and on the alignment.
fn place(
    tensor: &TensorInfo,
    offset: u64,
    alignment: u64,
    header_bytes: u64,
    file_bytes: u64,
) -> Result<u64> {
    let name = &tensor.name;
    if !offset.is_multiple_of(alignment) {
        return Err(Error::gguf(format!(
            "tensor `{name}` is at {offset}, no multiple of {alignment}"
        )));
    }
    let start = header_bytes.saturating_add(offset);
    let end = start.saturating_add(tensor.stored_bytes());
    match end <= file_bytes {
        true => Ok(start),
        false => Err(Error::Truncated {
            what: format!("tensor `{name}`"),
            needed: end,
            available: file_bytes,
        }),
    }
}

/// Checks that a file is number `index` of the `count` files of its model.
fn check_split(metadata: &Metadata, index: u64, count: u64) -> Result<()> {
    let of = metadata.opt_u64("split.count")?.unwrap_or(1).max(1);
    let number = metadata.opt_u64("split.no")?.unwrap_or(0);
    if (number, of) == (index, count) {
        return Ok(());
    }
    if of > MAX_SPLITS {
        return Err(Error::LimitExceeded {
            what: "the number of files of a split model".to_owned(),
            value: of,
            limit: MAX_SPLITS,
        });
    }
    Err(Error::Request {
        problem: format!(
            "this is file {} of a model in {of} files, opened as file {} of {count}",
            number.saturating_add(1),
            index + 1
        ),
        remedy: "open all files of the model together, in their order".to_owned(),
    })
}

/// Names of types that exist and that no model for people uses, to say what a file holds.
fn type_name(id: u32) -> String {
    let name = match id {
        9 => "Q8_1",
        15 => "Q8_K",
        16..=23 | 29 => "IQ (importance quantisation)",
        34 | 35 => "TQ (ternary quantisation)",
        39 => "MXFP4",
        _ => return format!("{id}, which is unknown,"),
    };
    name.to_owned()
}
