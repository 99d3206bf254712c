//! Writes GGUF files, version 3 (ggml/docs/gguf.md), in a stream: no more than one piece of a tensor is in memory.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Problem;
use crate::blocks::{Bits, Blocks};
use crate::tensors::Tensor;

/// What offsets of tensors are multiples of, where the metadata name nothing else.
const ALIGNMENT: u64 = 32;

/// Bytes that are made and written at a time, about.
const PIECE_BYTES: usize = 4 << 20;

/// Keys and values, encoded.
#[derive(Debug, Default, Clone)]
pub struct Metadata {
    count: u64,
    bytes: Vec<u8>,
}

impl Metadata {
    /// Adds a number.
    pub fn u16(&mut self, key: &str, value: u16) {
        self.entry(key, 2, &value.to_le_bytes());
    }

    /// Adds a number.
    pub fn u32(&mut self, key: &str, value: u32) {
        self.entry(key, 4, &value.to_le_bytes());
    }

    /// Adds a number.
    pub fn i32(&mut self, key: &str, value: i32) {
        self.entry(key, 5, &value.to_le_bytes());
    }

    /// Adds a number.
    pub fn f32(&mut self, key: &str, value: f32) {
        self.entry(key, 6, &value.to_le_bytes());
    }

    /// Adds true or false.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.entry(key, 7, &[u8::from(value)]);
    }

    /// Adds a text.
    pub fn string(&mut self, key: &str, value: &str) {
        self.entry(key, 8, &string(value));
    }

    /// Adds an array of texts.
    pub fn strings(&mut self, key: &str, values: &[String]) {
        let items: Vec<u8> = values.iter().flat_map(|value| string(value)).collect();
        self.array(key, 8, values.len(), &items);
    }

    /// Adds an array of numbers.
    pub fn f32s(&mut self, key: &str, values: &[f32]) {
        let items: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.array(key, 6, values.len(), &items);
    }

    /// Adds an array of numbers.
    pub fn i32s(&mut self, key: &str, values: &[i32]) {
        let items: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.array(key, 5, values.len(), &items);
    }

    fn array(&mut self, key: &str, kind: u32, count: usize, items: &[u8]) {
        let head = [&kind.to_le_bytes()[..], &(count as u64).to_le_bytes()].concat();
        self.entry(key, 9, &[&head, items].concat());
    }

    fn entry(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.count += 1;
        self.bytes.extend(string(key));
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(value);
    }
}

/// Writes one file -> its bytes.
pub fn write(
    path: &Path,
    metadata: &Metadata,
    tensors: &[Tensor],
    seed: u64,
) -> Result<u64, Problem> {
    let failed = |error: std::io::Error| Problem::file(path, &error);
    let mut file = File::create(path).map_err(failed)?;
    let header = header(metadata, tensors);
    file.write_all(&header).map_err(failed)?;
    let mut written = header.len() as u64;
    let mut piece = Vec::new();
    for tensor in tensors {
        let mut blocks = Blocks::new(tensor.block, tensor.fill, Bits::of(seed, &tensor.name));
        let most = PIECE_BYTES / tensor.block.block_bytes() * tensor.block.block_bytes();
        let mut left = tensor.bytes();
        while left > 0 {
            piece.resize(left.min(most as u64) as usize, 0);
            blocks.fill(&mut piece);
            left -= piece.len() as u64;
            written += piece.len() as u64;
            if left == 0 {
                let padding = written.next_multiple_of(ALIGNMENT) - written;
                piece.resize(piece.len() + padding as usize, 0);
                written += padding;
            }
            file.write_all(&piece).map_err(failed)?;
        }
    }
    Ok(written)
}

/// Writes a model in `count` files of about the same length, named as llama.cpp's gguf-split names them -> paths and bytes.
///
/// The first has the metadata.
pub fn write_split(
    path: &Path,
    metadata: &Metadata,
    tensors: &[Tensor],
    seed: u64,
    count: u16,
) -> Result<Vec<(PathBuf, u64)>, Problem> {
    let total: u64 = tensors.iter().map(Tensor::bytes).sum();
    let (mut before, mut rest) = (0, tensors);
    let mut files = Vec::new();
    for number in 0..count {
        let end = total * u64::from(number + 1) / u64::from(count);
        let mut taken = 0;
        for tensor in rest {
            if before >= end {
                break;
            }
            before += tensor.bytes();
            taken += 1;
        }
        let (own, others) = rest.split_at(taken);
        rest = others;
        let mut metadata = match number {
            0 => metadata.clone(),
            _ => Metadata::default(),
        };
        metadata.u16("split.no", number);
        metadata.u16("split.count", count);
        metadata.i32("split.tensors.count", tensors.len() as i32);
        let stem = path.with_extension("");
        let name = stem.file_name().unwrap_or_default().to_string_lossy();
        let part = path.with_file_name(format!("{name}-{:05}-of-{count:05}.gguf", number + 1));
        let bytes = write(&part, &metadata, own, seed)?;
        files.push((part, bytes));
    }
    Ok(files)
}

/// Everything before the tensors' data, padding included.
fn header(metadata: &Metadata, tensors: &[Tensor]) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend(metadata.count.to_le_bytes());
    out.extend(&metadata.bytes);
    let mut offset = 0u64;
    for tensor in tensors {
        out.extend(string(&tensor.name));
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        // GGUF names the contiguous dimension first.
        out.extend(
            tensor
                .shape
                .iter()
                .rev()
                .flat_map(|size| size.to_le_bytes()),
        );
        out.extend(tensor.block.ggml_id().to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset = (offset + tensor.bytes()).next_multiple_of(ALIGNMENT);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
    out
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}
