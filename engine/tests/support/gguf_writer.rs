//! Writes GGUF files for tests, sound ones and broken ones.
//!
//! Everything is written as it is given. What is not given follows from the rest: counts, offsets, alignment.

#![allow(dead_code)] // Each test binary uses a part of it.
#![allow(clippy::unwrap_used)]

use outpost_engine::ports::ByteSource;
use outpost_engine::weights::{Array, BlockType, Gguf, TensorInfo, Value, WeightSource};

/// A GGUF file in the making.
#[derive(Debug, Clone)]
pub struct GgufWriter {
    /// Four bytes at the start.
    pub magic: [u8; 4],
    /// Version of the format.
    pub version: u32,
    /// Padding of tensors. [`alignment`](Self::alignment) also writes it to the metadata.
    pub pad_to: usize,
    /// Number of tensors that the header claims, if it lies.
    pub tensor_count: Option<u64>,
    /// Number of metadata keys that the header claims, if it lies.
    pub metadata_count: Option<u64>,
    /// Keys and values, encoded.
    metadata: Vec<Vec<u8>>,
    /// Tensors in order.
    tensors: Vec<RawTensor>,
}

/// A tensor as the file describes it, whatever that is.
#[derive(Debug, Clone)]
pub struct RawTensor {
    /// Bytes of the name.
    pub name: Vec<u8>,
    /// Length of the name that is claimed, if it is a lie.
    pub name_bytes: Option<u64>,
    /// Number of dimensions that is claimed, if it is a lie.
    pub dims: Option<u32>,
    /// Dimensions in GGUF's order, the contiguous one first.
    pub ne: Vec<u64>,
    /// Number of the type.
    pub type_id: u32,
    /// Offset that is claimed, if it is a lie.
    pub offset: Option<u64>,
    /// Stored bytes.
    pub bytes: Vec<u8>,
}

impl GgufWriter {
    /// Version 3 with nothing in it.
    pub fn new() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            pad_to: 32,
            tensor_count: None,
            metadata_count: None,
            metadata: Vec::new(),
            tensors: Vec::new(),
        }
    }

    /// Aligns tensors to `bytes` and says so in the metadata.
    pub fn alignment(mut self, bytes: u32) -> Self {
        self.pad_to = bytes as usize;
        self.value("general.alignment", &Value::U32(bytes))
    }

    /// Adds a key.
    pub fn value(self, key: &str, value: &Value) -> Self {
        let (type_id, payload) = encode(value);
        self.raw_value(key, type_id, &payload)
    }

    /// Adds a key whose value is whatever `payload` is.
    pub fn raw_value(self, key: &str, type_id: u32, payload: &[u8]) -> Self {
        let mut entry = string(key.as_bytes());
        entry.extend(type_id.to_le_bytes());
        entry.extend(payload);
        self.raw_entry(entry)
    }

    /// Adds bytes in the place of a key with its value.
    pub fn raw_entry(mut self, bytes: Vec<u8>) -> Self {
        self.metadata.push(bytes);
        self
    }

    /// Adds a tensor. shape: contiguous dimension last; bytes: stored blocks.
    pub fn tensor(self, name: &str, shape: &[u64], block: BlockType, bytes: &[u8]) -> Self {
        self.raw_tensor(RawTensor::new(name, shape, block, bytes))
    }

    /// Adds a tensor that may contradict itself.
    pub fn raw_tensor(mut self, tensor: RawTensor) -> Self {
        self.tensors.push(tensor);
        self
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.magic);
        out.extend(self.version.to_le_bytes());
        let tensors = self.tensors.len() as u64;
        out.extend(self.tensor_count.unwrap_or(tensors).to_le_bytes());
        let keys = self.metadata.len() as u64;
        out.extend(self.metadata_count.unwrap_or(keys).to_le_bytes());
        out.extend(self.metadata.concat());

        let mut data = Vec::new();
        for tensor in &self.tensors {
            pad(&mut data, self.pad_to);
            out.extend(tensor.describe(data.len() as u64));
            data.extend(&tensor.bytes);
        }
        if !data.is_empty() {
            pad(&mut out, self.pad_to);
        }
        out.extend(data);
        out
    }
}

impl RawTensor {
    /// A sound tensor. shape: contiguous dimension last; bytes: stored blocks.
    pub fn new(name: &str, shape: &[u64], block: BlockType, bytes: &[u8]) -> Self {
        Self {
            name: name.into(),
            name_bytes: None,
            dims: None,
            ne: shape.iter().rev().copied().collect(),
            type_id: block.ggml_id(),
            offset: None,
            bytes: bytes.to_vec(),
        }
    }

    fn describe(&self, offset: u64) -> Vec<u8> {
        let mut out = Vec::new();
        let name_bytes = self.name_bytes.unwrap_or(self.name.len() as u64);
        out.extend(name_bytes.to_le_bytes());
        out.extend(&self.name);
        out.extend(self.dims.unwrap_or(self.ne.len() as u32).to_le_bytes());
        out.extend(self.ne.iter().flat_map(|size| size.to_le_bytes()));
        out.extend(self.type_id.to_le_bytes());
        out.extend(self.offset.unwrap_or(offset).to_le_bytes());
        out
    }
}

/// The same model with every tensor as F32.
pub fn expand_to_f32<S: ByteSource>(gguf: &Gguf<S>) -> Vec<u8> {
    let mut writer = GgufWriter::new();
    writer.pad_to = gguf.alignment() as usize;
    for (key, value) in gguf.metadata().iter() {
        writer = writer.value(key, value);
    }
    for tensor in gguf.tensors() {
        let TensorInfo { name, shape, .. } = tensor;
        let values = gguf.read_f32(tensor).unwrap();
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        writer = writer.tensor(name, shape, BlockType::F32, &bytes);
    }
    writer.bytes()
}

/// A string as GGUF has it.
pub fn string(text: &[u8]) -> Vec<u8> {
    let mut out = (text.len() as u64).to_le_bytes().to_vec();
    out.extend(text);
    out
}

/// The number of a value's type, and the value.
pub fn encode(value: &Value) -> (u32, Vec<u8>) {
    match value {
        Value::U8(n) => (0, n.to_le_bytes().to_vec()),
        Value::I8(n) => (1, n.to_le_bytes().to_vec()),
        Value::U16(n) => (2, n.to_le_bytes().to_vec()),
        Value::I16(n) => (3, n.to_le_bytes().to_vec()),
        Value::U32(n) => (4, n.to_le_bytes().to_vec()),
        Value::I32(n) => (5, n.to_le_bytes().to_vec()),
        Value::F32(n) => (6, n.to_le_bytes().to_vec()),
        Value::Bool(is) => (7, vec![u8::from(*is)]),
        Value::String(text) => (8, string(text.as_bytes())),
        Value::Array(array) => (9, encode_array(array)),
        Value::U64(n) => (10, n.to_le_bytes().to_vec()),
        Value::I64(n) => (11, n.to_le_bytes().to_vec()),
        Value::F64(n) => (12, n.to_le_bytes().to_vec()),
    }
}

fn encode_array(array: &Array) -> Vec<u8> {
    match array {
        Array::U8(items) => list(items, |n| Value::U8(*n), 0),
        Array::I8(items) => list(items, |n| Value::I8(*n), 1),
        Array::U16(items) => list(items, |n| Value::U16(*n), 2),
        Array::I16(items) => list(items, |n| Value::I16(*n), 3),
        Array::U32(items) => list(items, |n| Value::U32(*n), 4),
        Array::I32(items) => list(items, |n| Value::I32(*n), 5),
        Array::F32(items) => list(items, |n| Value::F32(*n), 6),
        Array::Bool(items) => list(items, |is| Value::Bool(*is), 7),
        Array::String(items) => list(items, |text| Value::String(text.clone()), 8),
        Array::U64(items) => list(items, |n| Value::U64(*n), 10),
        Array::I64(items) => list(items, |n| Value::I64(*n), 11),
        Array::F64(items) => list(items, |n| Value::F64(*n), 12),
    }
}

fn list<T>(items: &[T], value: impl Fn(&T) -> Value, type_id: u32) -> Vec<u8> {
    let mut out = array_head(type_id, items.len() as u64);
    out.extend(items.iter().flat_map(|item| encode(&value(item)).1));
    out
}

/// The beginning of an array that claims to hold `count` items.
pub fn array_head(type_id: u32, count: u64) -> Vec<u8> {
    let mut out = type_id.to_le_bytes().to_vec();
    out.extend(count.to_le_bytes());
    out
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to.max(1)), 0);
}
