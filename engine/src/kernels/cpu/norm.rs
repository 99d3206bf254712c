//! Normalisations and rotary position embedding. Means are summed in f64: this is the reference.

use super::super::params::{NormParams, RopeParams};

/// x, residual: [rows, cols], weight: `[cols]` -> [rows, cols]
pub fn rms_norm(x: &[f32], weight: &[f32], residual: Option<&[f32]>, p: &NormParams) -> Vec<f32> {
    let mut y = Vec::with_capacity(x.len());
    for x in x.chunks_exact(p.cols) {
        let inverse = inverse_rms(x, p.epsilon);
        y.extend(x.iter().zip(weight).map(|(x, w)| x * inverse * w));
    }
    if let Some(residual) = residual {
        for (y, r) in y.iter_mut().zip(residual) {
            *y += r;
        }
    }
    y
}

/// x: [rows, cols], weight, bias: `[cols]` -> [rows, cols]
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], p: &NormParams) -> Vec<f32> {
    let mut y = Vec::with_capacity(x.len());
    for x in x.chunks_exact(p.cols) {
        let count = p.cols as f64;
        let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
        let variance = x
            .iter()
            .map(|x| (f64::from(*x) - mean).powi(2))
            .sum::<f64>()
            / count;
        let inverse = 1.0 / (variance + f64::from(p.epsilon)).sqrt();
        y.extend(
            x.iter()
                .zip(weight)
                .zip(bias)
                .map(|((x, w), b)| ((f64::from(*x) - mean) * inverse) as f32 * w + b),
        );
    }
    y
}

/// x: [tokens, heads * head_dim], weight: `[head_dim]`, table: [positions, head_dim / 2, 2]
pub fn head_norm_rope(x: &[f32], weight: &[f32], table: &[f32], p: &RopeParams) -> Vec<f32> {
    let half = p.head_dim / 2;
    let mut y = vec![0.0; x.len()];
    let heads = x
        .chunks_exact(p.head_dim)
        .zip(y.chunks_exact_mut(p.head_dim));
    for (index, (x, y)) in heads.enumerate() {
        let position = p.position + index / p.heads;
        let angles = &table[position * p.head_dim..(position + 1) * p.head_dim];
        let inverse = inverse_rms(x, p.epsilon);
        for j in 0..half {
            let (cos, sin) = (angles[2 * j], angles[2 * j + 1]);
            let a = x[j] * inverse * weight[j];
            let b = x[j + half] * inverse * weight[j + half];
            y[j] = a * cos - b * sin;
            y[j + half] = b * cos + a * sin;
        }
    }
    y
}

fn inverse_rms(x: &[f32], epsilon: f32) -> f32 {
    let sum: f64 = x.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    (1.0 / (sum / x.len() as f64 + f64::from(epsilon)).sqrt()) as f32
}
