//! Elementwise work, row copies and pooling: one thread a value.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::{Activation, CopyParams, PoolParams};
use super::{UNITS, arg, elements, flat_grid, flat_position};

/// `0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))`, with tanh from exp, since the built-in one overflows on
/// some GPUs; it is 1 in f32 beyond 10.
#[cube]
pub fn gelu_tanh(x: f32) -> f32 {
    let inner = 0.797_884_6f32 * (x + 0.044_715f32 * x * x * x);
    let bounded = max(min(inner, 10.0f32), -10.0f32);
    let tanh = 1.0f32 - 2.0f32 / ((2.0f32 * bounded).exp() + 1.0f32);
    0.5f32 * x * (1.0f32 + tanh)
}

#[cube(launch_unchecked)]
fn geglu_kernel(gate_up: &[f32], y: &mut [f32], count: u32, cols: u32) {
    let i = flat_position();
    if i < count as usize {
        let cols = cols as usize;
        let gate = i / cols * 2usize * cols + i % cols;
        y[i] = gelu_tanh(gate_up[gate]) * gate_up[gate + cols];
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

/// gate_up: [tokens, 2 * cols], y: [tokens, cols]
pub fn geglu(gate_up: &CubeTensor, y: &CubeTensor, cols: usize) {
    let count = elements(y);
    // SAFETY: the kernel checks the count.
    unsafe {
        geglu_kernel::launch_unchecked(
            &y.client,
            flat_grid(count),
            CubeDim::new_1d(UNITS as u32),
            arg(gate_up, 2 * count),
            arg(y, count),
            count as u32,
            cols as u32,
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
