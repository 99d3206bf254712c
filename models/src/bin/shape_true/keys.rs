//! The metadata that llama.cpp's converter writes for Gemma 3 and for its image encoder (conversion/gemma.py).

use crate::gguf::Metadata;
use crate::mix::Mix;
use crate::shape::{TextShape, VisionShape};
use crate::vocabulary::Vocabulary;

const CHAT_TEMPLATE: &str = include_str!("../../../demo/tokenizer/chat_template.jinja");

/// Keys of a text model.
pub fn text(name: &str, shape: &TextShape, mix: Mix, vocabulary: &Vocabulary) -> Metadata {
    let mut keys = general("gemma3", "model", name, mix);
    let sizes = [
        ("context_length", shape.context),
        ("embedding_length", shape.hidden),
        ("block_count", shape.layers),
        ("feed_forward_length", shape.inner),
        ("attention.head_count", shape.heads),
        ("attention.head_count_kv", shape.kv_heads),
        ("attention.key_length", shape.head_dim),
        ("attention.value_length", shape.head_dim),
        ("attention.sliding_window", shape.window),
    ];
    for (key, value) in sizes {
        keys.u32(&format!("gemma3.{key}"), value as u32);
    }
    keys.f32("gemma3.attention.layer_norm_rms_epsilon", 1e-6);
    keys.f32("gemma3.rope.freq_base", 1e6);
    keys.f32("gemma3.rope.freq_base_swa", 1e4);
    if let Some(factor) = shape.rope_factor {
        keys.string("gemma3.rope.scaling.type", "linear");
        keys.f32("gemma3.rope.scaling.factor", factor);
    }
    keys.string("tokenizer.ggml.model", "llama");
    keys.string("tokenizer.ggml.pre", "default");
    keys.strings("tokenizer.ggml.tokens", &vocabulary.pieces);
    keys.f32s("tokenizer.ggml.scores", &vocabulary.scores);
    keys.i32s("tokenizer.ggml.token_type", &vocabulary.kinds);
    keys.u32("tokenizer.ggml.bos_token_id", 2);
    keys.u32("tokenizer.ggml.eos_token_id", 1);
    keys.u32("tokenizer.ggml.unknown_token_id", 3);
    keys.u32("tokenizer.ggml.padding_token_id", 0);
    keys.bool("tokenizer.ggml.add_bos_token", true);
    keys.bool("tokenizer.ggml.add_eos_token", false);
    keys.bool("tokenizer.ggml.add_space_prefix", false);
    keys.string("tokenizer.chat_template", CHAT_TEMPLATE);
    keys
}

/// Keys of an image encoder that makes vectors of `text_hidden`.
pub fn vision(name: &str, shape: &VisionShape, text_hidden: u64, mix: Mix) -> Metadata {
    let mut keys = general("clip", "mmproj", name, mix);
    keys.bool("clip.has_vision_encoder", true);
    keys.string("clip.projector_type", "gemma3");
    keys.bool("clip.use_gelu", true);
    let sizes = [
        ("image_size", shape.image),
        ("patch_size", shape.patch),
        ("embedding_length", shape.hidden),
        ("feed_forward_length", shape.inner),
        ("block_count", shape.layers),
        ("attention.head_count", shape.heads),
        ("projection_dim", text_hidden),
    ];
    for (key, value) in sizes {
        keys.u32(&format!("clip.vision.{key}"), value as u32);
    }
    keys.f32("clip.vision.attention.layer_norm_epsilon", 1e-6);
    keys.f32s("clip.vision.image_mean", &[0.5; 3]);
    keys.f32s("clip.vision.image_std", &[0.5; 3]);
    keys
}

fn general(architecture: &str, kind: &str, name: &str, mix: Mix) -> Metadata {
    let mut keys = Metadata::default();
    keys.string("general.architecture", architecture);
    keys.string("general.type", kind);
    keys.string("general.name", name);
    keys.u32("general.file_type", mix.file_type());
    keys.u32("general.quantization_version", 2);
    keys
}
