//! Every tensor of a converted model: name, shape, type, and what fills it.
//!
//! Weights have the spread of a network that was just initialised: matrices 1/√cols, so that a product keeps the size of
//! what goes in, and norms near 1. Two choices keep answers of such a network from being all alike:
//!
//! - Norms after attention and feed-forward network are so small that all layers together add three times what the embedding
//!   brought, however many layers there are. The residual stays near 2, and what came before matters.
//! - The last norm's weights have either sign. The embedding is the output too, so a token would otherwise score itself
//!   highest, and every answer would repeat its first token.

use outpost_engine::weights::BlockType;

use crate::mix::{Mix, Place};
use crate::shape::{TextShape, VisionShape};

/// A tensor that is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Size of each dimension, the contiguous one last.
    pub shape: Vec<u64>,
    /// How its elements are stored.
    pub block: BlockType,
    /// What they are.
    pub fill: Fill,
}

/// What elements of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Around zero with this standard deviation.
    Weights(f64),
    /// Within a tenth of this.
    Near(f64),
    /// Within a tenth of this, with either sign.
    Signed(f64),
}

/// Spread of biases.
const BIAS: f64 = 0.02;
/// Spread of the scores that the output gives. Gemma's own are about as wide.
const LOGIT_SPREAD: f64 = 3.0;

impl Tensor {
    fn matrix(name: String, rows: u64, cols: u64, block: BlockType) -> Self {
        Self {
            name,
            shape: vec![rows, cols],
            block,
            fill: Fill::Weights(1.0 / (cols as f64).sqrt()),
        }
    }

    fn vector(name: String, length: u64, fill: Fill) -> Self {
        Self {
            name,
            shape: vec![length],
            block: BlockType::F32,
            fill,
        }
    }

    /// Bytes of its blocks.
    pub fn bytes(&self) -> u64 {
        let elements: u64 = self.shape.iter().product();
        elements / self.block.block_elements() as u64 * self.block.block_bytes() as u64
    }
}

/// The tensors of a text decoder. `embedding` is the type of the embedding where the mix is not to decide it.
pub fn text(shape: &TextShape, mix: Mix, embedding: Option<BlockType>) -> Vec<Tensor> {
    let TextShape {
        hidden,
        inner,
        layers,
        head_dim,
        ..
    } = *shape;
    let (queries, keys) = (shape.heads * head_dim, shape.kv_heads * head_dim);
    let post = Fill::Near((3.0 / (2 * layers) as f64).sqrt());
    let own = mix.block(Place::Embedding, layers, hidden);
    let mut tensors = vec![Tensor::matrix(
        "token_embd.weight".to_owned(),
        shape.vocab,
        hidden,
        embedding.unwrap_or(own),
    )];
    for layer in 0..layers {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let matrix = |part: &str, rows: u64, cols: u64, place: Place| {
            Tensor::matrix(name(part), rows, cols, mix.block(place, layers, cols))
        };
        let norm = |part: &str, length: u64, fill: Fill| Tensor::vector(name(part), length, fill);
        tensors.extend([
            norm("attn_norm", hidden, Fill::Near(1.0)),
            matrix("attn_q", queries, hidden, Place::Other),
            matrix("attn_k", keys, hidden, Place::Other),
            matrix("attn_v", keys, hidden, Place::Value(layer)),
            norm("attn_q_norm", head_dim, Fill::Near(1.0)),
            norm("attn_k_norm", head_dim, Fill::Near(1.0)),
            matrix("attn_output", hidden, queries, Place::Other),
            norm("post_attention_norm", hidden, post),
            norm("ffn_norm", hidden, Fill::Near(1.0)),
            matrix("ffn_gate", inner, hidden, Place::Other),
            matrix("ffn_up", inner, hidden, Place::Other),
            matrix("ffn_down", hidden, inner, Place::Down(layer)),
            norm("post_ffw_norm", hidden, post),
        ]);
    }
    tensors.push(Tensor::vector(
        "output_norm.weight".to_owned(),
        hidden,
        Fill::Signed(LOGIT_SPREAD),
    ));
    tensors
}

/// The tensors of an image encoder and its projector to vectors of `text_hidden`.
///
/// `block` is the type of the encoder's matrices; the second feed-forward matrix, whose rows hold no whole blocks, and the
/// projector are F16 where they cannot have it. `exchanged` gives the two feed-forward matrices each other's names, as older
/// converters did (llama.cpp, tools/mtmd/clip.cpp).
pub fn vision(
    shape: &VisionShape,
    text_hidden: u64,
    block: BlockType,
    exchanged: bool,
) -> Vec<Tensor> {
    let VisionShape {
        patch,
        hidden,
        inner,
        ..
    } = *shape;
    let side = shape.image / patch;
    let mix = Mix::Plain(block);
    let pixels = 3 * patch * patch;
    let bias = |name: String, length: u64| Tensor::vector(name, length, Fill::Weights(BIAS));
    let mut tensors = vec![
        Tensor {
            shape: vec![hidden, 3, patch, patch],
            ..Tensor::matrix(
                "v.patch_embd.weight".to_owned(),
                hidden,
                pixels,
                BlockType::F32,
            )
        },
        bias("v.patch_embd.bias".to_owned(), hidden),
        Tensor {
            fill: Fill::Weights(0.1),
            ..Tensor::matrix(
                "v.position_embd.weight".to_owned(),
                side * side,
                hidden,
                BlockType::F32,
            )
        },
    ];
    let (fc1, fc2) = match exchanged {
        true => ("ffn_down", "ffn_up"),
        false => ("ffn_up", "ffn_down"),
    };
    for layer in 0..shape.layers {
        let name = |part: &str| format!("v.blk.{layer}.{part}");
        for norm in ["ln1", "ln2"].map(name) {
            tensors.push(Tensor::vector(
                format!("{norm}.weight"),
                hidden,
                Fill::Near(1.0),
            ));
            tensors.push(bias(format!("{norm}.bias"), hidden));
        }
        let matrices = [
            ("attn_q", hidden, hidden),
            ("attn_k", hidden, hidden),
            ("attn_v", hidden, hidden),
            ("attn_out", hidden, hidden),
            (fc1, inner, hidden),
            (fc2, hidden, inner),
        ];
        for (part, rows, cols) in matrices {
            let part = name(part);
            let block = mix.block(Place::Other, shape.layers, cols);
            tensors.push(Tensor::matrix(format!("{part}.weight"), rows, cols, block));
            tensors.push(bias(format!("{part}.bias"), rows));
        }
    }
    // Inputs are rows here, unlike in every other matrix.
    let projection = Tensor {
        fill: Fill::Weights(1.0 / (hidden as f64).sqrt()),
        ..Tensor::matrix(
            "mm.input_projection.weight".to_owned(),
            hidden,
            text_hidden,
            BlockType::F16,
        )
    };
    tensors.extend([
        Tensor::vector("v.post_ln.weight".to_owned(), hidden, Fill::Near(1.0)),
        bias("v.post_ln.bias".to_owned(), hidden),
        Tensor::vector(
            "mm.soft_emb_norm.weight".to_owned(),
            hidden,
            Fill::Near(1.0),
        ),
        projection,
    ]);
    tensors
}
