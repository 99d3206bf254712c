//! Activations, element by element.

use super::lanes::{LANES, Lanes};
use super::level::{Level, Work};
use super::math::gelu_tanh;
use crate::kernels::params::Activation;

/// gate, up: same length -> the same, `gelu(gate) · up`
pub fn geglu(level: Level, gate: &[f32], up: &[f32]) -> Vec<f32> {
    let count = gate.len().min(up.len());
    let mut out = gate[..count].to_vec();
    level.run(Geglu {
        up: &up[..count],
        out: &mut out,
    });
    out
}

/// x: [rows, cols], bias: `[cols]` -> [rows, cols]
pub fn bias_activation(level: Level, x: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
    let mut out = x.to_vec();
    if !bias.is_empty() {
        level.run(BiasActivation {
            bias,
            activation,
            out: &mut out,
        });
    }
    out
}

struct Geglu<'a> {
    up: &'a [f32],
    /// As long: the gate, and what comes out.
    out: &'a mut [f32],
}

impl Work for Geglu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (out, tail) = self.out.as_chunks_mut::<LANES>();
        let (up, tail_up) = self.up.as_chunks::<LANES>();
        for (out, up) in out.iter_mut().zip(up) {
            geglu_vector(lanes, out, up);
        }
        let (mut padded, mut padded_up) = ([0.0; LANES], [0.0; LANES]);
        padded[..tail.len()].copy_from_slice(tail);
        padded_up[..tail.len()].copy_from_slice(tail_up);
        geglu_vector(lanes, &mut padded, &padded_up);
        tail.copy_from_slice(&padded[..tail.len()]);
    }
}

#[inline(always)]
fn geglu_vector<L: Lanes>(lanes: L, gate: &mut [f32; LANES], up: &[f32; LANES]) {
    let x = lanes.mul(gelu_tanh(lanes, lanes.load(gate)), lanes.load(up));
    lanes.store(x, gate);
}

struct BiasActivation<'a> {
    bias: &'a [f32],
    activation: Activation,
    /// The input, and what comes out.
    out: &'a mut [f32],
}

impl Work for BiasActivation<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for row in self.out.chunks_mut(self.bias.len()) {
            for (x, bias) in row.iter_mut().zip(self.bias) {
                *x += bias;
            }
            if self.activation == Activation::Identity {
                continue;
            }
            let (row, tail) = row.as_chunks_mut::<LANES>();
            for x in row {
                lanes.store(gelu_tanh(lanes, lanes.load(x)), x);
            }
            let mut padded = [0.0; LANES];
            padded[..tail.len()].copy_from_slice(tail);
            lanes.store(gelu_tanh(lanes, lanes.load(&padded)), &mut padded);
            tail.copy_from_slice(&padded[..tail.len()]);
        }
    }
}
