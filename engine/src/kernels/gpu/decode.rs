//! Packed weights to f32 inside a kernel, bit for bit what [`crate::weights::block`] gives.

use cubecl::prelude::*;

use crate::weights::BlockType;

/// The f32 value of IEEE half-precision bits. Subnormals are built by arithmetic, because a GPU may flush
/// f32 denormals that a shifted bit pattern would pass through.
#[cube]
pub fn half_to_float(bits: u32) -> f32 {
    let exponent = (bits >> 10u32) & 31u32;
    let mantissa = bits & 1023u32;
    let sign = (bits & 32768u32) << 16u32;
    let raised = select(exponent == 31u32, 255u32, exponent + 112u32);
    let normal = f32::reinterpret(sign | (raised << 23u32) | (mantissa << 13u32));
    let tiny = f32::cast_from(mantissa) * 5.960_464_5e-8f32;
    let signed_tiny = select(sign == 0u32, tiny, -tiny);
    select(exponent == 0u32, signed_tiny, normal)
}

/// The scale of one block: halves are packed two to a word.
#[cube]
pub fn block_scale(scales: &[u32], index: usize) -> f32 {
    let word = scales[index / 2usize];
    half_to_float((word >> (u32::cast_from(index % 2usize) * 16u32)) & 65535u32)
}

/// Fills `out` with the 32 values of block `index`. For dense types a block is 32 neighbours.
#[cube]
pub fn decode_block(
    values: &[Vector<u32, Const<4>>],
    scales: &[u32],
    index: usize,
    out: &mut Array<f32>,
    #[comptime] block: BlockType,
) {
    match comptime!(block) {
        BlockType::Q4_0 => {
            let scale = block_scale(scales, index);
            let quads = values[index];
            #[unroll]
            for word in 0..4usize {
                let bits = quads.extract(word);
                #[unroll]
                for byte in 0..4usize {
                    let low = (bits >> comptime!(8 * byte as u32)) & 15u32;
                    let high = (bits >> comptime!(8 * byte as u32 + 4)) & 15u32;
                    out[comptime!(4 * word + byte)] = (f32::cast_from(low) - 8.0f32) * scale;
                    out[comptime!(16 + 4 * word + byte)] = (f32::cast_from(high) - 8.0f32) * scale;
                }
            }
        }
        BlockType::Q8_0 => {
            let scale = block_scale(scales, index);
            #[unroll]
            for half in 0..2usize {
                let quads = values[index * 2usize + half];
                #[unroll]
                for word in 0..4usize {
                    let bits = quads.extract(word);
                    #[unroll]
                    for byte in 0..4usize {
                        let raw = (bits >> comptime!(8 * byte as u32)) & 255u32;
                        // Two's complement by arithmetic: 128..255 stand for -128..-1.
                        let value = f32::cast_from(raw) - select(raw > 127u32, 256.0f32, 0.0f32);
                        out[comptime!(16 * half + 4 * word + byte)] = value * scale;
                    }
                }
            }
        }
        BlockType::F16 =>
        {
            #[unroll]
            for quarter in 0..4usize {
                let quads = values[index * 4usize + quarter];
                #[unroll]
                for word in 0..4usize {
                    let bits = quads.extract(word);
                    out[comptime!(8 * quarter + 2 * word)] = half_to_float(bits & 65535u32);
                    out[comptime!(8 * quarter + 2 * word + 1)] = half_to_float(bits >> 16u32);
                }
            }
        }
        BlockType::Bf16 =>
        {
            #[unroll]
            for quarter in 0..4usize {
                let quads = values[index * 4usize + quarter];
                #[unroll]
                for word in 0..4usize {
                    let bits = quads.extract(word);
                    out[comptime!(8 * quarter + 2 * word)] = f32::reinterpret(bits << 16u32);
                    out[comptime!(8 * quarter + 2 * word + 1)] =
                        f32::reinterpret((bits >> 16u32) << 16u32);
                }
            }
        }
        BlockType::F32 =>
        {
            #[unroll]
            for eighth in 0..8usize {
                let quads = values[index * 8usize + eighth];
                #[unroll]
                for word in 0..4usize {
                    out[comptime!(4 * eighth + word)] = f32::reinterpret(quads.extract(word));
                }
            }
        }
    }
}

/// The value of one element, counted from the start of the matrix.
#[cube]
pub fn decode_element(
    values: &[u32],
    scales: &[u32],
    element: usize,
    #[comptime] block: BlockType,
) -> f32 {
    match comptime!(block) {
        BlockType::Q4_0 => {
            let index = element / 32usize;
            let place = element % 32usize;
            let byte = place % 16usize;
            let word = values[index * 4usize + byte / 4usize];
            let shift =
                u32::cast_from(byte % 4usize) * 8u32 + u32::cast_from(place / 16usize) * 4u32;
            (f32::cast_from((word >> shift) & 15u32) - 8.0f32) * block_scale(scales, index)
        }
        BlockType::Q8_0 => {
            let word = values[element / 4usize];
            let raw = (word >> (u32::cast_from(element % 4usize) * 8u32)) & 255u32;
            let value = f32::cast_from(raw) - select(raw > 127u32, 256.0f32, 0.0f32);
            value * block_scale(scales, element / 32usize)
        }
        BlockType::F16 => {
            let word = values[element / 2usize];
            half_to_float((word >> (u32::cast_from(element % 2usize) * 16u32)) & 65535u32)
        }
        BlockType::Bf16 => {
            let word = values[element / 2usize];
            let bits = (word >> (u32::cast_from(element % 2usize) * 16u32)) & 65535u32;
            f32::reinterpret(bits << 16u32)
        }
        BlockType::F32 => f32::reinterpret(values[element]),
    }
}
