//! Gated feed-forward network of the text decoder: `down(gelu_tanh(gate x) · up x)`.

use burn::tensor::Tensor;

use super::config::TextConfig;
use super::loader::Loader;
use crate::error::Result;
use crate::kernels::{Matrix, geglu};

/// Feed-forward weights of one layer.
#[derive(Debug)]
pub struct Mlp {
    gate: Matrix, // [intermediate, hidden]
    up: Matrix,   // [intermediate, hidden]
    down: Matrix, // [hidden, intermediate]
}

impl Mlp {
    pub(super) fn load(loader: &mut Loader<'_>, config: &TextConfig, layer: usize) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        Ok(Self {
            gate: loader.matrix(&format!("blk.{layer}.ffn_gate.weight"), inner, hidden)?,
            up: loader.matrix(&format!("blk.{layer}.ffn_up.weight"), inner, hidden)?,
            down: loader.matrix(&format!("blk.{layer}.ffn_down.weight"), hidden, inner)?,
        })
    }

    /// x: [tokens, hidden] -> [tokens, hidden]
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let gate = self.gate.linear(x.clone());
        let up = self.up.linear(x);
        self.down.linear(geglu(gate, up))
    }
}
