//! Normalisations and rotary position embedding: one workgroup a row or head, one barrier a sum.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::NormParams;
use super::{UNITS, arg, grid};

/// The sum of `value` over the workgroup, in every thread. `scratch`: `[UNITS]`, free for reuse afterwards.
#[cube]
pub fn sum_over_units(scratch: &mut Shared<[f32]>, value: f32) -> f32 {
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

/// `s = r + x / √(mean(x²) + ε) · w`, `y = s / √(mean(s²) + ε) · v`. A thread reads again only what it wrote.
#[cube(launch_unchecked)]
fn add_norm_kernel(
    x: &[f32],
    weight: &[f32],
    residual: &[f32],
    next_weight: &[f32],
    sums: &mut [f32],
    y: &mut [f32],
    cols: u32,
    epsilon: f32,
) {
    let cols = cols as usize;
    let start = CUBE_POS_X as usize * cols;
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let inverse = inverse_rms(&mut scratch, x, start, cols, epsilon);
    let mut squares = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < cols {
        let sum = residual[start + i] + x[start + i] * inverse * weight[i];
        sums[start + i] = sum;
        squares += sum * sum;
        i += comptime!(UNITS);
    }
    let mean = sum_over_units(&mut scratch, squares) / f32::cast_from(cols);
    let inverse = (mean + epsilon).inverse_sqrt();
    let mut i = UNIT_POS as usize;
    while i < cols {
        y[start + i] = sums[start + i] * inverse * next_weight[i];
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

/// x, residual, sums, y: [rows, cols], weight, next_weight: `[cols]`
pub fn add_norm(
    x: &CubeTensor,
    weight: &CubeTensor,
    residual: &CubeTensor,
    next_weight: &CubeTensor,
    (sums, y): (&CubeTensor, &CubeTensor),
    p: &NormParams,
) {
    let count = p.rows * p.cols;
    // SAFETY: one workgroup a row; lengths follow from the shapes.
    unsafe {
        add_norm_kernel::launch_unchecked(
            &x.client,
            grid(p.rows, 1),
            CubeDim::new_1d(UNITS as u32),
            arg(x, count),
            arg(weight, p.cols),
            arg(residual, count),
            arg(next_weight, p.cols),
            arg(sums, count),
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
