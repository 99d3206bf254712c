//! Stored blocks to f32: the reference that every kernel is compared with.
//!
//! Each element is `d · q` or `d · q - m`, with a scale `d` and a minimum `m` for its group of neighbours (ggml-quants.c,
//! `dequantize_row_*`). Scales are products of a half and a small integer, which f32 holds exactly, so the order of
//! factors below is that of the reference and every value is the same bit by bit.

use half::{bf16, f16};

use super::{BlockType, Part};

/// Elements of a group.
const GROUP: usize = 32;

/// Dequantises whole blocks as a GGUF file stores them.
///
/// stored: [blocks · block_bytes], out: [blocks · block_elements]. The shorter of the two says how many.
pub fn dequantise(block: BlockType, stored: &[u8], out: &mut [f32]) {
    if block.is_dense() {
        return dense(block, stored, out);
    }
    let blocks = stored.chunks_exact(block.block_bytes());
    let out = out.chunks_exact_mut(block.block_elements());
    for (stored, out) in blocks.zip(out) {
        match block {
            BlockType::Q4_0 => q4_0(stored, out),
            BlockType::Q4_1 => q4_1(stored, out),
            BlockType::Q5_0 => q5_0(stored, out),
            BlockType::Q5_1 => q5_1(stored, out),
            BlockType::Q8_0 => q8_0(stored, out),
            BlockType::Q2K => q2_k(stored, out),
            BlockType::Q3K => q3_k(stored, out),
            BlockType::Q4K => q4_k(stored, out),
            BlockType::Q5K => q5_k(stored, out),
            BlockType::Q6K => q6_k(stored, out),
            BlockType::F32 | BlockType::F16 | BlockType::Bf16 => {}
        }
    }
}

/// Dequantises whole blocks in the layout of [`Part`].
///
/// parts: the bytes of each part, in the order of [`Part::ALL`], empty where the type has none; out: [blocks ·
/// block_elements]. The shortest of them says how many; padding is ignored.
pub fn dequantise_parts(block: BlockType, parts: [&[u8]; 4], out: &mut [f32]) {
    if block.is_dense() {
        return dense(block, parts[Part::Values as usize], out);
    }
    let length = |part: &Part| parts[*part as usize].len() / block.block_part_bytes(*part);
    let blocks = block.parts().iter().map(length).min().unwrap_or(0);
    let out = out.chunks_exact_mut(block.block_elements()).take(blocks);
    for (index, out) in out.enumerate() {
        let part = |part: Part| {
            let bytes = block.block_part_bytes(part);
            &parts[part as usize][index * bytes..][..bytes]
        };
        let parts = Part::ALL.map(part);
        for (group, out) in out.chunks_exact_mut(GROUP).enumerate() {
            dequantise_group(block, &parts, group, out);
        }
    }
}

/// Dequantises the group with number `group` of a block. parts: those of the block; out: `[32]`.
///
/// Integers first, factors after them: either is a loop that compilers turn into vector instructions.
fn dequantise_group(block: BlockType, parts: &[&[u8]; 4], group: usize, out: &mut [f32]) {
    let mut quants = [0.0; GROUP];
    group_quants(block, parts, group, &mut quants);
    let halves = out
        .chunks_exact_mut(GROUP / 2)
        .zip(quants.chunks_exact(GROUP / 2));
    for (half, (out, quants)) in halves.enumerate() {
        match group_factors(block, parts, group, half) {
            (d, Some(m)) => {
                for (out, q) in out.iter_mut().zip(quants) {
                    *out = d * q - m;
                }
            }
            (d, None) => {
                for (out, q) in out.iter_mut().zip(quants) {
                    *out = d * q;
                }
            }
        }
    }
}

/// The integers of a group, signed as they are meant.
fn group_quants(block: BlockType, parts: &[&[u8]; 4], group: usize, out: &mut [f32; GROUP]) {
    let [values, high, ..] = parts;
    let four = || {
        let mut bits = [0; GROUP];
        let (low, up) = bits.split_at_mut(GROUP / 2);
        for ((low, up), byte) in low.iter_mut().zip(up).zip(&values[group * 16..][..16]) {
            (*low, *up) = (byte & 15, byte >> 4);
        }
        bits
    };
    let two = |bytes: &[u8]| {
        let bytes = &bytes[group * 8..][..8];
        std::array::from_fn::<u8, GROUP, _>(|j| bytes[j / 4] >> (j % 4 * 2) & 3)
    };
    let one = || {
        let bytes = &high[group * 4..][..4];
        std::array::from_fn::<u8, GROUP, _>(|j| bytes[j / 8] >> (j % 8) & 1)
    };
    let join = |low: [u8; GROUP], high: [u8; GROUP], shift: u32| {
        std::array::from_fn::<u8, GROUP, _>(|j| low[j] | high[j] << shift)
    };
    let (bits, zero) = match block {
        BlockType::Q8_0 => {
            for (out, &q) in out.iter_mut().zip(*values) {
                *out = f32::from(q as i8);
            }
            return;
        }
        BlockType::Q4_0 => (four(), 8.0),
        BlockType::Q4_1 | BlockType::Q4K => (four(), 0.0),
        BlockType::Q5_0 => (join(four(), one(), 4), 16.0),
        BlockType::Q5_1 | BlockType::Q5K => (join(four(), one(), 4), 0.0),
        BlockType::Q2K => (two(values), 0.0),
        BlockType::Q3K => (join(two(values), one(), 2), 4.0),
        BlockType::Q6K => (join(four(), two(high), 4), 32.0),
        BlockType::F32 | BlockType::F16 | BlockType::Bf16 => return,
    };
    for (out, q) in out.iter_mut().zip(bits) {
        *out = f32::from(q) - zero;
    }
}

/// Scale and minimum of one half of a group. Only some types have a minimum, and without one a zero keeps its sign.
fn group_factors(
    block: BlockType,
    parts: &[&[u8]; 4],
    group: usize,
    half: usize,
) -> (f32, Option<f32>) {
    let [_, _, scales, super_scales] = parts;
    // The scales of Q2_K, Q3_K and Q6_K change in the middle of a group.
    let index = group * 2 + half;
    match block {
        BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Q8_0 => (half_at(scales, 0), None),
        BlockType::Q4_1 | BlockType::Q5_1 => (half_at(scales, 0), Some(-half_at(scales, 2))),
        BlockType::Q2K => {
            let (d, m) = (half_at(super_scales, 0), half_at(super_scales, 2));
            let (scale, minimum) = (scales[index] & 15, scales[index] >> 4);
            (d * f32::from(scale), Some(m * f32::from(minimum)))
        }
        BlockType::Q3K => {
            let scale = f32::from(q3_k_scale(scales, index));
            (half_at(super_scales, 0) * scale, None)
        }
        BlockType::Q4K | BlockType::Q5K => {
            let (scale, minimum) = k_scale_and_minimum(&scales[4..], group);
            let (d, m) = (half_at(scales, 0), half_at(scales, 2));
            (d * f32::from(scale), Some(m * f32::from(minimum)))
        }
        BlockType::Q6K => {
            let scale = f32::from(scales[index] as i8);
            (half_at(super_scales, 0) * scale, None)
        }
        BlockType::F32 | BlockType::F16 | BlockType::Bf16 => (0.0, None),
    }
}

/// The half-precision number at byte `place`.
fn half_at(bytes: &[u8], place: usize) -> f32 {
    f16::from_le_bytes([bytes[place], bytes[place + 1]]).to_f32()
}

/// Scale and minimum of a group, 6 bits each, in the 12 bytes that Q4_K and Q5_K have for eight groups.
fn k_scale_and_minimum(packed: &[u8], group: usize) -> (u8, u8) {
    match group {
        0..4 => (packed[group] & 63, packed[group + 4] & 63),
        _ => (
            packed[group + 4] & 15 | packed[group - 4] >> 6 << 4,
            packed[group + 4] >> 4 | packed[group] >> 6 << 4,
        ),
    }
}

/// Scale `index` of the sixteen that Q3_K has in 12 bytes: four low bits in the first eight, two high ones in the rest.
fn q3_k_scale(packed: &[u8], index: usize) -> i8 {
    let low = packed[index % 8] >> (index / 8 * 4) & 15;
    let high = packed[8 + index % 4] >> (index / 4 * 2) & 3;
    (low | high << 4) as i8 - 32
}

fn q4_0(stored: &[u8], out: &mut [f32]) {
    let d = half_at(stored, 0);
    for (j, out) in out.iter_mut().enumerate() {
        *out = d * (f32::from(stored[2 + j % 16] >> (j / 16 * 4) & 15) - 8.0);
    }
}

fn q4_1(stored: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(stored, 0), half_at(stored, 2));
    for (j, out) in out.iter_mut().enumerate() {
        *out = d * f32::from(stored[4 + j % 16] >> (j / 16 * 4) & 15) + m;
    }
}

fn q5_0(stored: &[u8], out: &mut [f32]) {
    let d = half_at(stored, 0);
    for (j, out) in out.iter_mut().enumerate() {
        let low = stored[6 + j % 16] >> (j / 16 * 4) & 15;
        let high = stored[2 + j / 8] >> (j % 8) & 1;
        *out = d * (f32::from(low | high << 4) - 16.0);
    }
}

fn q5_1(stored: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(stored, 0), half_at(stored, 2));
    for (j, out) in out.iter_mut().enumerate() {
        let low = stored[8 + j % 16] >> (j / 16 * 4) & 15;
        let high = stored[4 + j / 8] >> (j % 8) & 1;
        *out = d * f32::from(low | high << 4) + m;
    }
}

fn q8_0(stored: &[u8], out: &mut [f32]) {
    let d = half_at(stored, 0);
    for (out, &q) in out.iter_mut().zip(&stored[2..]) {
        *out = d * f32::from(q as i8);
    }
}

/// `scales[16]`, `qs[64]`, `d`, `dmin`.
fn q2_k(stored: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(stored, 80), half_at(stored, 82));
    for (i, out) in out.iter_mut().enumerate() {
        let (half, place) = (i / 128, i % 128);
        let q = stored[16 + 32 * half + place % 32] >> (place / 32 * 2) & 3;
        let scale = stored[i / 16];
        *out = d * f32::from(scale & 15) * f32::from(q) - m * f32::from(scale >> 4);
    }
}

/// `hmask[32]`, `qs[64]`, `scales[12]`, `d`.
fn q3_k(stored: &[u8], out: &mut [f32]) {
    let d = half_at(stored, 108);
    for (i, out) in out.iter_mut().enumerate() {
        let (half, place) = (i / 128, i % 128);
        let low = stored[32 + 32 * half + place % 32] >> (place / 32 * 2) & 3;
        let high = stored[i % 32] >> (i / 32) & 1;
        let scale = f32::from(q3_k_scale(&stored[96..], i / 16));
        *out = d * scale * (f32::from(low | high << 2) - 4.0);
    }
}

/// `d`, `dmin`, `scales[12]`, `qs[128]`.
fn q4_k(stored: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(stored, 0), half_at(stored, 2));
    for (i, out) in out.iter_mut().enumerate() {
        let (scale, minimum) = k_scale_and_minimum(&stored[4..], i / 32);
        let q = stored[16 + i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
        *out = d * f32::from(scale) * f32::from(q) - m * f32::from(minimum);
    }
}

/// `d`, `dmin`, `scales[12]`, `qh[32]`, `qs[128]`.
fn q5_k(stored: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(stored, 0), half_at(stored, 2));
    for (i, out) in out.iter_mut().enumerate() {
        let (scale, minimum) = k_scale_and_minimum(&stored[4..], i / 32);
        let low = stored[48 + i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
        let high = stored[16 + i % 32] >> (i / 32) & 1;
        *out = d * f32::from(scale) * f32::from(low | high << 4) - m * f32::from(minimum);
    }
}

/// `ql[128]`, `qh[64]`, `scales[16]`, `d`.
fn q6_k(stored: &[u8], out: &mut [f32]) {
    let d = half_at(stored, 208);
    for (i, out) in out.iter_mut().enumerate() {
        let (half, quarter, l) = (i / 128, i % 128 / 32, i % 32);
        let low = stored[64 * half + quarter % 2 * 32 + l] >> (quarter / 2 * 4) & 15;
        let high = stored[128 + 32 * half + l] >> (quarter * 2) & 3;
        let scale = f32::from(stored[192 + i / 16] as i8);
        *out = d * scale * (f32::from(low | high << 4) - 32.0);
    }
}

fn dense(block: BlockType, stored: &[u8], out: &mut [f32]) {
    let halves = stored.as_chunks::<2>().0.iter();
    match block {
        BlockType::F16 => {
            for (out, &bits) in out.iter_mut().zip(halves) {
                *out = f16::from_le_bytes(bits).to_f32();
            }
        }
        BlockType::Bf16 => {
            for (out, &bits) in out.iter_mut().zip(halves) {
                *out = bf16::from_le_bytes(bits).to_f32();
            }
        }
        _ => {
            for (out, &bits) in out.iter_mut().zip(stored.as_chunks::<4>().0) {
                *out = f32::from_le_bytes(bits);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    /// The value that IEEE 754 gives sixteen bits with `exponent_bits`, computed in f64 from its definition.
    fn from_definition(bits: u16, exponent_bits: u32) -> f64 {
        let mantissa_bits = 15 - exponent_bits;
        let bias = (1i32 << (exponent_bits - 1)) - 1;
        let fraction = f64::from(bits & ((1 << mantissa_bits) - 1)) / f64::from(1 << mantissa_bits);
        let exponent = i32::from((bits & 0x7fff) >> mantissa_bits);
        let magnitude = match exponent {
            0 => fraction * 2f64.powi(1 - bias),
            e if e == 2 * bias + 1 && fraction == 0.0 => f64::INFINITY,
            e if e == 2 * bias + 1 => f64::NAN,
            e => (1.0 + fraction) * 2f64.powi(e - bias),
        };
        if bits >> 15 == 1 {
            -magnitude
        } else {
            magnitude
        }
    }

    #[test]
    fn every_half_and_every_bfloat_has_its_exact_value() {
        for (block, exponent_bits) in [(BlockType::F16, 5), (BlockType::Bf16, 8)] {
            for bits in 0..=u16::MAX {
                let mut out = [0.0];
                dequantise(block, &bits.to_le_bytes(), &mut out);
                let expected = from_definition(bits, exponent_bits);
                let same = f64::from(out[0]).to_bits() == expected.to_bits();
                assert!(
                    same || expected.is_nan() && out[0].is_nan(),
                    "{block} {bits:#06x}"
                );
            }
        }
    }

    #[test]
    fn q4_0_pairs_element_j_with_element_j_plus_16() {
        let mut stored = vec![0x00, 0x38]; // d = 0.5
        stored.extend((0..16).map(|j| j | (15 - j) << 4));
        let mut out = [0.0; 32];
        dequantise(BlockType::Q4_0, &stored, &mut out);
        let expected = |j: usize| {
            let q = if j < 16 { j } else { 31 - j };
            0.5 * (q as f32 - 8.0)
        };
        assert_eq!(out.to_vec(), (0..32).map(expected).collect::<Vec<_>>());
    }

    #[test]
    fn q8_0_takes_its_quants_as_signed() {
        let mut stored = vec![0x00, 0xc0]; // d = -2
        stored.extend((0..32).map(|j: i32| (j * 8 - 128) as u8));
        let mut out = [0.0; 32];
        dequantise(BlockType::Q8_0, &stored, &mut out);
        let expected: Vec<f32> = (0..32).map(|j| -2.0 * (j as f32 * 8.0 - 128.0)).collect();
        assert_eq!(out.to_vec(), expected);
    }

    #[test]
    fn too_few_bytes_leave_the_rest_as_it_was() {
        for block in BlockType::ALL {
            let mut out = [7.0; 512];
            dequantise(block, &vec![0; block.block_bytes() + 1], &mut out);
            assert!(
                out[block.block_elements()..].iter().all(|&x| x == 7.0),
                "{block}"
            );
            dequantise_parts(block, [&[]; 4], &mut out);
        }
    }
}
