//! The SigLIP image encoder: patches, pre-norm transformer with full attention, no class token.
//!
//! MedGemma's encoder has 850 MB, and a picture needs each of its layers once. So a large encoder stays in its file, and
//! the device holds one layer at a time.

use std::ops::Range;

use burn::tensor::{Tensor, TensorData};

use super::config::VisionConfig;
use super::loader::Loader;
use super::trace::Trace;
use crate::error::Result;
use crate::kernels::{
    self, Activation, AttentionParams, Matrix, add, bias_activation, copy_rows, layer_norm,
};
use crate::weights::WeightSource;

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

impl Layer {
    fn load(loader: &mut Loader<'_>, names: LayerNames, index: usize) -> Result<Self> {
        let LayerNames {
            fc1,
            fc2,
            hidden,
            inner,
        } = names;
        let name = |part: &str| format!("v.blk.{index}.{part}");
        Ok(Self {
            norm1: Norm::load(loader, &name("ln1"), hidden)?,
            q: Linear::load(loader, &name("attn_q"), hidden, hidden)?,
            k: Linear::load(loader, &name("attn_k"), hidden, hidden)?,
            v: Linear::load(loader, &name("attn_v"), hidden, hidden)?,
            out: Linear::load(loader, &name("attn_out"), hidden, hidden)?,
            norm2: Norm::load(loader, &name("ln2"), hidden)?,
            fc1: Linear::load(loader, &name(fc1), inner, hidden)?,
            fc2: Linear::load(loader, &name(fc2), hidden, inner)?,
        })
    }

    /// x: [patches, hidden] -> [patches, hidden]
    ///
    /// Only keys and values are there for all patches at once; everything else goes in pieces, since the widest of it would
    /// take as much memory as the rest of a conversation.
    fn forward(&self, x: Tensor<2>, config: &VisionConfig) -> Tensor<2> {
        let [patches, hidden] = x.dims();
        let head_dim = hidden / config.heads;
        let epsilon = config.norm_epsilon;
        let mut k = Tensor::empty([patches, hidden], &x.device());
        let mut v = Tensor::empty([patches, hidden], &x.device());
        for span in pieces(patches) {
            let h = self.norm1.forward(rows(&x, &span), epsilon);
            let (start, count) = (span.start, span.len());
            let keys = self.k.forward(h.clone(), Activation::Identity);
            k = copy_rows(k, keys, 0, start, count);
            v = copy_rows(v, self.v.forward(h, Activation::Identity), 0, start, count);
        }
        let mut y = Tensor::empty([patches, hidden], &x.device());
        for span in pieces(patches) {
            let (start, count) = (span.start, span.len());
            let params = AttentionParams {
                tokens: count,
                heads: config.heads,
                kv_heads: config.heads,
                head_dim,
                // Every patch sees all patches, and those seen end where the queries do.
                position: patches - count,
                capacity: patches,
                window: 0,
                bidirectional: true,
                scale: 1.0 / (head_dim as f32).sqrt(),
            };
            let own = rows(&x, &span);
            let h = self.norm1.forward(own.clone(), epsilon);
            let q = self.q.forward(h, Activation::Identity);
            let h = kernels::attention(q, k.clone(), v.clone(), params);
            let own = add(own, self.out.forward(h, Activation::Identity));
            let h = self.norm2.forward(own.clone(), epsilon);
            let h = self.fc1.forward(h, Activation::GeluTanh);
            let own = add(own, self.fc2.forward(h, Activation::Identity));
            y = copy_rows(y, own, 0, start, count);
        }
        y
    }
}

/// Patches that go through a layer together.
const PIECE_PATCHES: usize = 1024;

fn pieces(patches: usize) -> impl Iterator<Item = Range<usize>> {
    (0..patches)
        .step_by(PIECE_PATCHES)
        .map(move |start| start..(start + PIECE_PATCHES).min(patches))
}

/// Some rows of `x`, as a tensor of their own.
fn rows(x: &Tensor<2>, span: &Range<usize>) -> Tensor<2> {
    let [_, cols] = x.dims();
    let piece = Tensor::empty([span.len(), cols], &x.device());
    copy_rows(piece, x.clone(), span.start, 0, span.len())
}

/// What the tensors of a layer are called, and how wide they are.
#[derive(Debug, Clone, Copy)]
struct LayerNames {
    fc1: &'static str,
    fc2: &'static str,
    hidden: usize,
    inner: usize,
}

impl LayerNames {
    fn of(source: &dyn WeightSource, config: &VisionConfig) -> Self {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        // Files of older converters exchange the names of the two feed-forward matrices (llama.cpp, clip.cpp).
        let exchanged = source
            .tensor("v.blk.0.ffn_down.weight")
            .is_some_and(|down| down.cols() == hidden as u64 && hidden != inner);
        let (fc1, fc2) = match exchanged {
            true => ("ffn_down", "ffn_up"),
            false => ("ffn_up", "ffn_down"),
        };
        Self {
            fc1,
            fc2,
            hidden,
            inner,
        }
    }
}

/// Where the layers are.
#[derive(Debug)]
enum Layers {
    /// All on the device.
    Resident(Vec<Layer>),
    /// In their file, from which each is read when a picture has come to it.
    Streamed(LayerNames),
}

/// The encoder: pixels to one vector a patch.
#[derive(Debug)]
pub struct Siglip {
    config: VisionConfig,
    patch: Linear,        // [hidden, 3 * patch * patch]
    positions: Tensor<2>, // [side * side, hidden]
    layers: Layers,
    post_norm: Norm,
}

impl Siglip {
    /// Loads the weights, without those of the layers if they are to be streamed.
    pub fn load(loader: &mut Loader<'_>, streamed: bool) -> Result<Self> {
        let config = VisionConfig::from_metadata(loader.source().metadata())?;
        let (hidden, patch) = (config.hidden_size, config.patch_size);
        let names = LayerNames::of(loader.source(), &config);
        let layers = match streamed {
            true => Layers::Streamed(names),
            false => Layers::Resident(
                (0..config.layers)
                    .map(|index| Layer::load(loader, names, index))
                    .collect::<Result<_>>()?,
            ),
        };
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
    pub fn embed(&self, pixels: &[f32], trace: &mut Trace) -> Tensor<2> {
        let config = &self.config;
        let patches = config.side() * config.side();
        let values = cut_patches(pixels, config.image_size, config.patch_size);
        let width = 3 * config.patch_size * config.patch_size;
        let x = Tensor::from_data(
            TensorData::new(values, [patches, width]),
            &self.positions.device(),
        );
        let x = self.patch.forward(x, Activation::Identity);
        trace.add("vision.patch_embed", &x);
        let x = add(x, self.positions.clone());
        trace.add("vision.embed", &x);
        x
    }

    /// Layer number `index`, which is read by `loader` if it is not on the device. x: [side * side, hidden]
    pub fn layer(
        &self,
        index: usize,
        x: Tensor<2>,
        loader: &mut Loader<'_>,
        trace: &mut Trace,
    ) -> Result<Tensor<2>> {
        let streamed;
        let layer = match &self.layers {
            Layers::Resident(layers) => layers.get(index),
            Layers::Streamed(names) => {
                streamed = Layer::load(loader, *names, index)?;
                Some(&streamed)
            }
        };
        let x = match layer {
            Some(layer) => layer.forward(x, &self.config),
            None => x,
        };
        trace.add(&format!("vision.layer.{index}.out"), &x);
        Ok(x)
    }

    /// x: [side * side, hidden], after the last layer
    pub fn finish(&self, x: Tensor<2>, trace: &mut Trace) -> Tensor<2> {
        let x = self.post_norm.forward(x, self.config.norm_epsilon);
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
