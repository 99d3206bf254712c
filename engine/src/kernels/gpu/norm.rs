//! Normalisations and rotary position embedding: one workgroup a row or head, one barrier a sum.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::{NormParams, RopeParams};
use super::{UNITS, arg, elements, grid};

/// The sum of `value` over the workgroup, in every thread. `scratch`: `[UNITS]`, free for reuse afterwards.
#[cube]
fn sum_over_units(scratch: &mut Shared<[f32]>, value: f32) -> f32 {
    scratch[UNIT_POS as usize] = value;
    sync_cube();
    let mut sum = 0.0f32;
    for unit in 0..comptime!(UNITS) {
        sum += scratch[unit];
    }
    sync_cube();
    sum
}

#[cube]
fn inverse_rms(
    scratch: &mut Shared<[f32]>,
    x: &[f32],
    start: usize,
    cols: usize,
    epsilon: f32,
) -> f32 {
    let mut part = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < cols {
        let value = x[start + i];
        part += value * value;
        i += comptime!(UNITS);
    }
    let sum = sum_over_units(scratch, part);
    (sum / f32::cast_from(cols) + epsilon).inverse_sqrt()
}

/// `y = x / √(mean(x²) + ε) · w`
#[cube(launch_unchecked)]
fn rms_norm_kernel(x: &[f32], weight: &[f32], y: &mut [f32], cols: u32, epsilon: f32) {
    let cols = cols as usize;
    let start = CUBE_POS_X as usize * cols;
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let inverse = inverse_rms(&mut scratch, x, start, cols, epsilon);
    let mut i = UNIT_POS as usize;
    while i < cols {
        y[start + i] = x[start + i] * inverse * weight[i];
        i += comptime!(UNITS);
    }
}

/// `y = r + x / √(mean(x²) + ε) · w`
#[cube(launch_unchecked)]
fn rms_norm_add_kernel(
    x: &[f32],
    weight: &[f32],
    residual: &[f32],
    y: &mut [f32],
    cols: u32,
    epsilon: f32,
) {
    let cols = cols as usize;
    let start = CUBE_POS_X as usize * cols;
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let inverse = inverse_rms(&mut scratch, x, start, cols, epsilon);
    let mut i = UNIT_POS as usize;
    while i < cols {
        y[start + i] = residual[start + i] + x[start + i] * inverse * weight[i];
        i += comptime!(UNITS);
    }
}

/// `y = (x - mean) / √(var + ε) · w + b`, the variance from centred values.
#[cube(launch_unchecked)]
fn layer_norm_kernel(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    y: &mut [f32],
    cols: u32,
    epsilon: f32,
) {
    let cols = cols as usize;
    let start = CUBE_POS_X as usize * cols;
    let count = f32::cast_from(cols);
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let mut part = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < cols {
        part += x[start + i];
        i += comptime!(UNITS);
    }
    let mean = sum_over_units(&mut scratch, part) / count;
    let mut squares = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < cols {
        let centred = x[start + i] - mean;
        squares += centred * centred;
        i += comptime!(UNITS);
    }
    let variance = sum_over_units(&mut scratch, squares) / count;
    let inverse = (variance + epsilon).inverse_sqrt();
    let mut i = UNIT_POS as usize;
    while i < cols {
        y[start + i] = (x[start + i] - mean) * inverse * weight[i] + bias[i];
        i += comptime!(UNITS);
    }
}

/// One workgroup a head of a token: RMS norm, then rotation of the pairs `(j, j + head_dim / 2)`.
#[cube(launch_unchecked)]
fn head_norm_rope_kernel(
    x: &[f32],
    weight: &[f32],
    table: &[f32],
    y: &mut [f32],
    heads: u32,
    head_dim: u32,
    position: u32,
    epsilon: f32,
) {
    let head_dim = head_dim as usize;
    let half = head_dim / 2usize;
    let token = CUBE_POS_Y as usize;
    let start = (token * heads as usize + CUBE_POS_X as usize) * head_dim;
    let angles = (position as usize + token) * head_dim;
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let inverse = inverse_rms(&mut scratch, x, start, head_dim, epsilon);
    let mut j = UNIT_POS as usize;
    while j < half {
        let cos = table[angles + 2usize * j];
        let sin = table[angles + 2usize * j + 1usize];
        let a = x[start + j] * inverse * weight[j];
        let b = x[start + half + j] * inverse * weight[half + j];
        y[start + j] = a * cos - b * sin;
        y[start + half + j] = b * cos + a * sin;
        j += comptime!(UNITS);
    }
}

/// x, y: [rows, cols], weight: `[cols]`
pub fn rms_norm(x: &CubeTensor, weight: &CubeTensor, y: &CubeTensor, p: &NormParams) {
    let count = p.rows * p.cols;
    // SAFETY: one workgroup a row; lengths follow from the shapes.
    unsafe {
        rms_norm_kernel::launch_unchecked(
            &x.client,
            grid(p.rows, 1),
            CubeDim::new_1d(UNITS as u32),
            arg(x, count),
            arg(weight, p.cols),
            arg(y, count),
            p.cols as u32,
            p.epsilon,
        );
    }
}

/// x, residual, y: [rows, cols], weight: `[cols]`
pub fn rms_norm_add(
    x: &CubeTensor,
    weight: &CubeTensor,
    residual: &CubeTensor,
    y: &CubeTensor,
    p: &NormParams,
) {
    let count = p.rows * p.cols;
    // SAFETY: one workgroup a row; lengths follow from the shapes.
    unsafe {
        rms_norm_add_kernel::launch_unchecked(
            &x.client,
            grid(p.rows, 1),
            CubeDim::new_1d(UNITS as u32),
            arg(x, count),
            arg(weight, p.cols),
            arg(residual, count),
            arg(y, count),
            p.cols as u32,
            p.epsilon,
        );
    }
}

/// x, y: [rows, cols], weight, bias: `[cols]`
pub fn layer_norm(
    x: &CubeTensor,
    weight: &CubeTensor,
    bias: &CubeTensor,
    y: &CubeTensor,
    p: &NormParams,
) {
    let count = p.rows * p.cols;
    // SAFETY: one workgroup a row; lengths follow from the shapes.
    unsafe {
        layer_norm_kernel::launch_unchecked(
            &x.client,
            grid(p.rows, 1),
            CubeDim::new_1d(UNITS as u32),
            arg(x, count),
            arg(weight, p.cols),
            arg(bias, p.cols),
            arg(y, count),
            p.cols as u32,
            p.epsilon,
        );
    }
}

/// x, y: [tokens, heads * head_dim], weight: `[head_dim]`, table: [positions, head_dim / 2, 2]
pub fn head_norm_rope(
    x: &CubeTensor,
    weight: &CubeTensor,
    table: &CubeTensor,
    y: &CubeTensor,
    p: &RopeParams,
) {
    let count = p.tokens * p.heads * p.head_dim;
    // SAFETY: one workgroup a head of a token; lengths follow from the shapes.
    unsafe {
        head_norm_rope_kernel::launch_unchecked(
            &x.client,
            grid(p.heads, p.tokens),
            CubeDim::new_1d(UNITS as u32),
            arg(x, count),
            arg(weight, p.head_dim),
            arg(table, elements(table)),
            arg(y, count),
            p.heads as u32,
            p.head_dim as u32,
            p.position as u32,
            p.epsilon,
        );
    }
}
