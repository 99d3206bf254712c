//! Elementwise work, row copies and pooling.

use std::borrow::Cow;

use half::f16;

use super::super::params::{Activation, CacheType, CopyParams, PoolParams};

/// `0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))`
pub fn gelu_tanh(x: f32) -> f32 {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    0.5 * x * (1.0 + (SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x)).tanh())
}

/// gate, up: same length
pub fn geglu(gate: &[f32], up: &[f32]) -> Vec<f32> {
    gate.iter()
        .zip(up)
        .map(|(gate, up)| gelu_tanh(*gate) * up)
        .collect()
}

/// x: [rows, cols], bias: `[cols]`
pub fn bias_activation(x: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
    let sums = x.iter().zip(bias.iter().cycle()).map(|(x, b)| x + b);
    match activation {
        Activation::Identity => sums.collect(),
        Activation::GeluTanh => sums.map(gelu_tanh).collect(),
    }
}

/// `b` repeats when it is shorter than `a`.
pub fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b.iter().cycle()).map(|(a, b)| a + b).collect()
}

/// target: [target_rows, cols], source: [_, cols]
pub fn copy_rows(target: &mut [f32], source: &[f32], p: &CopyParams) {
    for row in 0..p.rows {
        let from = (p.source_row + row) * p.cols;
        let to = (p.target_row + row) % p.target_rows * p.cols;
        target[to..to + p.cols].copy_from_slice(&source[from..from + p.cols]);
    }
}

/// ring: words of [target_rows, cols], source: [_, cols]
pub fn store_rows(ring: &mut [u32], source: &[f32], p: &CopyParams, cache: CacheType) {
    let row_words = cache.words(p.cols);
    for row in 0..p.rows {
        let from = &source[(p.source_row + row) * p.cols..][..p.cols];
        let to = (p.target_row + row) % p.target_rows * row_words;
        let to = &mut ring[to..to + row_words];
        match cache {
            CacheType::F32 => to.copy_from_slice(bytemuck::cast_slice(from)),
            CacheType::F16 => {
                for (to, from) in to.iter_mut().zip(from.as_chunks::<2>().0) {
                    let [low, high] = from.map(|x| u32::from(to_half(x).to_bits()));
                    *to = low | high << 16;
                }
            }
        }
    }
}

/// The nearest half-precision number, the largest one for all beyond it.
fn to_half(x: f32) -> f16 {
    f16::from_f32(x.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()))
}

/// The numbers of a ring.
pub fn stored_floats(ring: &[u32], cache: CacheType) -> Cow<'_, [f32]> {
    match cache {
        CacheType::F32 => Cow::Borrowed(bytemuck::cast_slice(ring)),
        CacheType::F16 => {
            let halves = bytemuck::cast_slice::<u32, u16>(ring).iter();
            Cow::Owned(halves.map(|&bits| f16::from_bits(bits).to_f32()).collect())
        }
    }
}

/// x: [side * side, cols] -> [(side / kernel)², cols]
pub fn average_pool(x: &[f32], p: &PoolParams) -> Vec<f32> {
    let pooled = p.side / p.kernel;
    let mut y = vec![0.0; pooled * pooled * p.cols];
    for (index, x) in x.chunks_exact(p.cols).enumerate() {
        let (row, column) = (index / p.side / p.kernel, index % p.side / p.kernel);
        let start = (row * pooled + column) * p.cols;
        for (y, x) in y[start..start + p.cols].iter_mut().zip(x) {
            *y += x;
        }
    }
    let count = (p.kernel * p.kernel) as f32;
    for y in &mut y {
        *y /= count;
    }
    y
}
