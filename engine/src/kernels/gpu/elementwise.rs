//! Elementwise work, row copies and pooling: one thread a value.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::{Activation, CacheType, CopyParams, PoolParams};
use super::{UNITS, arg, elements, flat_grid, flat_position};

/// `0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))`, with tanh from exp, since the built-in one overflows on
/// some GPUs; it is 1 in f32 beyond 10.
#[cube]
fn gelu_tanh(x: f32) -> f32 {
    let inner = 0.797_884_6f32 * (x + 0.044_715f32 * x * x * x);
    let bounded = max(min(inner, 10.0f32), -10.0f32);
    let tanh = 1.0f32 - 2.0f32 / ((2.0f32 * bounded).exp() + 1.0f32);
    0.5f32 * x * (1.0f32 + tanh)
}

#[cube(launch_unchecked)]
fn geglu_kernel(gate: &[f32], up: &[f32], y: &mut [f32], count: u32) {
    let i = flat_position();
    if i < count as usize {
        y[i] = gelu_tanh(gate[i]) * up[i];
    }
}

#[cube(launch_unchecked)]
fn bias_activation_kernel(
    x: &[f32],
    bias: &[f32],
    y: &mut [f32],
    count: u32,
    cols: u32,
    #[comptime] activation: Activation,
) {
    let i = flat_position();
    if i < count as usize {
        let sum = x[i] + bias[i % cols as usize];
        match comptime!(activation) {
            Activation::Identity => {
                y[i] = sum;
            }
            Activation::GeluTanh => {
                y[i] = gelu_tanh(sum);
            }
        }
    }
}

#[cube(launch_unchecked)]
fn add_kernel(a: &[f32], b: &[f32], y: &mut [f32], count: u32, period: u32) {
    let i = flat_position();
    if i < count as usize {
        y[i] = a[i] + b[i % period as usize];
    }
}

#[cube(launch_unchecked)]
fn copy_rows_kernel(
    source: &[f32],
    target: &mut [f32],
    count: u32,
    cols: u32,
    source_row: u32,
    target_row: u32,
    target_rows: u32,
) {
    let i = flat_position();
    if i < count as usize {
        let cols = cols as usize;
        let to = (target_row as usize + i / cols) % target_rows as usize;
        target[to * cols + i % cols] = source[source_row as usize * cols + i];
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

/// Word `index` of what `source` is as `cache` keeps it.
#[cube]
fn stored_word(source: &[f32], index: usize, #[comptime] cache: CacheType) -> u32 {
    match comptime!(cache) {
        CacheType::F32 => u32::reinterpret(source[index]),
        CacheType::F16 => {
            float_to_half(source[2usize * index])
                | (float_to_half(source[2usize * index + 1usize]) << 16u32)
        }
    }
}

/// One thread a word of the ring.
#[cube(launch_unchecked)]
fn store_rows_kernel(
    source: &[f32],
    ring: &mut [u32],
    count: u32,
    row_words: u32,
    source_row: u32,
    target_row: u32,
    target_rows: u32,
    #[comptime] cache: CacheType,
) {
    let i = flat_position();
    if i < count as usize {
        let row_words = row_words as usize;
        let to = (target_row as usize + i / row_words) % target_rows as usize;
        let from = source_row as usize * row_words + i;
        ring[to * row_words + i % row_words] = stored_word(source, from, cache);
    }
}

#[cube(launch_unchecked)]
fn average_pool_kernel(
    x: &[f32],
    y: &mut [f32],
    count: u32,
    side: u32,
    cols: u32,
    #[comptime] kernel: usize,
) {
    let i = flat_position();
    if i < count as usize {
        let cols = cols as usize;
        let side = side as usize;
        let pooled = side / kernel;
        let patch = i / cols;
        let first = (patch / pooled * side + patch % pooled) * kernel;
        let mut sum = 0.0f32;
        for row in 0..kernel {
            for column in 0..kernel {
                sum += x[(first + row * side + column) * cols + i % cols];
            }
        }
        y[i] = sum / comptime!((kernel * kernel) as f32);
    }
}

/// gate, up, y: same shape
pub fn geglu(gate: &CubeTensor, up: &CubeTensor, y: &CubeTensor) {
    let count = elements(y);
    // SAFETY: the kernel checks the count.
    unsafe {
        geglu_kernel::launch_unchecked(
            &y.client,
            flat_grid(count),
            CubeDim::new_1d(UNITS as u32),
            arg(gate, count),
            arg(up, count),
            arg(y, count),
            count as u32,
        );
    }
}

/// x, y: [rows, cols], bias: `[cols]`
pub fn bias_activation(x: &CubeTensor, bias: &CubeTensor, y: &CubeTensor, activation: Activation) {
    let (count, cols) = (elements(y), elements(bias));
    // SAFETY: the kernel checks the count.
    unsafe {
        bias_activation_kernel::launch_unchecked(
            &y.client,
            flat_grid(count),
            CubeDim::new_1d(UNITS as u32),
            arg(x, count),
            arg(bias, cols),
            arg(y, count),
            count as u32,
            cols as u32,
            activation,
        );
    }
}

/// a, y: same shape; `b` repeats.
pub fn add(a: &CubeTensor, b: &CubeTensor, y: &CubeTensor) {
    let (count, period) = (elements(y), elements(b));
    // SAFETY: the kernel checks the count.
    unsafe {
        add_kernel::launch_unchecked(
            &y.client,
            flat_grid(count),
            CubeDim::new_1d(UNITS as u32),
            arg(a, count),
            arg(b, period),
            arg(y, count),
            count as u32,
            period as u32,
        );
    }
}

/// source: [_, cols], target: [target_rows, cols]
pub fn copy_rows(target: &CubeTensor, source: &CubeTensor, p: &CopyParams) {
    let count = p.rows * p.cols;
    // SAFETY: the kernel checks the count; rows wrap at the target's.
    unsafe {
        copy_rows_kernel::launch_unchecked(
            &target.client,
            flat_grid(count),
            CubeDim::new_1d(UNITS as u32),
            arg(source, elements(source)),
            arg(target, elements(target)),
            count as u32,
            p.cols as u32,
            p.source_row as u32,
            p.target_row as u32,
            p.target_rows as u32,
        );
    }
}

/// source: [_, cols], ring: words of [target_rows, cols]
pub fn store_rows(ring: &CubeTensor, source: &CubeTensor, p: &CopyParams, cache: CacheType) {
    let row_words = cache.words(p.cols);
    let count = p.rows * row_words;
    // SAFETY: the kernel checks the count; rows wrap at the ring's.
    unsafe {
        store_rows_kernel::launch_unchecked(
            &ring.client,
            flat_grid(count),
            CubeDim::new_1d(UNITS as u32),
            arg(source, elements(source)),
            arg(ring, elements(ring)),
            count as u32,
            row_words as u32,
            p.source_row as u32,
            p.target_row as u32,
            p.target_rows as u32,
            cache,
        );
    }
}

/// x: [side * side, cols], y: [(side / kernel)², cols]
pub fn average_pool(x: &CubeTensor, y: &CubeTensor, p: &PoolParams) {
    let count = elements(y);
    // SAFETY: the kernel checks the count.
    unsafe {
        average_pool_kernel::launch_unchecked(
            &y.client,
            flat_grid(count),
            CubeDim::new_1d(UNITS as u32),
            arg(x, elements(x)),
            arg(y, count),
            count as u32,
            p.side as u32,
            p.cols as u32,
            p.kernel,
        );
    }
}
