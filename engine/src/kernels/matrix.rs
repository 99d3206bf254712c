//! A weight matrix in its stored bits, in pieces that every device can bind.

use std::ops::Range;
use std::rc::Rc;

use burn::tensor::{DType, Int, Shape, Tensor, TensorData};

use super::device::ComputeDevice;
use super::lent_rows::LentRows;
use super::ops::EngineOps;
use super::params::{EmbedParams, LinearParams, Planes, Tuning};
use super::tensor::geglu;
use crate::error::{Error, Result};
use crate::weights::{BlockType, Part, TensorInfo, WeightSource};
use burn::backend::Dispatch;

/// Most bytes of a piece. Half of WebGPU's default binding limit, and the most that the host's heap
/// holds of a matrix while it is loaded.
pub const PIECE_BYTES: u64 = 64 << 20;

/// Pieces start at a multiple of this many rows, so that each part of them begins on a whole word.
const ROW_STEP: u64 = 64;

/// Fewest bytes of a matrix whose rows are shared with other threads: waking them takes as long as reading some of this.
const LEAST_LENT_BYTES: u64 = 128 << 10;

/// Parts of a piece begin at multiples of this many bytes.
const QUAD_BYTES: u64 = 16;

/// Rows of a matrix on the device: [rows, cols] in the packed layout, part after part.
#[derive(Debug, Clone)]
struct Piece {
    span: RowSpan,
    words: Tensor<1, Int>,
}

/// Which rows a piece has, and how they lie in its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowSpan {
    pub block: BlockType,
    pub first_row: usize,
    pub rows: usize,
    pub planes: Planes,
}

/// A weight matrix [rows, cols].
#[derive(Debug, Clone)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    pieces: Vec<Piece>,
    /// The rows that other threads hold.
    lent: Option<Rc<LentRows>>,
    bytes: u64,
    tuning: Tuning,
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

    /// [`load`](Self::load) for [`linear_transposed`](Self::linear_transposed), which needs all rows in one piece.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for a matrix of more than `PIECE_BYTES`.
    pub fn load_whole(
        source: &dyn WeightSource,
        info: &TensorInfo,
        device: &ComputeDevice,
    ) -> Result<Self> {
        let alone = device.with_helpers(None);
        let matrix = Self::load_stacked(source, &[info], &alone, PIECE_BYTES)?;
        match matrix.pieces.len() {
            1 => Ok(matrix),
            _ => Err(Error::LimitExceeded {
                what: format!("the size of tensor `{}` in bytes", info.name),
                value: matrix.bytes,
                limit: PIECE_BYTES,
            }),
        }
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
        let bytes = infos.iter().map(|info| info.stored_bytes()).sum::<u64>();
        let lendable = device.helpers().filter(|_| bytes >= LEAST_LENT_BYTES);
        let threads = lendable.map_or(1, |helpers| 1 + helpers.count());
        let mut lent = lendable.map(LentRows::new);
        let mut pieces = Vec::new();
        let mut bytes = 0;
        let mut rows = 0;
        for stack in infos.chunk_by(|a, b| a.block == b.block) {
            let stack = Stack { infos: stack, cols };
            let stack_rows = stack.rows();
            let step = (piece_bytes / stack.bytes_of(ROW_STEP).max(1)).max(1) * ROW_STEP;
            // Each thread gets as many rows of each stack.
            let share = stack_rows.div_ceil(threads as u64);
            let share = share.next_multiple_of(ROW_STEP);
            let mut first_row = 0;
            while first_row < stack_rows {
                let owner = first_row / share;
                let end = (first_row + step).min((owner + 1) * share).min(stack_rows);
                let (span, buffer) = stack.read(source, first_row..end, rows)?;
                first_row = end;
                bytes += buffer.len() as u64;
                match (&mut lent, to_usize(owner)?.checked_sub(1)) {
                    (Some(lent), Some(helper)) => lent.keep(helper, span, &buffer)?,
                    _ => pieces.push(Piece::new(span, buffer, device)),
                }
            }
            rows += stack_rows;
        }
        Ok(Self {
            rows: to_usize(rows)?,
            cols: to_usize(cols)?,
            pieces,
            lent: lent.filter(|lent| !lent.is_empty()).map(Rc::new),
            bytes,
            tuning: device.tuning(),
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

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `x · Wᵀ`. x: [tokens, cols] -> [tokens, rows]
    pub fn linear(&self, x: Tensor<2>) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let spans = || self.pieces.iter().map(|piece| self.params(piece, tokens));
        if let Some(lent) = &self.lent {
            let weights = self.pieces.iter().map(|piece| &piece.words);
            let own = weights.zip(spans()).collect();
            return lent.linear(x, own, [tokens, self.rows], self.tuning);
        }
        let x = x.into_dispatch();
        let mut y = Tensor::<2>::empty([tokens, self.rows], &self.device).into_dispatch();
        for (piece, params) in self.pieces.iter().zip(spans()) {
            let weights = piece.words.clone().into_dispatch();
            y = Dispatch::linear(x.clone(), weights, y, params, self.tuning);
        }
        Tensor::from_dispatch(y)
    }

    /// `gelu_tanh(x · Gᵀ) · (x · Uᵀ)`, where this is `G` with `U` below it. x: [tokens, cols] -> [tokens, rows / 2]
    pub fn linear_geglu(&self, x: Tensor<2>) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let ([piece], None) = (self.pieces.as_slice(), &self.lent) else {
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
            self.tuning,
        ))
    }

    /// `x · W`, for a dense matrix that was loaded whole. x: [tokens, rows] -> [tokens, cols]
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
            block: piece.span.block,
            planes: piece.span.planes,
            tokens,
            rows: piece.span.rows,
            cols: self.cols,
            first_row: piece.span.first_row,
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
        let mut y = Tensor::<2>::empty([tokens, self.cols], &self.device).into_dispatch();
        for piece in &self.pieces {
            let params = EmbedParams {
                block: piece.span.block,
                planes: piece.span.planes,
                tokens,
                rows: piece.span.rows,
                cols: self.cols,
                first_row: piece.span.first_row,
                scale,
            };
            let weights = piece.words.clone().into_dispatch();
            y = Dispatch::embed(ids.clone().into_dispatch(), weights, y, params);
        }
        let y = Tensor::from_dispatch(y);
        match &self.lent {
            Some(lent) => lent.embed(ids, y, scale),
            None => y,
        }
    }
}

impl Piece {
    /// Puts bytes on the device.
    fn new(span: RowSpan, bytes: Vec<u8>, device: &ComputeDevice) -> Self {
        let device = device.burn();
        // For as long as the model lives: in pages of just their size, not in those that results take turns in.
        let words = device.memory_persistent_allocations(bytes, |bytes| words_on(bytes, device));
        Self { span, words }
    }

    /// Whether rows of `cols` are whole octets.
    fn is_aligned(&self, cols: usize) -> bool {
        cols.is_multiple_of(8) && self.span.rows.is_multiple_of(2)
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
    fn read(
        &self,
        source: &dyn WeightSource,
        range: Range<u64>,
        above: u64,
    ) -> Result<(RowSpan, Vec<u8>)> {
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
        let span = RowSpan {
            block: self.block(),
            first_row: to_usize(above + range.start)?,
            rows: to_usize(rows)?,
            planes: Planes {
                high: quads(Part::High)?,
                scales: quads(Part::Scales)?,
                super_scales: quads(Part::SuperScales)?,
            },
        };
        Ok((span, buffer))
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
