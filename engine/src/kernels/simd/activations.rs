//! The left side of a product: rows of f32, and the same as 16-bit integers for weights that are integers themselves.
//!
//! A group of 32 neighbours has one scale, `max |x| / 32767`, so a number is off by at most 2⁻¹⁶ of the largest in its
//! group, and a product by at most about 5e-5 of its factors' lengths (8-bit integers would give 1e-2).

use std::borrow::Cow;

use super::lanes::{LANES, Lanes};
use super::level::{Level, Work};

/// Columns that share a scale.
pub(super) const GROUP: usize = 32;

/// Columns of a block.
pub(super) const BLOCK: usize = 256;

/// Groups of a block.
pub(super) const GROUPS: usize = BLOCK / GROUP;

/// Most tokens for which packed bits are read again for each of them, and met by integers.
pub(super) const FEW_TOKENS: usize = 3;

/// Rows of numbers that several matrices are multiplied with.
#[derive(Debug, Clone)]
pub struct Activations<'a> {
    pub(super) level: Level,
    /// [tokens, cols]
    pub(super) x: &'a [f32],
    pub(super) tokens: usize,
    pub(super) cols: usize,
    /// [tokens, cols / 256, rounded up], or nothing yet.
    blocks: Vec<Block>,
}

/// 256 columns as integers; zeros past the end of a row.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(super) struct Block {
    /// Two groups share four vectors, the first group in their first runs: the even columns of the groups' first halves,
    /// the odd ones, then the same for the second halves. So they meet what masks and shifts make of packed bytes.
    pub(super) values: [[i16; 2 * LANES]; BLOCK / 2 / LANES],
    /// Of each group.
    pub(super) scales: [f32; GROUPS],
    /// Sums of what the integers stand for: of the first 16 columns of each group, and of the others.
    pub(super) sums: [[f32; GROUPS]; 2],
}

impl<'a> Activations<'a> {
    /// x: [tokens, cols]. Numbers that are missing make for fewer tokens.
    pub fn new(x: &'a [f32], tokens: usize, cols: usize) -> Self {
        Self::with_level(Level::detect(), x, tokens, cols)
    }

    /// The same for chosen vector instructions.
    pub fn with_level(level: Level, x: &'a [f32], tokens: usize, cols: usize) -> Self {
        let mut activations = Self::floats(level, x, tokens, cols);
        if activations.tokens <= FEW_TOKENS || level.prefers_integers() {
            activations.blocks = level.run(Quantise(&activations));
        }
        activations
    }

    /// The same for weights that are numbers, without integers.
    pub fn floats(level: Level, x: &'a [f32], tokens: usize, cols: usize) -> Self {
        let tokens = tokens.min(x.len().checked_div(cols).unwrap_or(0));
        Self {
            level,
            x: &x[..tokens * cols],
            tokens,
            cols,
            blocks: Vec::new(),
        }
    }

    /// The integers, [tokens, cols / 256, rounded up], which are made now if they were not before.
    pub(super) fn blocks(&self) -> Cow<'_, [Block]> {
        match self.blocks.is_empty() {
            true => Cow::Owned(self.level.run(Quantise(self))),
            false => Cow::Borrowed(&self.blocks),
        }
    }
}

struct Quantise<'a, 'x>(&'a Activations<'x>);

impl Work for Quantise<'_, '_> {
    type Output = Vec<Block>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Vec<Block> {
        let Self(activations) = self;
        let blocks = activations.cols.div_ceil(BLOCK);
        let mut out = Vec::with_capacity(activations.tokens * blocks);
        for x in activations.x.chunks_exact(activations.cols.max(1)) {
            for x in x.chunks(BLOCK) {
                let mut block = Block {
                    values: [[0; 2 * LANES]; BLOCK / 2 / LANES],
                    scales: [0.0; GROUPS],
                    sums: [[0.0; GROUPS]; 2],
                };
                for (group, x) in x.chunks(GROUP).enumerate() {
                    let mut padded = [0.0; GROUP];
                    padded[..x.len()].copy_from_slice(x);
                    quantise_group(lanes, &padded, group, &mut block);
                }
                out.push(block);
            }
        }
        out
    }
}

#[inline(always)]
fn quantise_group<L: Lanes>(lanes: L, x: &[f32; GROUP], group: usize, block: &mut Block) {
    // The bits of numbers without a sign are in the order of the numbers, and come after them where there is none.
    let mut largest = 0;
    for x in x {
        largest = largest.max(x.to_bits() & 0x7fff_ffff);
    }
    let scale = f32::from_bits(largest) / 32767.0;
    // Too small for a reciprocal is as good as zero; no number gives a scale that is none, and so do the products.
    let inverse = match 1.0 / scale {
        inverse if inverse.is_finite() => inverse,
        _ => 0.0,
    };
    let mut integers = [0; GROUP];
    let inverse = lanes.splat(inverse);
    for (x, out) in x
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(integers.as_chunks_mut::<LANES>().0)
    {
        lanes.store_i32(lanes.round(lanes.mul(lanes.load(x), inverse)), out);
    }
    let (pair, run) = (group / 2, group % 2 * LANES);
    for half in 0..2 {
        let integers = &integers[16 * half..][..16];
        for i in 0..LANES {
            block.values[4 * pair + 2 * half][run + i] = integers[2 * i] as i16;
            block.values[4 * pair + 2 * half + 1][run + i] = integers[2 * i + 1] as i16;
        }
        let mut sum = 0i32;
        for integer in integers {
            sum = sum.wrapping_add(*integer);
        }
        block.sums[half][group] = sum as f32 * scale;
    }
    block.scales[group] = scale;
}
