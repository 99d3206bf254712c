//! Hugging Face's names of Gemma 3's tensors and GGUF's: the one table that an import follows.
//!
//! GGUF's side is what llama.cpp's converter writes (conversion/gemma.py): norms of the text model and of the projector
//! as 1 + w, the projection as it is, with inputs as rows. Hugging Face has moved prefixes between versions, so each
//! section of a model is looked for under all of them.

/// What a tensor is for, and so how it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// An RMS norm's weight: F32, 1 added.
    Norm,
    /// A bias, a layer norm or an embedding of positions or patches: F32.
    Plain,
    /// A matrix that is multiplied with, or looked up in.
    Matrix,
    /// One of the image encoder.
    EncoderMatrix,
    /// The projection into the text model: never in blocks, because its rows are inputs.
    Projection,
}

/// A dimension, by what it counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    Vocabulary,
    Hidden,
    Inner,
    /// Query heads times their width.
    Queries,
    /// Key heads times their width.
    Keys,
    Head,
    VisionHidden,
    VisionInner,
    Patches,
    Patch,
    Colours,
}

/// Name at Hugging Face and in GGUF, without prefixes; use; shape, rows first.
pub(super) type Row = (&'static str, &'static str, Use, &'static [Size]);

/// A part of a model that has its own prefix at Hugging Face.
#[derive(Debug)]
pub(super) struct Section {
    /// Where versions of transformers put it: 4.x, 5.x, and models without an image encoder.
    pub(super) prefixes: &'static [&'static str],
    pub(super) rows: &'static [Row],
    /// For each layer: at Hugging Face below `…layers.N.`, in GGUF below [`layer_prefix`](Self::layer_prefix)`N.`.
    pub(super) layer: &'static [Row],
    /// What comes before `N.` at Hugging Face and in GGUF.
    pub(super) layer_prefix: (&'static str, &'static str),
}

use Size::*;
use Use::*;

/// The embedding, whose rows are the vocabulary.
pub(super) const EMBEDDING: Row = (
    "embed_tokens.weight",
    "token_embd.weight",
    Matrix,
    &[Vocabulary, Hidden],
);

/// The decoder.
#[rustfmt::skip]
pub(super) const TEXT: Section = Section {
    prefixes: &["language_model.model.", "model.language_model.", "model."],
    rows: &[
        EMBEDDING,
        ("norm.weight", "output_norm.weight", Norm, &[Hidden]),
    ],
    layer_prefix: ("layers.", "blk."),
    layer: &[
        ("input_layernorm.weight", "attn_norm.weight", Norm, &[Hidden]),
        ("self_attn.q_proj.weight", "attn_q.weight", Matrix, &[Queries, Hidden]),
        ("self_attn.k_proj.weight", "attn_k.weight", Matrix, &[Keys, Hidden]),
        ("self_attn.v_proj.weight", "attn_v.weight", Matrix, &[Keys, Hidden]),
        ("self_attn.q_norm.weight", "attn_q_norm.weight", Norm, &[Head]),
        ("self_attn.k_norm.weight", "attn_k_norm.weight", Norm, &[Head]),
        ("self_attn.o_proj.weight", "attn_output.weight", Matrix, &[Hidden, Queries]),
        ("post_attention_layernorm.weight", "post_attention_norm.weight", Norm, &[Hidden]),
        ("pre_feedforward_layernorm.weight", "ffn_norm.weight", Norm, &[Hidden]),
        ("mlp.gate_proj.weight", "ffn_gate.weight", Matrix, &[Inner, Hidden]),
        ("mlp.up_proj.weight", "ffn_up.weight", Matrix, &[Inner, Hidden]),
        ("mlp.down_proj.weight", "ffn_down.weight", Matrix, &[Hidden, Inner]),
        ("post_feedforward_layernorm.weight", "post_ffw_norm.weight", Norm, &[Hidden]),
    ],
};

/// The output matrix, of a model that does not use its embedding for that.
pub(super) const HEAD: Section = Section {
    prefixes: &["language_model.", ""],
    rows: &[(
        "lm_head.weight",
        "output.weight",
        Matrix,
        &[Vocabulary, Hidden],
    )],
    layer_prefix: ("", ""),
    layer: &[],
};

/// The image encoder.
#[rustfmt::skip]
pub(super) const VISION: Section = Section {
    prefixes: &[
        "vision_tower.vision_model.",
        "model.vision_tower.vision_model.",
        "vision_tower.",
        "model.vision_tower.",
    ],
    rows: &[
        ("embeddings.patch_embedding.weight", "v.patch_embd.weight", Plain, &[VisionHidden, Colours, Patch, Patch]),
        ("embeddings.patch_embedding.bias", "v.patch_embd.bias", Plain, &[VisionHidden]),
        ("embeddings.position_embedding.weight", "v.position_embd.weight", Plain, &[Patches, VisionHidden]),
        ("post_layernorm.weight", "v.post_ln.weight", Plain, &[VisionHidden]),
        ("post_layernorm.bias", "v.post_ln.bias", Plain, &[VisionHidden]),
    ],
    layer_prefix: ("encoder.layers.", "v.blk."),
    layer: &[
        ("layer_norm1.weight", "ln1.weight", Plain, &[VisionHidden]),
        ("layer_norm1.bias", "ln1.bias", Plain, &[VisionHidden]),
        ("self_attn.q_proj.weight", "attn_q.weight", EncoderMatrix, &[VisionHidden, VisionHidden]),
        ("self_attn.q_proj.bias", "attn_q.bias", Plain, &[VisionHidden]),
        ("self_attn.k_proj.weight", "attn_k.weight", EncoderMatrix, &[VisionHidden, VisionHidden]),
        ("self_attn.k_proj.bias", "attn_k.bias", Plain, &[VisionHidden]),
        ("self_attn.v_proj.weight", "attn_v.weight", EncoderMatrix, &[VisionHidden, VisionHidden]),
        ("self_attn.v_proj.bias", "attn_v.bias", Plain, &[VisionHidden]),
        ("self_attn.out_proj.weight", "attn_out.weight", EncoderMatrix, &[VisionHidden, VisionHidden]),
        ("self_attn.out_proj.bias", "attn_out.bias", Plain, &[VisionHidden]),
        ("layer_norm2.weight", "ln2.weight", Plain, &[VisionHidden]),
        ("layer_norm2.bias", "ln2.bias", Plain, &[VisionHidden]),
        ("mlp.fc1.weight", "ffn_up.weight", EncoderMatrix, &[VisionInner, VisionHidden]),
        ("mlp.fc1.bias", "ffn_up.bias", Plain, &[VisionInner]),
        ("mlp.fc2.weight", "ffn_down.weight", EncoderMatrix, &[VisionHidden, VisionInner]),
        ("mlp.fc2.bias", "ffn_down.bias", Plain, &[VisionHidden]),
    ],
};

/// What turns the encoder's patches into tokens.
#[rustfmt::skip]
pub(super) const PROJECTOR: Section = Section {
    prefixes: &["multi_modal_projector.", "model.multi_modal_projector."],
    rows: &[
        ("mm_soft_emb_norm.weight", "mm.soft_emb_norm.weight", Norm, &[VisionHidden]),
        ("mm_input_projection_weight", "mm.input_projection.weight", Projection, &[VisionHidden, Hidden]),
    ],
    layer_prefix: ("", ""),
    layer: &[],
};

/// Whether a tensor that the table does not name may be there: what transformers saves and Gemma 3 never computes with.
pub(super) fn is_unused(name: &str) -> bool {
    let head = |prefix: &&str| {
        name.strip_prefix(*prefix)
            .is_some_and(|rest| rest.starts_with("head."))
    };
    name.ends_with(".inv_freq")
        || name.ends_with(".position_ids")
        || VISION.prefixes.iter().any(head)
}
