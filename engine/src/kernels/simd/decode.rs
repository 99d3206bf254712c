//! Packed weights to integers and factors: what [`crate::weights::block`] does, many at a time.
//!
//! An element is `d · q - m`. `q` is made of bits that lie in up to two parts; masks and shifts of 16-bit lanes give the
//! even elements of sixteen in one vector and the odd ones in the next. Where all elements of a type have one number
//! taken away ([`zero`]), that is done to sums, not to elements.

use super::activations::{BLOCK, GROUP, GROUPS};
use super::lanes::Lanes;
use crate::weights::{BlockType, Part};

/// A type of weights, known when a kernel is compiled.
pub(super) trait Format {
    const BLOCK: BlockType;
}

macro_rules! formats {
    ($($name:ident)*) => { $(
        pub(super) struct $name;
        impl Format for $name {
            const BLOCK: BlockType = BlockType::$name;
        }
    )* };
}

formats!(F32 F16 Bf16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2K Q3K Q4K Q5K Q6K);

/// Whether factors change in the middle of a group.
pub(super) const fn has_halves(block: BlockType) -> bool {
    matches!(block, BlockType::Q2K | BlockType::Q3K | BlockType::Q6K)
}

/// Whether groups have a minimum of their own.
pub(super) const fn has_minimum(block: BlockType) -> bool {
    use BlockType::{Q2K, Q4_1, Q4K, Q5_1, Q5K};
    matches!(block, Q4_1 | Q5_1 | Q2K | Q4K | Q5K)
}

/// The integer that stands for zero.
pub(super) const fn zero(block: BlockType) -> i16 {
    match block {
        BlockType::Q3K => 4,
        BlockType::Q4_0 => 8,
        BlockType::Q5_0 => 16,
        BlockType::Q6K => 32,
        _ => 0,
    }
}

/// Bytes of a part for 256 elements.
const fn bytes_of(block: BlockType, part: Part) -> usize {
    block.block_part_bytes(part) * BLOCK / block.block_elements()
}

/// The bytes of 256 elements of a row.
pub(super) struct Stored<'a> {
    values: &'a [u8],
    high: &'a [u8],
    scales: &'a [u8],
    super_scales: &'a [u8],
}

/// Room for the parts of a block that ends before 256 elements.
pub(super) struct Padded([u8; 256], [u8; 64], [u8; 32], [u8; 4]);

impl Padded {
    pub(super) fn new() -> Self {
        Self([0; 256], [0; 64], [0; 32], [0; 4])
    }
}

/// The bytes of a row, in the order of [`Part::ALL`], and whatever follows them in memory.
#[derive(Clone, Copy)]
pub(super) struct Row<'a>(pub(super) [&'a [u8]; 4]);

impl<'a> Row<'a> {
    /// Elements `256 index..` of a row that has as many.
    #[inline(always)]
    pub(super) fn block<F: Format>(&self, index: usize) -> Stored<'a> {
        let part = |part: Part| {
            let bytes = bytes_of(F::BLOCK, part);
            &self.0[part as usize][index * bytes..][..bytes]
        };
        Stored {
            values: part(Part::Values),
            high: part(Part::High),
            scales: part(Part::Scales),
            super_scales: part(Part::SuperScales),
        }
    }

    /// Asks for what lies `AHEAD` bytes of [`Part::Values`] after a block, and as many elements in the other parts.
    ///
    /// Rows follow one another, but a processor's own prefetching ends with each page of 4 KiB.
    #[inline(always)]
    pub(super) fn prefetch<L: Lanes, F: Format>(&self, lanes: L, index: usize) {
        const AHEAD: usize = 4096;
        const LINE: usize = 64;
        for part in Part::ALL {
            let bytes = bytes_of(F::BLOCK, part);
            let ahead = AHEAD * bytes / bytes_of(F::BLOCK, Part::Values);
            let block = &self.0[part as usize][index * bytes..];
            for line in 0..bytes.div_ceil(LINE) {
                lanes.prefetch(block, ahead + line * LINE);
            }
        }
    }

    /// The same where the row ends earlier: what follows is anything.
    #[inline(always)]
    pub(super) fn tail<'p, F: Format>(&self, index: usize, padded: &'p mut Padded) -> Stored<'p>
    where
        'a: 'p,
    {
        let Padded(values, high, scales, super_scales) = padded;
        Stored {
            values: self.tail_part::<F>(Part::Values, index, values),
            high: self.tail_part::<F>(Part::High, index, high),
            scales: self.tail_part::<F>(Part::Scales, index, scales),
            super_scales: self.tail_part::<F>(Part::SuperScales, index, super_scales),
        }
    }

    #[inline(always)]
    fn tail_part<'p, F: Format>(&self, part: Part, index: usize, padded: &'p mut [u8]) -> &'p [u8]
    where
        'a: 'p,
    {
        let bytes = bytes_of(F::BLOCK, part);
        let rest = &self.0[part as usize][index * bytes..];
        match rest.get(..bytes) {
            Some(rest) => rest,
            None => {
                padded[..rest.len()].copy_from_slice(rest);
                &padded[..bytes]
            }
        }
    }
}

/// Factors of eight groups: of their first halves, and of the others. They are the same where the type has no halves.
pub(super) struct Factors<L: Lanes> {
    pub(super) d: [L::F32; 2],
    /// Zero where the type has no minimum.
    pub(super) m: [L::F32; 2],
}

/// The integers of groups `2 pair` and `2 pair + 1`, with [`zero`] not yet taken away: even and odd elements of the first
/// halves, then of the second ones; the first group in the first runs.
#[inline(always)]
pub(super) fn integers<L: Lanes, F: Format>(lanes: L, stored: &Stored, pair: usize) -> [L::I16; 4] {
    match F::BLOCK {
        BlockType::Q8_0 => {
            let values = &stored.values[64 * pair..][..64];
            let first = lanes.runs(chunk(values, 0), chunk(values, 32));
            let second = lanes.runs(chunk(values, 16), chunk(values, 48));
            [
                lanes.shift_right_signed::<8>(lanes.shift_left::<8>(first)),
                lanes.shift_right_signed::<8>(first),
                lanes.shift_right_signed::<8>(lanes.shift_left::<8>(second)),
                lanes.shift_right_signed::<8>(second),
            ]
        }
        BlockType::Q2K => {
            let [a, b] = two_bits(lanes, stored.values, pair);
            let three = lanes.splat_i16(3);
            [
                lanes.and(lanes.shift_right::<4>(a), three),
                lanes.and(lanes.shift_right::<6>(a), three),
                lanes.and(lanes.shift_right::<4>(b), three),
                lanes.and(lanes.shift_right::<6>(b), three),
            ]
        }
        BlockType::Q3K => {
            let [a, b] = two_bits(lanes, stored.values, pair);
            let [e, f, g, h] = one_bit(lanes, stored.high, pair);
            let (three, four) = (lanes.splat_i16(3), lanes.splat_i16(4));
            let join = |low, high| lanes.or(lanes.and(low, three), lanes.and(high, four));
            [
                join(lanes.shift_right::<4>(a), e),
                join(lanes.shift_right::<6>(a), f),
                join(lanes.shift_right::<4>(b), g),
                join(lanes.shift_right::<6>(b), h),
            ]
        }
        BlockType::Q5_0 | BlockType::Q5_1 | BlockType::Q5K => {
            let [a, b, c, d] = four_bits(lanes, stored.values, pair);
            let [e, f, g, h] = one_bit(lanes, stored.high, pair);
            let sixteen = lanes.splat_i16(16);
            let join = |low, high| lanes.or(low, lanes.and(high, sixteen));
            [join(a, e), join(b, f), join(c, g), join(d, h)]
        }
        BlockType::Q6K => {
            let [a, b, c, d] = four_bits(lanes, stored.values, pair);
            let [e, f] = two_bits(lanes, stored.high, pair);
            let above = lanes.splat_i16(0x30);
            let join = |low, high| lanes.or(low, lanes.and(high, above));
            [
                join(a, e),
                join(b, lanes.shift_right::<2>(e)),
                join(c, f),
                join(d, lanes.shift_right::<2>(f)),
            ]
        }
        _ => four_bits(lanes, stored.values, pair),
    }
}

/// Elements of 4 bits: byte j has element j below and element j + 16 above.
#[inline(always)]
fn four_bits<L: Lanes>(lanes: L, bytes: &[u8], pair: usize) -> [L::I16; 4] {
    let bytes = &bytes[32 * pair..][..32];
    let bits = lanes.runs(chunk(bytes, 0), chunk(bytes, 16));
    let low = lanes.splat_i16(15);
    [
        lanes.and(bits, low),
        lanes.and(lanes.shift_right::<8>(bits), low),
        lanes.and(lanes.shift_right::<4>(bits), low),
        lanes.shift_right::<12>(bits),
    ]
}

/// Elements of 2 bits, of the first and of the second halves: the even ones in bits 4 and 5 of each lane, the odd ones in
/// bits 6 and 7, and anything in the others.
#[inline(always)]
fn two_bits<L: Lanes>(lanes: L, bytes: &[u8], pair: usize) -> [L::I16; 2] {
    // A byte has two even elements, in bits 0 and 4: it goes to two lanes and is raised by 4 in the first of them.
    let bytes = chunk(bytes, 16 * pair);
    let (first, second) = (lanes.bytes_twice(bytes, 0), lanes.bytes_twice(bytes, 1));
    [
        lanes.by_turns(lanes.shift_left::<4>(first), first),
        lanes.by_turns(lanes.shift_left::<4>(second), second),
    ]
}

/// Elements of 1 bit, in the order of [`integers`]: lanes of ones or of zeros.
#[inline(always)]
fn one_bit<L: Lanes>(lanes: L, bytes: &[u8], pair: usize) -> [L::I16; 4] {
    const EVEN: [i16; 16] = [1, 4, 16, 64, 1, 4, 16, 64, 1, 4, 16, 64, 1, 4, 16, 64];
    const ODD: [i16; 16] = [2, 8, 32, 128, 2, 8, 32, 128, 2, 8, 32, 128, 2, 8, 32, 128];
    let bytes = chunk(bytes, 8 * pair);
    let (first, second) = (
        lanes.bytes_four_times(bytes, 0),
        lanes.bytes_four_times(bytes, 1),
    );
    let (even, odd) = (lanes.load_i16(&EVEN), lanes.load_i16(&ODD));
    [
        lanes.equal(lanes.and(first, even), even),
        lanes.equal(lanes.and(first, odd), odd),
        lanes.equal(lanes.and(second, even), even),
        lanes.equal(lanes.and(second, odd), odd),
    ]
}

/// `N` bytes from `start` on, which are there; zeros otherwise.
#[inline(always)]
pub(super) fn chunk<const N: usize>(bytes: &[u8], start: usize) -> &[u8; N] {
    match bytes.get(start..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => chunk,
        None => &[0; N],
    }
}

#[inline(always)]
fn u16_at(bytes: &[u8], start: usize) -> u16 {
    u16::from_le_bytes(*chunk(bytes, start))
}

/// The factors of the first `groups` groups of a block, and zeros.
#[inline(always)]
pub(super) fn factors<L: Lanes, F: Format>(lanes: L, stored: &Stored, groups: usize) -> Factors<L> {
    let mut factors = all_factors::<L, F>(lanes, stored);
    if groups < GROUPS {
        // What follows a row in memory may be no number, and that times zero none either.
        let Factors { d, m } = &mut factors;
        for factors in [d, m] {
            for factors in factors {
                *factors = lanes.first(*factors, groups);
            }
        }
    }
    factors
}

#[inline(always)]
fn all_factors<L: Lanes, F: Format>(lanes: L, stored: &Stored) -> Factors<L> {
    let none = lanes.splat(0.0);
    match F::BLOCK {
        BlockType::Q4_1 | BlockType::Q5_1 => {
            let (mut first, mut second) = ([0.0; 8], [0.0; 8]);
            lanes.store(lanes.halves(chunk(stored.scales, 0)), &mut first);
            lanes.store(lanes.halves(chunk(stored.scales, 16)), &mut second);
            let (mut d, mut m) = ([0.0; GROUPS], [0.0; GROUPS]);
            for group in 0..GROUPS {
                let both = if group < 4 { &first } else { &second };
                // These types have the smallest value where the others have what is taken away.
                (d[group], m[group]) = (both[group % 4 * 2], -both[group % 4 * 2 + 1]);
            }
            Factors {
                d: [lanes.load(&d); 2],
                m: [lanes.load(&m); 2],
            }
        }
        BlockType::Q2K => {
            let m = lanes.splat(lanes.half(u16_at(stored.super_scales, 2)));
            let minima = half_scales::<F>(stored, true);
            let d = half_factors::<L, F>(lanes, stored);
            Factors {
                d,
                m: [
                    lanes.mul(m, lanes.bytes(minima[0])),
                    lanes.mul(m, lanes.bytes(minima[1])),
                ],
            }
        }
        BlockType::Q3K | BlockType::Q6K => Factors {
            d: half_factors::<L, F>(lanes, stored),
            m: [none; 2],
        },
        BlockType::Q4K | BlockType::Q5K => {
            let (scales, minima) = k_scales_and_minima(chunk(stored.scales, 4));
            let d = lanes.splat(lanes.half(u16_at(stored.scales, 0)));
            let m = lanes.splat(lanes.half(u16_at(stored.scales, 2)));
            Factors {
                d: [lanes.mul(d, lanes.bytes(scales)); 2],
                m: [lanes.mul(m, lanes.bytes(minima)); 2],
            }
        }
        _ => Factors {
            d: [lanes.halves(chunk(stored.scales, 0)); 2],
            m: [none; 2],
        },
    }
}

/// The factors of the halves of eight groups.
#[inline(always)]
fn half_factors<L: Lanes, F: Format>(lanes: L, stored: &Stored) -> [L::F32; 2] {
    let d = lanes.splat(super_factor::<L, F>(lanes, stored));
    let scales = half_scales::<F>(stored, false);
    [
        lanes.mul(d, lanes.bytes(scales[0])),
        lanes.mul(d, lanes.bytes(scales[1])),
    ]
}

/// What the scales of a type with halves are multiplied with.
#[inline(always)]
pub(super) fn super_factor<L: Lanes, F: Format>(lanes: L, stored: &Stored) -> f32 {
    lanes.half(u16_at(stored.super_scales, 0))
}

/// The integers that scale the first halves of eight groups, and the second ones; or those of their minima.
#[inline(always)]
pub(super) fn half_scales<F: Format>(stored: &Stored, minima: bool) -> [[i8; GROUPS]; 2] {
    let bytes = match F::BLOCK {
        BlockType::Q3K => q3_k_scales(chunk(stored.scales, 0)),
        _ => chunk::<16>(stored.scales, 0).map(|byte| byte as i8),
    };
    let mut scales = [[0; GROUPS]; 2];
    for group in 0..GROUPS {
        for half in 0..2 {
            let byte = bytes[2 * group + half];
            scales[half][group] = match (F::BLOCK, minima) {
                (BlockType::Q2K, false) => byte & 15,
                (BlockType::Q2K, true) => byte >> 4 & 15,
                _ => byte,
            };
        }
    }
    scales
}

/// Eight scales and eight minima of 6 bits in 12 bytes: the low bits of four of each, then the high ones of the others.
#[inline(always)]
fn k_scales_and_minima(packed: &[u8; 12]) -> ([i8; GROUPS], [i8; GROUPS]) {
    let word = |start: usize| u32::from_le_bytes(*chunk(packed, start));
    let (a, b, c) = (word(0), word(4), word(8));
    let both = |low: u32, high: u32| {
        let joined = u64::from(low) | u64::from(high) << 32;
        joined.to_le_bytes().map(|byte| byte as i8)
    };
    let upper = |word: u32| (word >> 6 & 0x0303_0303) << 4;
    (
        both(a & 0x3f3f_3f3f, c & 0x0f0f_0f0f | upper(a)),
        both(b & 0x3f3f_3f3f, c >> 4 & 0x0f0f_0f0f | upper(b)),
    )
}

/// Sixteen scales of 6 bits in 12 bytes: four low bits in the first eight, two high ones in the rest.
#[inline(always)]
fn q3_k_scales(packed: &[u8; 12]) -> [i8; 2 * GROUPS] {
    let mut scales = [0; 2 * GROUPS];
    for (index, scale) in scales.iter_mut().enumerate() {
        let low = packed[index % 8] >> (index / 8 * 4) & 15;
        let high = packed[8 + index % 4] >> (index / 4 * 2) & 3;
        *scale = (low | high << 4) as i8 - 32;
    }
    scales
}

/// Groups of a row of `cols` columns that lie past its last whole block.
pub(super) fn groups_of_tail(cols: usize) -> usize {
    cols % BLOCK / GROUP
}
