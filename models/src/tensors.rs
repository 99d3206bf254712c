//! Writing tensors to a safetensors file.

use std::borrow::Cow;
use std::path::Path;

use safetensors::{Dtype, View};

use crate::error::{Error, Result};

/// A tensor to write, little-endian.
#[derive(Debug)]
pub struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    /// values: row-major, as many as `shape` says.
    pub fn f32(shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self {
            dtype: Dtype::F32,
            shape,
            bytes,
        }
    }

    /// Token ids as i32: `[n]`
    pub fn tokens(tokens: &[u32]) -> Self {
        let bytes = tokens
            .iter()
            .flat_map(|token| token.to_le_bytes())
            .collect();
        Self {
            dtype: Dtype::I32,
            shape: vec![tokens.len()],
            bytes,
        }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes named tensors.
pub fn write(path: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    let views = tensors.iter().map(|(name, tensor)| (name, tensor));
    safetensors::serialize_to_file(views, None, path).map_err(|error| {
        Error::file(
            path,
            format!("cannot be written ({error})"),
            "check the directory, its permissions and the free space",
        )
    })
}
