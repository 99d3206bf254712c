//! Random blocks of every type, sound ones: any bits are quants, and scales are chosen for the spread that is wanted.
//!
//! Layouts are those of ggml-common.h. Where a type has minimums they stand in a fixed relation to the scales, so that
//! elements lie around zero; the scales of types without minimums have either sign for the same reason.

use half::{bf16, f16};
use outpost_engine::weights::BlockType;

use crate::tensors::Fill;

/// Values of a dense table; a power of two.
const TABLE: usize = 4096;

/// Random bits: splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub struct Bits(u64);

impl Bits {
    /// The bits of the tensor called `name`: the same wherever it stands in a file.
    pub fn of(seed: u64, name: &str) -> Self {
        let start = Self(seed).next();
        // FNV-1a.
        let hash =
            |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(name.bytes().fold(start ^ 0xcbf2_9ce4_8422_2325, hash))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Fills `out`.
    fn fill(&mut self, out: &mut [u8]) {
        let (words, rest) = out.as_chunks_mut::<8>();
        for word in words {
            *word = self.next().to_le_bytes();
        }
        let last = self.next().to_le_bytes();
        for (byte, random) in rest.iter_mut().zip(last) {
            *byte = random;
        }
    }

    /// A number from -1 to 1.
    fn unit(&mut self) -> f64 {
        (self.next() as i64) as f64 / 2f64.powi(63)
    }
}

/// Makes the blocks of one tensor.
#[derive(Debug)]
pub struct Blocks {
    block: BlockType,
    /// What random bits choose from: elements of dense types, else scales with their minimums.
    table: Vec<[u8; 4]>,
    bits: Bits,
}

/// What a quantised type looks like.
struct Layout {
    /// Where the scale is in a block.
    scale_at: usize,
    /// Where the minimum is, and how many scales it is.
    minimum: Option<(usize, f64)>,
    /// Standard deviation of elements whose scale is 1.
    spread: f64,
}

impl Blocks {
    /// The blocks of a tensor of type `block`.
    pub fn new(block: BlockType, fill: Fill, mut bits: Bits) -> Self {
        let (Fill::Weights(spread) | Fill::Near(spread) | Fill::Signed(spread)) = fill;
        let table = match layout(block) {
            Some(layout) => scales(&layout, spread / layout.spread),
            None => {
                let values = values(fill, &mut bits).into_iter();
                values.map(|value| dense(block, value)).collect()
            }
        };
        Self { block, table, bits }
    }

    /// Fills `out`, whole blocks.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.bits.fill(out);
        match self.block {
            BlockType::F32 => {
                for element in out.as_chunks_mut::<4>().0 {
                    let [low, high, ..] = *element;
                    *element = self.table[choice(low, high)];
                }
            }
            BlockType::F16 | BlockType::Bf16 => {
                for element in out.as_chunks_mut::<2>().0 {
                    let [low, high, ..] = self.table[choice(element[0], element[1])];
                    *element = [low, high];
                }
            }
            _ => self.set_scales(out),
        }
    }

    fn set_scales(&self, out: &mut [u8]) {
        let Some(layout) = layout(self.block) else {
            return;
        };
        for block in out.chunks_exact_mut(self.block.block_bytes()) {
            let at = layout.scale_at;
            let [d0, d1, m0, m1] = self.table[usize::from(block[at])];
            block[at..at + 2].copy_from_slice(&[d0, d1]);
            if let Some((at, _)) = layout.minimum {
                block[at..at + 2].copy_from_slice(&[m0, m1]);
            }
            match self.block {
                // A scale's four bits and its minimum's are the same, and at least 8.
                BlockType::Q2K => {
                    for scale in &mut block[..16] {
                        let bits = *scale & 15 | 8;
                        *scale = bits | bits << 4;
                    }
                }
                // The first four scales and minimums, six bits, and the last four's two high bits lie in four bytes each;
                // then each of the last four has its low bits in a half of a byte.
                BlockType::Q4K | BlockType::Q5K => {
                    block.copy_within(4..8, 8);
                    for scale in &mut block[12..16] {
                        *scale = *scale & 15 | *scale << 4;
                    }
                }
                _ => {}
            }
        }
    }
}

fn choice(low: u8, high: u8) -> usize {
    usize::from(u16::from_le_bytes([low, high])) % TABLE
}

/// Spreads for uniform bits: a quant of n bits has variance (4ⁿ - 1) / 12 around its middle, and the mean square of a
/// number is its variance and its squared mean.
fn layout(block: BlockType) -> Option<Layout> {
    let variance = |bits: i32| (4f64.powi(bits) - 1.0) / 12.0;
    // Signed numbers of n bits have the mean -1/2.
    let signed = |bits: i32| variance(bits) + 0.25;
    // Mean squares of 8..=15 and of 0..=63.
    let (four_bits, six_bits) = (variance(3) + 11.5f64.powi(2), variance(6) + 31.5f64.powi(2));
    let (scale_at, minimum, square) = match block {
        BlockType::Q4_0 => (0, None, signed(4)),
        BlockType::Q4_1 => (0, Some((2, -7.5)), variance(4)),
        BlockType::Q5_0 => (0, None, signed(5)),
        BlockType::Q5_1 => (0, Some((2, -15.5)), variance(5)),
        BlockType::Q8_0 => (0, None, signed(8)),
        BlockType::Q2K => (80, Some((82, 1.5)), four_bits * variance(2)),
        BlockType::Q3K => (108, None, signed(6) * signed(3)),
        BlockType::Q4K => (0, Some((2, 7.5)), six_bits * variance(4)),
        BlockType::Q5K => (0, Some((2, 15.5)), six_bits * variance(5)),
        BlockType::Q6K => (208, None, signed(8) * signed(6)),
        BlockType::F32 | BlockType::F16 | BlockType::Bf16 => return None,
    };
    Some(Layout {
        scale_at,
        minimum,
        spread: square.sqrt(),
    })
}

/// Scales around `scale` with their minimums.
fn scales(layout: &Layout, scale: f64) -> Vec<[u8; 4]> {
    // From 3/4 to 5/4, whose mean square is 1 + (1/2)² / 12.
    let even = (1.0 + 0.25 / 12.0f64).sqrt();
    let one = |index: u8| {
        let factor = 0.75 + f64::from(index & 127) / 127.0 / 2.0;
        let sign = match (layout.minimum, index >> 7) {
            (None, 1) => -1.0,
            _ => 1.0,
        };
        let d = f16::from_f64(sign * scale * factor / even);
        let m = layout
            .minimum
            .map_or(0.0, |(_, scales)| scales * d.to_f64());
        let ([d0, d1], [m0, m1]) = (d.to_le_bytes(), f16::from_f64(m).to_le_bytes());
        [d0, d1, m0, m1]
    };
    (0..=u8::MAX).map(one).collect()
}

/// Elements to choose from.
fn values(fill: Fill, bits: &mut Bits) -> Vec<f64> {
    match fill {
        Fill::Near(value) => (0..TABLE)
            .map(|_| value * (1.0 + bits.unit() / 10.0))
            .collect(),
        Fill::Signed(value) => {
            let sign = |index: usize| if index.is_multiple_of(2) { 1.0 } else { -1.0 };
            let one = |index| sign(index) * value * (1.0 + bits.unit() / 10.0);
            (0..TABLE).map(one).collect()
        }
        Fill::Weights(spread) => {
            // Sums of uniform numbers are close to normal ones. Then mean and spread are made exact.
            let sums: Vec<f64> = (0..TABLE)
                .map(|_| (0..12).map(|_| bits.unit()).sum())
                .collect();
            let mean = sums.iter().sum::<f64>() / TABLE as f64;
            let square = sums.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / TABLE as f64;
            let factor = spread / square.sqrt();
            sums.into_iter().map(|x| (x - mean) * factor).collect()
        }
    }
}

/// An element of a dense type, little endian.
fn dense(block: BlockType, value: f64) -> [u8; 4] {
    let two = |[low, high]: [u8; 2]| [low, high, 0, 0];
    match block {
        BlockType::F16 => two(f16::from_f64(value).to_le_bytes()),
        BlockType::Bf16 => two(bf16::from_f64(value).to_le_bytes()),
        _ => (value as f32).to_le_bytes(),
    }
}
