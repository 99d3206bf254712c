//! Files that people have, as older or other converters wrote them: each is read as what it means.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gguf_writer.rs"]
mod gguf_writer;
#[path = "support/golden.rs"]
mod golden;

use gguf_writer::GgufWriter;
use golden::{Tensors, assert_close, case, gguf, picture};
use outpost_engine::kernels::DeviceChoice;
use outpost_engine::model::TextConfig;
use outpost_engine::session::Engine;
use outpost_engine::weights::{BlockType, Gguf, Value, WeightSource};

/// The file with its tensors under other names, as F32.
fn renamed(file: &Gguf<Vec<u8>>, rename: impl Fn(&str) -> String) -> Gguf<Vec<u8>> {
    let mut writer = GgufWriter::new();
    for (key, value) in file.metadata().iter() {
        writer = writer.value(key, value);
    }
    for tensor in file.tensors() {
        let values = file.read_f32(tensor).unwrap();
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let name = rename(&tensor.name);
        writer = writer.tensor(&name, &tensor.shape, BlockType::F32, &bytes);
    }
    Gguf::open(writer.bytes()).unwrap()
}

#[test]
fn an_older_image_encoder_with_exchanged_feed_forward_names_sees_the_same() {
    let folder = case("random");
    let text = gguf(&folder.join("model-f32.gguf"));
    let older = renamed(&gguf(&folder.join("mmproj-f32.gguf")), |name| {
        match name.contains("ffn_up") {
            true => name.replace("ffn_up", "ffn_down"),
            false => name.replace("ffn_down", "ffn_up"),
        }
    });
    let mut progress = ();
    let loading = Engine::load(
        &text,
        Some(Box::new(older)),
        DeviceChoice::Cpu,
        &mut progress,
    );
    let mut engine = pollster::block_on(loading).unwrap();
    let image = picture(&folder.join("first.png"));
    let expected = Tensors::open(&folder.join("expected-f32.safetensors"));
    let wanted = expected.f32("image.features");
    let found = pollster::block_on(engine.image_features(&image)).unwrap();
    assert_close("exchanged names", &found, &wanted, 1e-4);
}

/// The keys of a text model with these numbers of layers, heads and values.
fn keys(layers: u32, heads: u32, head_dim: u32, hidden: u32) -> Gguf<Vec<u8>> {
    let number = |writer: GgufWriter, key: &str, value: u32| {
        writer.value(&format!("gemma3.{key}"), &Value::U32(value))
    };
    let fraction = |writer: GgufWriter, key: &str, value: f32| {
        writer.value(&format!("gemma3.{key}"), &Value::F32(value))
    };
    let mut writer =
        GgufWriter::new().value("general.architecture", &Value::String("gemma3".into()));
    for (key, value) in [
        ("block_count", layers),
        ("context_length", 131_072),
        ("embedding_length", hidden),
        ("feed_forward_length", 4 * hidden),
        ("attention.head_count", heads),
        ("attention.head_count_kv", heads / 2),
        ("attention.key_length", head_dim),
        ("attention.sliding_window", 1024),
    ] {
        writer = number(writer, key, value);
    }
    writer = fraction(writer, "attention.layer_norm_rms_epsilon", 1e-6);
    writer = fraction(writer, "rope.freq_base", 1e6);
    Gguf::open(writer.bytes()).unwrap()
}

#[test]
fn only_the_27b_model_scales_queries_by_its_width_over_its_heads() {
    let scale = |layers, heads, head_dim, hidden| {
        let file = keys(layers, heads, head_dim, hidden);
        let config = TextConfig::from_metadata(file.metadata(), 262_208).unwrap();
        config.query_scale
    };
    assert_eq!(scale(34, 8, 256, 2560), 1.0 / 16.0);
    assert_eq!(scale(62, 32, 128, 5376), 1.0 / 168f32.sqrt());
}

#[test]
fn keys_that_older_converters_left_out_have_gemma_s_values() {
    let file = keys(34, 8, 256, 2560);
    let config = TextConfig::from_metadata(file.metadata(), 262_144).unwrap();
    assert_eq!(config.rope_base_sliding, 10_000.0);
    assert_eq!(config.rope_factor, 1.0);
    let full: Vec<_> = (0..34).filter(|layer| !config.is_sliding(*layer)).collect();
    assert_eq!(full, [5, 11, 17, 23, 29]);
}
