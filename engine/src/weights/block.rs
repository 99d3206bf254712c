//! Stored blocks to f32: the reference that every kernel is compared with.
//!
//! Q8_0 and Q4_0 are those of ggml-quants.c: a half-precision scale `d`, then 32 quants; element = d · q. The product of
//! a half and a byte is exact in f32, so nothing is rounded.

use half::{bf16, f16};

use super::BlockType;

/// Dequantises whole blocks as a GGUF file stores them.
///
/// stored: [blocks · block_bytes], out: [blocks · block_elements]. The shorter of the two says how many.
pub fn dequantise(block: BlockType, stored: &[u8], out: &mut [f32]) {
    match block {
        BlockType::F32 | BlockType::F16 | BlockType::Bf16 => plain(block, stored, out),
        BlockType::Q8_0 => {
            for (block, out) in stored.as_chunks::<34>().0.iter().zip(whole_blocks(out)) {
                let [low, high, quants @ ..] = block;
                q8_0(scale([*low, *high]), quants, out);
            }
        }
        BlockType::Q4_0 => {
            for (block, out) in stored.as_chunks::<18>().0.iter().zip(whole_blocks(out)) {
                let [low, high, quants @ ..] = block;
                q4_0(scale([*low, *high]), quants, out);
            }
        }
    }
}

/// Dequantises whole blocks in the layout of [`Part`](super::Part).
///
/// values: bytes of [`Part::Values`](super::Part::Values), scales: bytes of [`Part::Scales`](super::Part::Scales), empty
/// where the type has none; out: [blocks · block_elements]. The shortest of them says how many; padding is ignored.
pub fn dequantise_layout(block: BlockType, values: &[u8], scales: &[u8], out: &mut [f32]) {
    let scales = scales.as_chunks::<2>().0.iter().map(|&bits| scale(bits));
    match block {
        BlockType::F32 | BlockType::F16 | BlockType::Bf16 => plain(block, values, out),
        BlockType::Q8_0 => {
            let blocks = values.as_chunks::<32>().0.iter();
            for ((quants, d), out) in blocks.zip(scales).zip(whole_blocks(out)) {
                q8_0(d, quants, out);
            }
        }
        BlockType::Q4_0 => {
            let blocks = values.as_chunks::<16>().0.iter();
            for ((quants, d), out) in blocks.zip(scales).zip(whole_blocks(out)) {
                q4_0(d, quants, out);
            }
        }
    }
}

fn whole_blocks(out: &mut [f32]) -> impl Iterator<Item = &mut [f32; 32]> {
    out.as_chunks_mut::<32>().0.iter_mut()
}

fn scale(bits: [u8; 2]) -> f32 {
    f16::from_le_bytes(bits).to_f32()
}

fn q8_0(d: f32, quants: &[u8; 32], out: &mut [f32; 32]) {
    for (out, &q) in out.iter_mut().zip(quants) {
        *out = d * f32::from(q as i8);
    }
}

fn q4_0(d: f32, quants: &[u8; 16], out: &mut [f32; 32]) {
    let (low, high) = out.split_at_mut(16);
    for ((low, high), &q) in low.iter_mut().zip(high).zip(quants) {
        *low = d * (f32::from(q & 15) - 8.0);
        *high = d * (f32::from(q >> 4) - 8.0);
    }
}

fn plain(block: BlockType, stored: &[u8], out: &mut [f32]) {
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
            let mut out = [7.0; 64];
            dequantise(block, &vec![0; block.block_bytes() + 1], &mut out);
            assert!(
                out[block.block_elements()..].iter().all(|&x| x == 7.0),
                "{block}"
            );
            dequantise_layout(block, &[], &[], &mut out);
        }
    }
}
