//! From patch vectors to tokens of the text model: pool, normalise, project.

use burn::tensor::Tensor;

use super::config::VisionConfig;
use super::loader::Loader;
use super::trace::Trace;
use crate::error::{Error, Result};
use crate::kernels::{Matrix, average_pool, rms_norm};

/// Epsilon of the norm before the projection, which files do not store.
const NORM_EPSILON: f32 = 1e-6;

/// The projector.
#[derive(Debug)]
pub struct Projector {
    norm: Tensor<1>, // [vision hidden]
    weight: Matrix,  // [vision hidden, text hidden]: inputs are rows, unlike every other matrix
    side: usize,
    pool: usize,
}

impl Projector {
    /// Loads both tensors.
    pub fn load(loader: &mut Loader<'_>, config: &VisionConfig) -> Result<Self> {
        let name = "mm.input_projection.weight";
        if let Some(info) = loader.source().tensor(name)
            && !info.block.is_dense()
        {
            return Err(Error::Unsupported {
                what: format!("tensor `{name}` of type {}", info.block.name()),
                remedy: "use an mmproj file whose projection is F16, BF16 or F32".to_owned(),
            });
        }
        let norm = loader.vector("mm.soft_emb_norm.weight", &[config.hidden_size])?;
        let weight = loader.whole(name, config.hidden_size, config.text_hidden_size)?;
        Ok(Self {
            norm,
            weight,
            side: config.side(),
            pool: config.pool,
        })
    }

    /// x: [side * side, vision hidden] -> [image tokens, text hidden]
    pub fn forward(&self, x: Tensor<2>, trace: &mut Trace) -> Tensor<2> {
        let x = average_pool(x, self.side, self.pool);
        trace.add("vision.pooled", &x);
        self.weight
            .linear_transposed(rms_norm(x, &self.norm, NORM_EPSILON))
    }
}
