//! What a helper can be asked to do with bytes that it keeps, as words that a host can carry.

use super::linear::linear;
use super::rows::Rows;
use crate::error::{Error, Result};
use crate::kernels::cpu;
use crate::kernels::params::{EmbedParams, LinearParams, Planes};
use crate::ports::JobWords;
use crate::weights::BlockType;

/// The first word of a job.
const LINEAR: u32 = 1;
const EMBED: u32 = 2;

/// What a helper can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Job {
    /// x: [tokens, cols] -> [tokens, rows]. The piece stands alone: `first_row` is 0 and `out_cols` is `rows`.
    Linear(LinearParams),
    /// ids: `[tokens]`, the bits of each as an f32 -> [tokens, cols], zeros for rows that the piece does not hold.
    Embed(EmbedParams),
}

impl Job {
    /// The job as words: what it is, how the weights are stored (ggml's number, three places), tokens, rows, columns,
    /// first row, and the columns of the output or the factor.
    pub fn words(&self) -> JobWords {
        // A number that no word can hold becomes one that `from_words` refuses.
        let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (kind, block, planes, sizes, last) = match self {
            Self::Linear(p) => {
                let sizes = [p.tokens, p.rows, p.cols, p.first_row];
                (LINEAR, p.block, p.planes, sizes, word(p.out_cols))
            }
            Self::Embed(p) => {
                let sizes = [p.tokens, p.rows, p.cols, p.first_row];
                (EMBED, p.block, p.planes, sizes, p.scale.to_bits())
            }
        };
        let [tokens, rows, cols, first_row] = sizes.map(word);
        let [high, scales, super_scales] =
            [planes.high, planes.scales, planes.super_scales].map(word);
        let ggml_id = block.ggml_id();
        [
            kind,
            ggml_id,
            high,
            scales,
            super_scales,
            tokens,
            rows,
            cols,
            first_row,
            last,
            0,
            0,
            0,
            0,
            0,
            0,
        ]
    }

    /// The job that `words` stand for, every one of them checked.
    pub fn from_words(words: &JobWords) -> Result<Self> {
        let [
            kind,
            ggml_id,
            high,
            scales,
            super_scales,
            tokens,
            rows,
            cols,
            first_row,
            last,
            rest @ ..,
        ] = *words;
        let block = BlockType::from_ggml(ggml_id)
            .ok_or_else(|| refused("its weights are of no known type"))?;
        let size = |word: u32| match word {
            u32::MAX => Err(refused("a size is too large")),
            word => Ok(word as usize),
        };
        let planes = Planes {
            high: size(high)?,
            scales: size(scales)?,
            super_scales: size(super_scales)?,
        };
        let (tokens, rows, cols) = (size(tokens)?, size(rows)?, size(cols)?);
        let first_row = size(first_row)?;
        if cols == 0 || cols % block.block_elements() != 0 {
            return Err(refused("its columns are not whole blocks"));
        }
        // Memory is addressed in bytes, so this holds for every slice that there can be.
        let fits = |count: usize| tokens.checked_mul(count)?.checked_mul(size_of::<f32>());
        if fits(rows).is_none() || fits(cols).is_none() {
            return Err(refused("its numbers do not fit into memory"));
        }
        if rest != [0; 6] {
            return Err(refused("it has words without a meaning"));
        }
        match kind {
            LINEAR if first_row == 0 && size(last)? == rows => Ok(Self::Linear(LinearParams {
                block,
                planes,
                tokens,
                rows,
                cols,
                first_row,
                out_cols: rows,
            })),
            LINEAR => Err(refused("its rows are not those of its output")),
            EMBED => Ok(Self::Embed(EmbedParams {
                block,
                planes,
                tokens,
                rows,
                cols,
                first_row,
                scale: f32::from_bits(last),
            })),
            _ => Err(refused("it is of no known kind")),
        }
    }

    /// Numbers that come out.
    pub fn output_len(&self) -> usize {
        let (tokens, cols) = match self {
            Self::Linear(p) => (p.tokens, p.rows),
            Self::Embed(p) => (p.tokens, p.cols),
        };
        tokens.saturating_mul(cols)
    }

    /// Numbers that go in.
    pub fn input_len(&self) -> usize {
        match self {
            Self::Linear(p) => p.tokens.saturating_mul(p.cols),
            Self::Embed(p) => p.tokens,
        }
    }

    /// Does it with the bytes of a piece of a matrix. input: `[input_len]`, output: `[output_len]`
    ///
    /// # Errors
    /// [`Error::Request`] if a slice has another length than the job says, or the bytes are too few.
    pub fn run(&self, kept: &[u8], input: &[f32], output: &mut [f32]) -> Result<()> {
        let (block, planes, rows, cols) = match self {
            Self::Linear(p) => (p.block, p.planes, p.rows, p.cols),
            Self::Embed(p) => (p.block, p.planes, p.rows, p.cols),
        };
        if input.len() != self.input_len() || output.len() != self.output_len() {
            return Err(refused("its numbers are not as many as it says"));
        }
        if Rows::new(kept, block, planes, rows, cols).rows != rows {
            return Err(refused("the bytes that are kept do not hold its rows"));
        }
        match self {
            Self::Linear(p) => linear(input, kept, output, p),
            Self::Embed(p) => {
                let ids: Vec<u32> = input.iter().map(|id| id.to_bits()).collect();
                output.fill(0.0);
                cpu::linear::embed(&ids, kept, output, p);
            }
        }
        Ok(())
    }
}

fn refused(problem: &str) -> Error {
    Error::Request {
        problem: format!("a helper cannot do this job: {problem}"),
        remedy: "reload, or continue without helpers".to_owned(),
    }
}
