//! Untrusted bytes to typed tensors: GGUF and safetensors files, and the shard sets that models are stored as.
//!
//! Every count, length and offset is checked in `u64` before anything is allocated. Nothing here knows what a tensor is
//! for, and a tensor's data are never held as a whole: readers ask for ranges and get them in the layout that the GPU
//! uses.

pub mod block;
mod block_type;
mod gguf;
mod header;
pub mod huggingface;
mod layout;
pub mod limits;
mod metadata;
mod metadata_writer;
pub mod quantise;
mod safetensors;
pub mod shards;
mod split;
mod table;

use crate::error::{Error, Result};

pub use block_type::{BlockType, Part};
pub use gguf::Gguf;
pub use metadata::{Array, Metadata, Value};
pub use safetensors::{Safetensors, SafetensorsEntry};
pub use split::SplitName;

/// Name, shape and type of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name, unique in its source.
    pub name: String,
    /// Size of each dimension, the contiguous one last: the reverse of GGUF's order.
    pub shape: Vec<u64>,
    /// How the elements are stored.
    pub block: BlockType,
}

/// Tensors and metadata, wherever they are stored.
pub trait WeightSource {
    /// What the file says about its model.
    fn metadata(&self) -> &Metadata;

    /// All tensors, in the order in which they are stored.
    fn tensors(&self) -> &[TensorInfo];

    /// The tensor called `name`.
    fn tensor(&self, name: &str) -> Option<&TensorInfo>;

    /// What is the same only where every byte is: a hash. `None` where nothing says so without reading all of them.
    fn identity(&self) -> Option<[u8; 32]> {
        None
    }

    /// Fills `buf` with bytes `offset..offset + buf.len()` of a part of `tensor`, in the layout that [`Part`] defines.
    ///
    /// `tensor` is found by its name; its shape may be another one of as many elements. `offset` and the length of `buf`
    /// are multiples of four within [`BlockType::part_bytes`].
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`] or [`Error::Request`] if there are no such bytes, and the errors
    /// of the source below.
    fn read_part(&self, tensor: &TensorInfo, part: Part, offset: u64, buf: &mut [u8])
    -> Result<()>;

    /// The tensor called `name`, which must have `shape`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] and [`Error::TensorShape`].
    fn require(&self, name: &str, shape: &[u64]) -> Result<&TensorInfo> {
        let missing = || Error::MissingTensor {
            name: name.to_owned(),
        };
        let tensor = self.tensor(name).ok_or_else(missing)?;
        if tensor.shape != shape {
            return Err(Error::TensorShape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: tensor.shape.clone(),
            });
        }
        Ok(tensor)
    }

    /// All elements of a small tensor, such as a norm or a bias.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than [`limits::MAX_F32_ELEMENTS`] elements, and those of
    /// [`read_part`](Self::read_part).
    fn read_f32(&self, tensor: &TensorInfo) -> Result<Vec<f32>> {
        read_f32(self, tensor)
    }
}

impl TensorInfo {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        product(&self.shape)
    }

    /// Number of rows: the product of all dimensions but the last.
    pub fn rows(&self) -> u64 {
        product(self.shape.split_last().map_or(&[], |(_, rows)| rows))
    }

    /// Elements of a row: the last dimension.
    pub fn cols(&self) -> u64 {
        self.shape.last().copied().unwrap_or(1)
    }

    /// The parts that it has on the GPU.
    pub fn parts(&self) -> &'static [Part] {
        self.block.parts()
    }

    /// Bytes of a part, padding included.
    pub fn part_bytes(&self, part: Part) -> u64 {
        self.block.part_bytes(part, self.elements())
    }

    /// Bytes that it takes in a GGUF file.
    pub fn stored_bytes(&self) -> u64 {
        let blocks = self.elements() / self.block.block_elements() as u64;
        blocks.saturating_mul(self.block.block_bytes() as u64)
    }
}

/// The name of the type that most bytes of `tensors` have, such as `Q4_0`; empty without tensors.
pub fn main_type(tensors: &[TensorInfo]) -> &'static str {
    let mut bytes: Vec<(&str, u64)> = Vec::new();
    for tensor in tensors {
        let name = tensor.block.name();
        let more = tensor.stored_bytes();
        match bytes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum = sum.saturating_add(more),
            None => bytes.push((name, more)),
        }
    }
    let most = bytes.into_iter().max_by_key(|(_, bytes)| *bytes);
    most.map_or("", |(name, _)| name)
}

/// Saturates, so that shapes that nobody has checked make no harm.
fn product(shape: &[u64]) -> u64 {
    shape.iter().fold(1, |all, &size| all.saturating_mul(size))
}

/// Elements that are dequantised at a time; whole words of each part.
const F32_STEP: u64 = 1 << 15;

fn read_f32<S: WeightSource + ?Sized>(source: &S, tensor: &TensorInfo) -> Result<Vec<f32>> {
    let elements = tensor.elements();
    if elements > limits::MAX_F32_ELEMENTS {
        return Err(Error::LimitExceeded {
            what: format!("the size of tensor `{}`, read as f32,", tensor.name),
            value: elements,
            limit: limits::MAX_F32_ELEMENTS,
        });
    }
    // Before memory is taken: the source may hold no such tensor.
    source.read_part(tensor, Part::Values, 0, &mut [])?;
    let mut out = vec![0.0; elements as usize];
    let mut buffers = Part::ALL.map(|_| Vec::new());
    let mut first = 0;
    for chunk in out.chunks_mut(F32_STEP as usize) {
        for (part, buffer) in Part::ALL.into_iter().zip(&mut buffers) {
            let bytes = tensor.block.part_bytes(part, chunk.len() as u64);
            buffer.resize(bytes as usize, 0);
            if !buffer.is_empty() {
                let start = tensor.block.part_bytes(part, first);
                source.read_part(tensor, part, start, buffer)?;
            }
        }
        block::dequantise_parts(tensor.block, buffers.each_ref().map(Vec::as_slice), chunk);
        first += F32_STEP;
    }
    Ok(out)
}
