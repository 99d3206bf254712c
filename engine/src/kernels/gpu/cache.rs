//! How numbers stand in the rings of keys and values: one or two to a word.

use cubecl::prelude::*;

use super::super::params::CacheType;
use super::decode::half_to_float;

/// Numbers of a word.
pub fn per_word(cache: CacheType) -> usize {
    match cache {
        CacheType::F32 => 1,
        CacheType::F16 => 2,
    }
}

/// Number `index` of a word.
#[cube]
pub fn number(word: u32, #[comptime] index: usize, #[comptime] cache: CacheType) -> f32 {
    match comptime!(cache) {
        CacheType::F32 => f32::reinterpret(word),
        CacheType::F16 => half_to_float((word >> comptime!(16 * index as u32)) & 65535u32),
    }
}

/// The word of number `index` and, where two share one, of the number after it.
#[cube]
pub fn stored_word(numbers: &Shared<[f32]>, index: usize, #[comptime] cache: CacheType) -> u32 {
    match comptime!(cache) {
        CacheType::F32 => u32::reinterpret(numbers[index]),
        CacheType::F16 => {
            float_to_half(numbers[index]) | (float_to_half(numbers[index + 1usize]) << 16u32)
        }
    }
}

/// What is left of a number once it is stored.
#[cube]
pub fn rounded(x: f32, #[comptime] cache: CacheType) -> f32 {
    match comptime!(cache) {
        CacheType::F32 => x,
        CacheType::F16 => half_to_float(float_to_half(x)),
    }
}

/// The half-precision number nearest to `x`, ties to even, the largest one for all beyond it.
#[cube]
fn float_to_half(x: f32) -> u32 {
    let bits = u32::reinterpret(x);
    let sign = (bits >> 16u32) & 32768u32;
    let bounded = min(f32::abs(x), 65504.0f32);
    let magnitude = u32::reinterpret(bounded);
    // Rounded at bit 13, then the exponent's bias changed from 127 to 15.
    let rounded = magnitude + 4095u32 + ((magnitude >> 13u32) & 1u32);
    let normal = (rounded - select(rounded < 939_524_096u32, rounded, 939_524_096u32)) >> 13u32;
    // Beside 0.5 the last place of f32 is worth what a subnormal's is, so the sum rounds as it should.
    let tiny = u32::reinterpret(bounded + 0.5f32) - 1_056_964_608u32;
    sign | select(magnitude < 947_912_704u32, tiny, normal)
}
