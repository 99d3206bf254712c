//! A weight matrix in its stored bits, in pieces that every device can bind.

use std::ops::Range;

use burn::tensor::{DType, Int, Shape, Tensor, TensorData};

use super::device::ComputeDevice;
use super::ops::EngineOps;
use super::params::{EmbedParams, LinearParams, Planes};
use super::tensor::geglu;
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
    block: BlockType,
    first_row: usize,
    rows: usize,
    words: Tensor<1, Int>,
    planes: Planes,
}

/// A weight matrix [rows, cols].
#[derive(Debug, Clone)]
pub struct Matrix {
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
        Self::load_stacked(source, &[info], device, PIECE_BYTES)
    }

    /// Copies stored matrices of equal width to the device as one, the rows of each below those of the one before.
    /// Neighbours of one type share pieces. A piece has at most `piece_bytes`, but 64 rows at least.
    pub fn load_stacked(
        source: &dyn WeightSource,
        infos: &[&TensorInfo],
        device: &ComputeDevice,
        piece_bytes: u64,
    ) -> Result<Self> {
        let cols = infos.first().map_or(0, |info| info.cols());
        let mut pieces = Vec::new();
        let mut bytes = 0;
        let mut rows = 0;
        for stack in infos.chunk_by(|a, b| a.block == b.block) {
            let stack = Stack { infos: stack, cols };
            let stack_rows = stack.rows();
            let step = (piece_bytes / stack.bytes_of(ROW_STEP).max(1)).max(1) * ROW_STEP;
            let mut first_row = 0;
            while first_row < stack_rows {
                let range = first_row..(first_row + step).min(stack_rows);
                first_row = range.end;
                let piece = stack.load(source, device, range, rows)?;
                bytes += 4 * piece.words.dims()[0] as u64;
                pieces.push(piece);
            }
            rows += stack_rows;
        }
        Ok(Self {
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
            let weights = piece.words.clone().into_dispatch();
            let params = self.params(piece, tokens);
            y = Dispatch::linear(x.clone(), weights, y, params, self.threads_per_row);
        }
        Tensor::from_dispatch(y)
    }

    /// `gelu_tanh(x · Gᵀ) · (x · Uᵀ)`, where this is `G` with `U` below it. x: [tokens, cols] -> [tokens, rows / 2]
    pub fn linear_geglu(&self, x: Tensor<2>) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let [piece] = self.pieces.as_slice() else {
            return geglu(self.linear(x));
        };
        if tokens > 1 || !piece.is_aligned(self.cols) {
            return geglu(self.linear(x));
        }
        let y = Tensor::<2>::empty([tokens, self.rows / 2], &self.device).into_dispatch();
        Tensor::from_dispatch(Dispatch::linear_geglu(
            x.into_dispatch(),
            piece.words.clone().into_dispatch(),
            y,
            self.params(piece, tokens),
            self.threads_per_row,
        ))
    }

    /// `x · W`, for a dense matrix of one piece. x: [tokens, rows] -> [tokens, cols]
    pub fn linear_transposed(&self, x: Tensor<2>) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let piece = &self.pieces[0];
        let params = LinearParams {
            out_cols: self.cols,
            ..self.params(piece, tokens)
        };
        Tensor::from_dispatch(Dispatch::linear_transposed(
            x.into_dispatch(),
            piece.words.clone().into_dispatch(),
            params,
        ))
    }

    fn params(&self, piece: &Piece, tokens: usize) -> LinearParams {
        LinearParams {
            block: piece.block,
            planes: piece.planes,
            tokens,
            rows: piece.rows,
            cols: self.cols,
            first_row: piece.first_row,
            out_cols: self.rows,
        }
    }

    /// The row of the one token that `state` names, times `scale`. state: `[2]`, id and position -> [1, cols]
    pub fn embed_step(&self, state: &Tensor<1, Int>, scale: f32) -> Tensor<2> {
        self.embed_on_device(state.clone(), 1, scale)
    }

    /// Rows by id, each times `scale`. ids: `[tokens]`, each below `rows` -> [tokens, cols]
    pub fn embed(&self, ids: &[u32], scale: f32) -> Tensor<2> {
        let bytes = bytemuck::cast_slice(ids).to_vec();
        self.embed_on_device(words_on(bytes, &self.device), ids.len(), scale)
    }

    fn embed_on_device(&self, ids: Tensor<1, Int>, tokens: usize, scale: f32) -> Tensor<2> {
        let ids = ids.into_dispatch();
        let mut y = Tensor::<2>::empty([tokens, self.cols], &self.device).into_dispatch();
        for piece in &self.pieces {
            let params = EmbedParams {
                block: piece.block,
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
    /// Whether rows of `cols` are whole octets.
    fn is_aligned(&self, cols: usize) -> bool {
        cols.is_multiple_of(8) && self.rows.is_multiple_of(2)
    }
}

/// Stored matrices of one type and width, below each other.
struct Stack<'a> {
    infos: &'a [&'a TensorInfo],
    cols: u64,
}

impl Stack<'_> {
    fn rows(&self) -> u64 {
        self.infos.iter().map(|info| info.rows()).sum()
    }

    fn block(&self) -> BlockType {
        self.infos[0].block
    }

    fn part_bytes(&self, part: Part, rows: u64) -> u64 {
        self.block().part_bytes(part, rows * self.cols)
    }

    fn bytes_of(&self, rows: u64) -> u64 {
        let parts = self.infos[0].parts().iter();
        parts.map(|part| self.part_bytes(*part, rows)).sum()
    }

    /// Reads rows of the stack, every part of all of them into one buffer; `above` rows of the matrix are above the stack.
    fn load(
        &self,
        source: &dyn WeightSource,
        device: &ComputeDevice,
        range: Range<u64>,
        above: u64,
    ) -> Result<Piece> {
        let rows = range.end - range.start;
        let mut starts = [0; 4];
        let mut end = 0;
        for part in Part::ALL {
            starts[part as usize] = end;
            end += self.part_bytes(part, rows).next_multiple_of(QUAD_BYTES);
        }
        let mut buffer = vec![0; to_usize(end)?];
        let mut first = 0;
        for info in self.infos {
            // The rows of this tensor that are wanted, counted from its own first one.
            let wanted = range.start.clamp(first, first + info.rows()) - first
                ..range.end.clamp(first, first + info.rows()) - first;
            let below = (first + wanted.start).saturating_sub(range.start);
            first += info.rows();
            if wanted.is_empty() {
                continue;
            }
            for &part in info.parts() {
                let start = starts[part as usize] + self.part_bytes(part, below);
                let length = self.part_bytes(part, wanted.end - wanted.start);
                let target = to_usize(start)?..to_usize(start + length)?;
                let offset = self.part_bytes(part, wanted.start);
                source.read_part(info, part, offset, &mut buffer[target])?;
            }
        }
        let quads = |part: Part| to_usize(starts[part as usize] / QUAD_BYTES);
        Ok(Piece {
            block: self.block(),
            first_row: to_usize(above + range.start)?,
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
pub(super) fn words_on(bytes: Vec<u8>, device: &burn::tensor::Device) -> Tensor<1, Int> {
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
