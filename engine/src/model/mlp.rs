//! Gated feed-forward network of the text decoder: `down(gelu_tanh(gate x) · up x)`.

use burn::tensor::Tensor;

use super::config::TextConfig;
use super::loader::Loader;
use crate::error::Result;
use crate::kernels::Matrix;

/// Feed-forward weights of one layer.
#[derive(Debug)]
pub struct Mlp {
    gate_up: Matrix, // [2 * intermediate, hidden], gates first
    down: Matrix,    // [hidden, intermediate]
}

impl Mlp {
    pub(super) fn load(loader: &mut Loader<'_>, config: &TextConfig, layer: usize) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("blk.{layer}.ffn_{part}.weight");
        let gate_up = [(&*name("gate"), inner), (&*name("up"), inner)];
        Ok(Self {
            gate_up: loader.stacked(&gate_up, hidden)?,
            down: loader.matrix(&name("down"), hidden, inner)?,
        })
    }

    /// x: [tokens, hidden] -> [tokens, hidden]
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.down.linear(self.gate_up.linear_geglu(x))
    }
}
