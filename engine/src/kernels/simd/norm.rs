//! Normalisations and rotary position embedding. Means are summed in f32, in several lanes.

use super::lanes::{LANES, Lanes};
use super::level::{Level, Work};
use crate::kernels::params::{NormParams, RopeParams};

/// x, residual: [rows, cols], weight: `[cols]` -> [rows, cols]
pub fn rms_norm(
    level: Level,
    x: &[f32],
    weight: &[f32],
    residual: Option<&[f32]>,
    p: &NormParams,
) -> Vec<f32> {
    let mut out = x.to_vec();
    if p.cols > 0 && weight.len() >= p.cols {
        level.run(RmsNorm {
            weight: &weight[..p.cols],
            epsilon: p.epsilon,
            out: &mut out,
        });
    }
    for (out, residual) in out.iter_mut().zip(residual.unwrap_or_default()) {
        *out += residual;
    }
    out
}

/// x: [rows, cols], weight, bias: `[cols]` -> [rows, cols]
pub fn layer_norm(
    level: Level,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    p: &NormParams,
) -> Vec<f32> {
    let mut out = x.to_vec();
    if p.cols > 0 && weight.len() >= p.cols && bias.len() >= p.cols {
        level.run(LayerNorm {
            weight: &weight[..p.cols],
            bias: &bias[..p.cols],
            epsilon: p.epsilon,
            out: &mut out,
        });
    }
    out
}

/// x: [tokens, heads * head_dim], weight: `[head_dim]`, table: [positions, head_dim / 2, 2]
pub fn head_norm_rope(
    level: Level,
    x: &[f32],
    weight: &[f32],
    table: &[f32],
    p: &RopeParams,
) -> Vec<f32> {
    let mut out = x.to_vec();
    if p.heads > 0 && p.head_dim > 1 && weight.len() >= p.head_dim {
        level.run(HeadNormRope {
            weight,
            table,
            p,
            out: &mut out,
        });
    }
    out
}

struct RmsNorm<'a> {
    weight: &'a [f32],
    epsilon: f32,
    out: &'a mut [f32],
}

impl Work for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for row in self.out.chunks_exact_mut(self.weight.len()) {
            let inverse = inverse_root(sum_of_squares(lanes, row, 0.0), row.len(), self.epsilon);
            for (x, w) in row.iter_mut().zip(self.weight) {
                *x = *x * inverse * w;
            }
        }
    }
}

struct LayerNorm<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
    out: &'a mut [f32],
}

impl Work for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for row in self.out.chunks_exact_mut(self.weight.len()) {
            let mean = sum(lanes, row) / row.len() as f32;
            let inverse = inverse_root(sum_of_squares(lanes, row, mean), row.len(), self.epsilon);
            for ((x, w), b) in row.iter_mut().zip(self.weight).zip(self.bias) {
                *x = (*x - mean) * inverse * w + b;
            }
        }
    }
}

struct HeadNormRope<'a> {
    weight: &'a [f32],
    table: &'a [f32],
    p: &'a RopeParams,
    out: &'a mut [f32],
}

impl Work for HeadNormRope<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let p = self.p;
        let half = p.head_dim / 2;
        let (weight_a, weight_b) = self.weight[..2 * half].split_at(half);
        let tokens = self.out.chunks_exact_mut(p.heads * p.head_dim);
        // A table row is as long as a head: cosine and sine for each pair.
        let angles = self.table.chunks_exact(p.head_dim).skip(p.position);
        for (token, angles) in tokens.zip(angles) {
            for head in token.chunks_exact_mut(p.head_dim) {
                let inverse = inverse_root(sum_of_squares(lanes, head, 0.0), p.head_dim, p.epsilon);
                let (a, b) = head[..2 * half].split_at_mut(half);
                let pairs = a.iter_mut().zip(b).zip(weight_a.iter().zip(weight_b));
                for (((a, b), (weight_a, weight_b)), [cos, sin]) in
                    pairs.zip(angles.as_chunks::<2>().0)
                {
                    let (x, y) = (*a * inverse * weight_a, *b * inverse * weight_b);
                    (*a, *b) = (x * cos - y * sin, y * cos + x * sin);
                }
            }
        }
    }
}

fn inverse_root(sum: f32, count: usize, epsilon: f32) -> f32 {
    1.0 / (sum / count as f32 + epsilon).sqrt()
}

#[inline(always)]
fn sum<L: Lanes>(lanes: L, x: &[f32]) -> f32 {
    let (vectors, tail) = x.as_chunks::<LANES>();
    let mut sums = lanes.splat(0.0);
    for x in vectors {
        sums = lanes.add(sums, lanes.load(x));
    }
    let mut rest = 0.0;
    for x in tail {
        rest += x;
    }
    lanes.sum(sums) + rest
}

/// `Σ (x - mean)²`
#[inline(always)]
fn sum_of_squares<L: Lanes>(lanes: L, x: &[f32], mean: f32) -> f32 {
    let (vectors, tail) = x.as_chunks::<LANES>();
    let middle = lanes.splat(mean);
    let mut sums = lanes.splat(0.0);
    for x in vectors {
        let off = lanes.sub(lanes.load(x), middle);
        sums = lanes.mul_add(off, off, sums);
    }
    let mut rest = 0.0;
    for x in tail {
        rest += (x - mean) * (x - mean);
    }
    lanes.sum(sums) + rest
}
