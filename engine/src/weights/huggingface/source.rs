//! The text model, or the image encoder with its projector, as a weight source that converts what it is asked for.
//!
//! Conversion runs over a chunk of 32,768 elements at a time, and the last chunk is kept: reading forward converts each
//! chunk once, reading anything at all at most one chunk more at either end than it asks for. Whoever packs reads all
//! values of a tensor and then all of its scales, so the scales of a tensor that is read from its beginning are kept as
//! well, unless it is very large: finding them is most of the work.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use super::super::layout::part_of_block;
use super::super::metadata::Metadata;
use super::super::metadata_writer;
use super::super::shards::Packable;
use super::super::table::TensorTable;
use super::super::{BlockType, Part, TensorInfo, WeightSource, block, quantise};
use super::files::{Files, Origin};
use crate::error::{Error, Result};
use crate::ports::ByteSource;

/// Elements that are converted at a time: whole blocks and whole words of every type.
const CHUNK: usize = 1 << 15;

/// Bytes of scales that are kept at most: enough for every matrix of the 27B model but its embedding.
const MAX_KEPT_BYTES: u64 = 8 << 20;

/// Most bytes that a block of a target type has in a part.
const MAX_PART_BYTES: usize = 128;

/// Largest magnitude that the types with halves can hold.
const MAX_HALF: f32 = 65504.0;

/// A part of a Hugging Face folder under GGUF's names. See [`HuggingFaceModel`](super::HuggingFaceModel).
#[derive(Debug)]
pub struct HuggingFace<S> {
    files: Rc<Files<S>>,
    label: String,
    metadata: Metadata,
    /// The metadata as shards hold them, once they have been asked for.
    encoded: OnceCell<Vec<u8>>,
    table: TensorTable,
    /// Where each tensor of `table` comes from.
    conversions: Vec<Conversion>,
    work: RefCell<Work>,
}

/// From a stored tensor to the one that is offered.
#[derive(Debug)]
pub(super) struct Conversion {
    pub(super) origin: Origin,
    /// Whether 1 is added to every element.
    pub(super) add_one: bool,
}

/// What conversion has at hand.
#[derive(Debug, Default)]
struct Work {
    /// Index of the tensor and number of the chunk that was converted last.
    chunk: Option<(usize, u64)>,
    /// It, as it is in its file.
    raw: Vec<u8>,
    values: Vec<f32>,
    /// It, converted.
    stored: Vec<u8>,
    /// Index of the tensor whose scales are kept, and how many of its chunks they are from.
    kept: Option<(usize, u64)>,
    scales: Vec<u8>,
}

impl Work {
    /// Keeps the scales of the chunk that has just been converted, if those of all before it are kept.
    fn keep_scales(&mut self, tensor: &TensorInfo) {
        let Some((index, number)) = self.chunk else {
            return;
        };
        let bytes = tensor.part_bytes(Part::Scales);
        if !(1..=MAX_KEPT_BYTES).contains(&bytes) {
            return;
        }
        if number == 0 {
            self.scales.clear();
        } else if self.kept != Some((index, number)) {
            return;
        }
        let blocks = self.stored.len() / tensor.block.block_bytes();
        let start = self.scales.len();
        let end = start + blocks * tensor.block.block_part_bytes(Part::Scales);
        self.scales.resize(end, 0);
        let out = self.scales.get_mut(start..).unwrap_or_default();
        copy_part(tensor.block, Part::Scales, &self.stored, 0, out);
        self.kept = Some((index, number + 1));
    }

    /// `len` bytes of the scales of the tensor at `index`, if they are kept.
    fn kept_scales(&self, index: usize, offset: u64, len: usize) -> Option<&[u8]> {
        self.kept.filter(|(of, _)| *of == index)?;
        let start = usize::try_from(offset).ok()?;
        self.scales.get(start..start.checked_add(len)?)
    }
}

impl<S: ByteSource> HuggingFace<S> {
    pub(super) fn new(
        files: Rc<Files<S>>,
        label: &str,
        metadata: Metadata,
        tensors: Vec<(TensorInfo, Conversion)>,
    ) -> Result<Self> {
        let (tensors, conversions) = tensors.into_iter().unzip();
        Ok(Self {
            files,
            label: label.to_owned(),
            metadata,
            encoded: OnceCell::new(),
            table: TensorTable::new(tensors, super::FORMAT)?,
            conversions,
            work: RefCell::default(),
        })
    }

    fn encoded(&self) -> &[u8] {
        self.encoded
            .get_or_init(|| metadata_writer::encode(&self.metadata))
    }

    /// Makes `chunk` number `number` of the tensor at `index`, unless it is that already.
    fn convert(&self, work: &mut Work, index: usize, number: u64) -> Result<()> {
        if work.chunk == Some((index, number)) {
            return Ok(());
        }
        let found = self
            .table
            .tensors()
            .get(index)
            .zip(self.conversions.get(index));
        let Some((tensor, Conversion { origin, add_one })) = found else {
            return Err(no_tensor(index));
        };
        work.chunk = None;
        let first = number * CHUNK as u64;
        let count = tensor.elements().saturating_sub(first).min(CHUNK as u64) as usize;
        let element_bytes = origin.info.block.block_bytes();
        let bytes = count * element_bytes;
        work.raw.resize(bytes.next_multiple_of(4), 0);
        let offset = first * element_bytes as u64;
        self.files.read(origin, offset, &mut work.raw)?;
        if origin.info.block == tensor.block && !add_one {
            work.stored.clear();
            work.stored
                .extend_from_slice(work.raw.get(..bytes).unwrap_or_default());
        } else {
            work.values.resize(count, 0.0);
            block::dequantise(origin.info.block, &work.raw, &mut work.values);
            if *add_one {
                work.values.iter_mut().for_each(|value| *value += 1.0);
            }
            check_values(&origin.info.name, tensor.block, &work.values)?;
            let blocks = count / tensor.block.block_elements();
            work.stored.resize(blocks * tensor.block.block_bytes(), 0);
            quantise::quantise(tensor.block, &work.values, &mut work.stored)?;
        }
        work.chunk = Some((index, number));
        work.keep_scales(tensor);
        Ok(())
    }
}

impl<S: ByteSource> WeightSource for HuggingFace<S> {
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

impl<S: ByteSource> Packable for HuggingFace<S> {
    fn label(&self) -> &str {
        &self.label
    }

    fn metadata_bytes(&self) -> u64 {
        self.encoded().len() as u64
    }

    fn read_metadata(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(buf.len())?));
        match range.and_then(|range| self.encoded().get(range)) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(Error::Truncated {
                what: "the metadata".to_owned(),
                needed: offset.saturating_add(buf.len() as u64),
                available: self.metadata_bytes(),
            }),
        }
    }

    fn read_bytes(&self, index: usize, part: Part, offset: u64, buf: &mut [u8]) -> Result<()> {
        let tensor = self
            .table
            .tensors()
            .get(index)
            .ok_or_else(|| no_tensor(index))?;
        let (block, len) = (tensor.block, tensor.block.block_part_bytes(part));
        let blocks = tensor.elements() / block.block_elements() as u64;
        let left = blocks.saturating_mul(len as u64).saturating_sub(offset);
        let (mut out, padding) = buf.split_at_mut(left.min(buf.len() as u64) as usize);
        padding.fill(0);

        let chunk_bytes = (CHUNK / block.block_elements() * len) as u64;
        let mut work = self.work.borrow_mut();
        if part == Part::Scales
            && let Some(scales) = work.kept_scales(index, offset, out.len())
        {
            out.copy_from_slice(scales);
            return Ok(());
        }
        let mut at = offset;
        while !out.is_empty() {
            let skip = at % chunk_bytes;
            let count = (chunk_bytes - skip).min(out.len() as u64);
            let (head, tail) = out.split_at_mut(count as usize);
            self.convert(&mut work, index, at / chunk_bytes)?;
            copy_part(block, part, &work.stored, skip as usize, head);
            at += count;
            out = tail;
        }
        Ok(())
    }
}

/// Fills `out` from byte `skip` of `part` of these blocks.
fn copy_part(block: BlockType, part: Part, stored: &[u8], skip: usize, out: &mut [u8]) {
    let (bytes, len) = (block.block_bytes(), block.block_part_bytes(part));
    if bytes == len {
        if let Some(stored) = stored.get(skip..skip + out.len()) {
            out.copy_from_slice(stored);
        }
        return;
    }
    let mut scratch = [0; MAX_PART_BYTES];
    let Some(whole) = scratch.get_mut(..len) else {
        return;
    };
    let mut skip_in_block = skip % len;
    let mut rest = out;
    for stored in stored.chunks_exact(bytes).skip(skip / len) {
        let count = (len - skip_in_block).min(rest.len());
        let (head, tail) = rest.split_at_mut(count);
        part_of_block(block, part, stored, whole);
        head.copy_from_slice(&whole[skip_in_block..skip_in_block + count]);
        rest = tail;
        skip_in_block = 0;
    }
}

/// Checks that `block` can hold values that are about to be converted.
fn check_values(name: &str, block: BlockType, values: &[f32]) -> Result<()> {
    let limit = match block {
        BlockType::F32 | BlockType::Bf16 => f32::MAX,
        _ => MAX_HALF,
    };
    match values
        .iter()
        .find(|value| value.is_nan() || value.abs() > limit)
    {
        None => Ok(()),
        Some(value) => Err(Error::Unsupported {
            what: format!("tensor `{name}`, which holds {value}, as {block}"),
            remedy: "keep the model's own type, or fetch it again".to_owned(),
        }),
    }
}

fn no_tensor(index: usize) -> Error {
    Error::MissingTensor {
        name: format!("number {index}"),
    }
}
