//! What every format checks about its tensors, and finding them by name.

use std::collections::BTreeMap;
use std::ops::Range;

use super::limits::{MAX_DIMS, MAX_NAME_BYTES, MAX_TENSORS};
use super::{BlockType, Part, TensorInfo};
use crate::error::{Error, Result, shown};

/// Tensors of one source, in its order, with unique names.
#[derive(Debug)]
pub(super) struct TensorTable {
    tensors: Vec<TensorInfo>,
    by_name: BTreeMap<String, usize>,
}

impl TensorTable {
    /// Refuses names that occur twice. `format` is for the message.
    pub(super) fn new(tensors: Vec<TensorInfo>, format: &'static str) -> Result<Self> {
        let mut by_name = BTreeMap::new();
        for (index, tensor) in tensors.iter().enumerate() {
            if by_name.insert(tensor.name.clone(), index).is_some() {
                let detail = format!("tensor `{}` occurs twice", tensor.name);
                return Err(Error::Malformed { format, detail });
            }
        }
        Ok(Self { tensors, by_name })
    }

    pub(super) fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    pub(super) fn get(&self, name: &str) -> Option<&TensorInfo> {
        self.by_name
            .get(name)
            .and_then(|&index| self.tensors.get(index))
    }

    /// Index and own description of `tensor`, if `len` bytes at `offset` of its `part` may be read.
    pub(super) fn locate(
        &self,
        tensor: &TensorInfo,
        part: Part,
        offset: u64,
        len: usize,
    ) -> Result<(usize, &TensorInfo)> {
        let found = self.by_name.get(&tensor.name);
        let Some((index, own)) = found.and_then(|&i| Some((i, self.tensors.get(i)?))) else {
            return Err(Error::MissingTensor {
                name: tensor.name.clone(),
            });
        };
        if own.block != tensor.block || own.elements() != tensor.elements() {
            return Err(Error::TensorShape {
                name: tensor.name.clone(),
                expected: tensor.shape.clone(),
                found: own.shape.clone(),
            });
        }
        let bytes = own.part_bytes(part);
        let len = len as u64;
        let inside = offset.checked_add(len).is_some_and(|end| end <= bytes);
        if !inside || !offset.is_multiple_of(4) || !len.is_multiple_of(4) {
            return Err(Error::Request {
                problem: format!(
                    "there are no {len} bytes at {offset} of the {bytes} bytes of {} of tensor `{}`",
                    part.name(),
                    tensor.name
                ),
                remedy: "read whole words within the part".to_owned(),
            });
        }
        Ok((index, own))
    }
}

/// Checks the number of tensors.
pub(super) fn check_count(count: u64) -> Result<()> {
    match count <= MAX_TENSORS {
        true => Ok(()),
        false => Err(Error::LimitExceeded {
            what: "the number of tensors".to_owned(),
            value: count,
            limit: MAX_TENSORS,
        }),
    }
}

/// Checks that a tensor has a name of sensible length. It is printed as it is, so it must be printable.
pub(super) fn check_name(name: &str, format: &'static str) -> Result<()> {
    let damaged = |detail: String| Err(Error::Malformed { format, detail });
    if name.is_empty() {
        return damaged("a tensor has no name".to_owned());
    }
    if name.chars().any(char::is_control) {
        return damaged(format!("`{}` is no name of a tensor", shown(name)));
    }
    match name.len() as u64 <= MAX_NAME_BYTES {
        true => Ok(()),
        false => Err(Error::LimitExceeded {
            what: "the length of a tensor's name".to_owned(),
            value: name.len() as u64,
            limit: MAX_NAME_BYTES,
        }),
    }
}

/// Checks the number of dimensions of tensor `name`.
pub(super) fn check_dims(name: &str, dims: u64) -> Result<()> {
    match dims <= MAX_DIMS {
        true => Ok(()),
        false => Err(Error::LimitExceeded {
            what: format!("the number of dimensions of tensor `{name}`"),
            value: dims,
            limit: MAX_DIMS,
        }),
    }
}

/// Checks that `shape` is one that a tensor of whole blocks can have, and returns its stored bytes.
pub(super) fn check_shape(
    name: &str,
    shape: &[u64],
    block: BlockType,
    format: &'static str,
) -> Result<u64> {
    check_dims(name, shape.len() as u64)?;
    let damaged = |problem: &str| Error::Malformed {
        format,
        detail: format!("tensor `{name}` has shape {shape:?}, {problem}"),
    };
    let Some(&cols) = shape.last() else {
        return Err(damaged("without any dimension"));
    };
    if shape.contains(&0) {
        return Err(damaged("with an empty dimension"));
    }
    if cols % block.block_elements() as u64 != 0 {
        let problem = format!("whose rows are no whole blocks of {block}");
        return Err(damaged(&problem));
    }
    bytes_of(
        shape,
        block.block_bytes() as u64,
        block.block_elements() as u64,
    )
    .ok_or_else(|| damaged("which is too large for any file"))
}

/// Bytes of `shape` if blocks of `elements` elements take `bytes` bytes; `None` on overflow.
pub(super) fn bytes_of(shape: &[u64], bytes: u64, elements: u64) -> Option<u64> {
    let all = shape
        .iter()
        .try_fold(1u64, |all, &size| all.checked_mul(size))?;
    // Padding to whole words and to alignments comes on top, so the last bits stay free.
    (all / elements).checked_mul(bytes).filter(|&b| b < 1 << 60)
}

/// Checks that no two ranges share a byte.
pub(super) fn check_disjoint(
    mut ranges: Vec<(Range<u64>, &str)>,
    format: &'static str,
) -> Result<()> {
    ranges.sort_by_key(|(range, _)| (range.start, range.end));
    let mut neighbours = ranges.iter().zip(ranges.iter().skip(1));
    match neighbours.find(|((a, _), (b, _))| a.end > b.start) {
        None => Ok(()),
        Some(((_, a), (_, b))) => Err(Error::Malformed {
            format,
            detail: format!("`{a}` and `{b}` overlap"),
        }),
    }
}
