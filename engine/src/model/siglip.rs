//! The SigLIP image encoder: patches, pre-norm transformer with full attention, no class token.

use burn::tensor::{Tensor, TensorData};

use super::config::VisionConfig;
use super::loader::Loader;
use super::trace::Trace;
use crate::error::Result;
use crate::kernels::{self, Activation, AttentionParams, Matrix, add, bias_activation, layer_norm};

/// A product with a bias.
#[derive(Debug)]
struct Linear {
    weight: Matrix,  // [out, in]
    bias: Tensor<1>, // [out]
}

impl Linear {
    fn load(loader: &mut Loader<'_>, name: &str, rows: usize, cols: usize) -> Result<Self> {
        Ok(Self {
            weight: loader.matrix(&format!("{name}.weight"), rows, cols)?,
            bias: loader.vector(&format!("{name}.bias"), &[rows])?,
        })
    }

    /// x: [tokens, in] -> [tokens, out]
    fn forward(&self, x: Tensor<2>, activation: Activation) -> Tensor<2> {
        bias_activation(self.weight.linear(x), &self.bias, activation)
    }
}

/// A layer norm's weights.
#[derive(Debug)]
struct Norm {
    weight: Tensor<1>, // [hidden]
    bias: Tensor<1>,   // [hidden]
}

impl Norm {
    fn load(loader: &mut Loader<'_>, name: &str, cols: usize) -> Result<Self> {
        Ok(Self {
            weight: loader.vector(&format!("{name}.weight"), &[cols])?,
            bias: loader.vector(&format!("{name}.bias"), &[cols])?,
        })
    }

    fn forward(&self, x: Tensor<2>, epsilon: f32) -> Tensor<2> {
        layer_norm(x, &self.weight, &self.bias, epsilon)
    }
}

#[derive(Debug)]
struct Layer {
    norm1: Norm,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

/// The encoder: pixels to one vector a patch.
#[derive(Debug)]
pub struct Siglip {
    config: VisionConfig,
    patch: Linear,        // [hidden, 3 * patch * patch]
    positions: Tensor<2>, // [side * side, hidden]
    layers: Vec<Layer>,
    post_norm: Norm,
}

impl Siglip {
    /// Loads all weights.
    pub fn load(loader: &mut Loader<'_>) -> Result<Self> {
        let config = VisionConfig::from_metadata(loader.source().metadata())?;
        let (hidden, inner, patch) = (
            config.hidden_size,
            config.intermediate_size,
            config.patch_size,
        );
        // Files of older converters exchange the names of the two feed-forward matrices (llama.cpp, clip.cpp).
        let exchanged = loader
            .source()
            .tensor("v.blk.0.ffn_down.weight")
            .is_some_and(|down| down.cols() == hidden as u64 && hidden != inner);
        let (fc1, fc2) = if exchanged {
            ("ffn_down", "ffn_up")
        } else {
            ("ffn_up", "ffn_down")
        };
        let layers = (0..config.layers)
            .map(|layer| {
                let name = |part: &str| format!("v.blk.{layer}.{part}");
                Ok(Layer {
                    norm1: Norm::load(loader, &name("ln1"), hidden)?,
                    q: Linear::load(loader, &name("attn_q"), hidden, hidden)?,
                    k: Linear::load(loader, &name("attn_k"), hidden, hidden)?,
                    v: Linear::load(loader, &name("attn_v"), hidden, hidden)?,
                    out: Linear::load(loader, &name("attn_out"), hidden, hidden)?,
                    norm2: Norm::load(loader, &name("ln2"), hidden)?,
                    fc1: Linear::load(loader, &name(fc1), inner, hidden)?,
                    fc2: Linear::load(loader, &name(fc2), hidden, inner)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let patches = config.side() * config.side();
        // A convolution whose stride is its size is a product over flattened patches.
        let weight = loader.matrix_as(
            "v.patch_embd.weight",
            &[hidden, 3, patch, patch],
            hidden,
            3 * patch * patch,
        )?;
        Ok(Self {
            patch: Linear {
                weight,
                bias: loader.vector("v.patch_embd.bias", &[hidden])?,
            },
            positions: loader
                .vector("v.position_embd.weight", &[patches, hidden])?
                .reshape([patches, hidden]),
            layers,
            post_norm: Norm::load(loader, "v.post_ln", hidden)?,
            config,
        })
    }

    /// The encoder's shape.
    pub fn config(&self) -> &VisionConfig {
        &self.config
    }

    /// pixels: [3, image_size, image_size], normalised -> [side * side, hidden]
    pub fn forward(&self, pixels: &[f32], trace: &mut Trace) -> Tensor<2> {
        let config = &self.config;
        let patches = config.side() * config.side();
        let head_dim = config.hidden_size / config.heads;
        let values = cut_patches(pixels, config.image_size, config.patch_size);
        let width = 3 * config.patch_size * config.patch_size;
        let x = Tensor::from_data(
            TensorData::new(values, [patches, width]),
            &self.positions.device(),
        );
        let x = self.patch.forward(x, Activation::Identity);
        trace.add("vision.patch_embed", &x);
        let mut x = add(x, self.positions.clone());
        trace.add("vision.embed", &x);
        let params = AttentionParams {
            tokens: patches,
            heads: config.heads,
            kv_heads: config.heads,
            head_dim,
            position: 0,
            capacity: patches,
            window: 0,
            bidirectional: true,
            scale: 1.0 / (head_dim as f32).sqrt(),
        };
        for (index, layer) in self.layers.iter().enumerate() {
            let h = layer.norm1.forward(x.clone(), config.norm_epsilon);
            let q = layer.q.forward(h.clone(), Activation::Identity);
            let k = layer.k.forward(h.clone(), Activation::Identity);
            let v = layer.v.forward(h, Activation::Identity);
            let h = kernels::attention(q, k, v, params);
            x = add(x, layer.out.forward(h, Activation::Identity));
            let h = layer.norm2.forward(x.clone(), config.norm_epsilon);
            let h = layer.fc1.forward(h, Activation::GeluTanh);
            x = add(x, layer.fc2.forward(h, Activation::Identity));
            trace.add(&format!("vision.layer.{index}.out"), &x);
        }
        let x = self.post_norm.forward(x, config.norm_epsilon);
        trace.add("vision.post_ln", &x);
        x
    }
}

/// pixels: [3, size, size] -> [patches, 3 * patch * patch], patches row by row
fn cut_patches(pixels: &[f32], size: usize, patch: usize) -> Vec<f32> {
    let side = size / patch;
    let mut values = Vec::with_capacity(pixels.len());
    for row in 0..side {
        for column in 0..side {
            for channel in 0..3 {
                for y in 0..patch {
                    let start = (channel * size + row * patch + y) * size + column * patch;
                    values.extend_from_slice(&pixels[start..start + patch]);
                }
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::cut_patches;

    #[test]
    fn patches_run_row_by_row_and_hold_each_colour_in_turn() {
        // [3, 4, 4] whose values are their own index.
        let pixels: Vec<f32> = (0..48).map(|i| i as f32).collect();
        let patches = cut_patches(&pixels, 4, 2);
        let second = &patches[12..24];
        assert_eq!(
            second,
            [2., 3., 6., 7., 18., 19., 22., 23., 34., 35., 38., 39.]
        );
    }
}
