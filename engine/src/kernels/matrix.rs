//! A weight matrix in its stored bits, in pieces that every device can bind.

use burn::tensor::{DType, Int, Shape, Tensor, TensorData};

use super::device::ComputeDevice;
use super::ops::EngineOps;
use super::params::{EmbedParams, LinearParams, Planes};
use crate::error::{Error, Result};
use crate::weights::{BlockType, Part, TensorInfo, WeightSource};
use burn::backend::Dispatch;

/// Most bytes of a piece. Half of WebGPU's default binding limit, and the most that the host's heap
/// holds of a matrix while it is loaded.
pub const PIECE_BYTES: u64 = 64 << 20;

/// Pieces start at a multiple of this many rows, so that each part of them begins on a whole word.
const ROW_STEP: u64 = 64;

/// Parts of a piece begin at multiples of this many bytes.
const QUAD_BYTES: u64 = 16;

/// Rows of a matrix on the device: [rows, cols] in the packed layout, part after part.
#[derive(Debug, Clone)]
struct Piece {
    first_row: usize,
    rows: usize,
    words: Tensor<1, Int>,
    planes: Planes,
}

/// A weight matrix [rows, cols].
#[derive(Debug, Clone)]
pub struct Matrix {
    block: BlockType,
    rows: usize,
    cols: usize,
    pieces: Vec<Piece>,
    bytes: u64,
    threads_per_row: usize,
    // Empty tensors are made on it.
    device: burn::tensor::Device,
}

impl Matrix {
    /// Copies a stored matrix to the device, at most `PIECE_BYTES` at a time.
    pub fn load(
        source: &dyn WeightSource,
        info: &TensorInfo,
        device: &ComputeDevice,
    ) -> Result<Self> {
        Self::load_in_pieces(source, info, device, PIECE_BYTES)
    }

    /// [`Self::load`] with another limit on a piece's bytes. A piece has 64 rows at least.
    pub fn load_in_pieces(
        source: &dyn WeightSource,
        info: &TensorInfo,
        device: &ComputeDevice,
        piece_bytes: u64,
    ) -> Result<Self> {
        let (rows, cols) = (info.rows(), info.cols());
        let step_bytes = info.stored_bytes() / rows.max(1) * ROW_STEP;
        let step = (piece_bytes / step_bytes.max(1)).max(1) * ROW_STEP;
        let mut pieces = Vec::new();
        let mut bytes = 0;
        let mut first_row = 0;
        while first_row < rows {
            let count = step.min(rows - first_row);
            let piece = Piece::load(source, info, device, first_row, count)?;
            bytes += 4 * piece.words.dims()[0] as u64;
            pieces.push(piece);
            first_row += count;
        }
        Ok(Self {
            block: info.block,
            rows: to_usize(rows)?,
            cols: to_usize(cols)?,
            pieces,
            bytes,
            threads_per_row: device.threads_per_row(),
            device: device.burn().clone(),
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Whether one piece holds all of it.
    pub fn is_whole(&self) -> bool {
        self.pieces.len() == 1
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `x · Wᵀ`. x: [tokens, cols] -> [tokens, rows]
    pub fn linear(&self, x: Tensor<2>) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let x = x.into_dispatch();
        let mut y = Tensor::<2>::empty([tokens, self.rows], &self.device).into_dispatch();
        for piece in &self.pieces {
            let params = LinearParams {
                block: self.block,
                planes: piece.planes,
                tokens,
                rows: piece.rows,
                cols: self.cols,
                first_row: piece.first_row,
                out_cols: self.rows,
            };
            let weights = piece.words.clone().into_dispatch();
            y = Dispatch::linear(x.clone(), weights, y, params, self.threads_per_row);
        }
        Tensor::from_dispatch(y)
    }

    /// `x · W`, for a dense matrix of one piece. x: [tokens, rows] -> [tokens, cols]
    pub fn linear_transposed(&self, x: Tensor<2>) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let piece = &self.pieces[0];
        let params = LinearParams {
            block: self.block,
            planes: piece.planes,
            tokens,
            rows: self.rows,
            cols: self.cols,
            first_row: 0,
            out_cols: self.cols,
        };
        Tensor::from_dispatch(Dispatch::linear_transposed(
            x.into_dispatch(),
            piece.words.clone().into_dispatch(),
            params,
        ))
    }

    /// Rows by id, each times `scale`. ids: `[tokens]`, each below `rows` -> [tokens, cols]
    pub fn embed(&self, ids: &[u32], scale: f32) -> Tensor<2> {
        let tokens = ids.len();
        let bytes = bytemuck::cast_slice(ids).to_vec();
        let ids = words_on(bytes, &self.device).into_dispatch();
        let mut y = Tensor::<2>::empty([tokens, self.cols], &self.device).into_dispatch();
        for piece in &self.pieces {
            let params = EmbedParams {
                block: self.block,
                planes: piece.planes,
                tokens,
                rows: piece.rows,
                cols: self.cols,
                first_row: piece.first_row,
                scale,
            };
            let weights = piece.words.clone().into_dispatch();
            y = Dispatch::embed(ids.clone(), weights, y, params);
        }
        Tensor::from_dispatch(y)
    }
}

impl Piece {
    /// Reads `rows` rows from `first_row` on, every part into one buffer.
    fn load(
        source: &dyn WeightSource,
        info: &TensorInfo,
        device: &ComputeDevice,
        first_row: u64,
        rows: u64,
    ) -> Result<Self> {
        let part_bytes = |part: Part, rows: u64| info.block.part_bytes(part, rows * info.cols());
        let mut starts = [0; 4];
        let mut end = 0;
        for part in Part::ALL {
            starts[part as usize] = end;
            end += part_bytes(part, rows).next_multiple_of(QUAD_BYTES);
        }
        let mut buffer = vec![0; to_usize(end)?];
        for &part in info.parts() {
            let start = to_usize(starts[part as usize])?;
            let length = to_usize(part_bytes(part, rows))?;
            let offset = part_bytes(part, first_row);
            source.read_part(info, part, offset, &mut buffer[start..start + length])?;
        }
        let quads = |part: Part| to_usize(starts[part as usize] / QUAD_BYTES);
        Ok(Self {
            first_row: to_usize(first_row)?,
            rows: to_usize(rows)?,
            // For as long as the model lives: in pages of just their size, not in those that results take turns in.
            words: device
                .burn()
                .memory_persistent_allocations(buffer, |buffer| words_on(buffer, device.burn())),
            planes: Planes {
                high: quads(Part::High)?,
                scales: quads(Part::Scales)?,
                super_scales: quads(Part::SuperScales)?,
            },
        })
    }
}

/// Bytes, a multiple of four, as words on the device.
fn words_on(bytes: Vec<u8>, device: &burn::tensor::Device) -> Tensor<1, Int> {
    let count = bytes.len() / 4;
    let bytes = burn::tensor::Bytes::from_bytes_vec(bytes);
    Tensor::from_data(
        TensorData::from_bytes(bytes, Shape::from([count]), DType::I32),
        device,
    )
}

fn to_usize(value: u64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::LimitExceeded {
        what: "a tensor's size".to_owned(),
        value,
        limit: usize::MAX as u64,
    })
}
