//! The demo model against `transformers`, in every type it comes in and widened to F32.
//!
//! `models/demo/golden.py` writes what the reference computes on exactly the weights in the files.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/gguf_writer.rs"]
mod gguf_writer;
#[path = "support/golden.rs"]
mod golden;

use std::path::{Path, PathBuf};

use golden::{Tensors, assert_close, gguf, greedy, picture};
use outpost_engine::kernels::CacheType;
use outpost_engine::kernels::DeviceChoice::{self, Cpu, Gpu};
use outpost_engine::session::{Engine, EngineOptions};
use outpost_engine::tokenizer::Tokenizer;
use outpost_engine::weights::{Gguf, WeightSource};

/// Greatest difference of a logit, as part of the largest logit.
const LOGITS: f32 = 2e-3;

/// Greatest difference of an image feature, as part of the largest feature.
const FEATURES: f32 = 1e-3;

fn demo(file: &str) -> PathBuf {
    Path::new("../models/demo").join(file)
}

fn largest(values: &[f32]) -> f32 {
    values
        .iter()
        .fold(0.0, |largest, value| value.abs().max(largest))
}

/// `kind` names the reference, `text` and `vision` are the files.
fn check(kind: &str, text: &Gguf<Vec<u8>>, vision: Gguf<Vec<u8>>, device: DeviceChoice) {
    let options = EngineOptions {
        device,
        ..EngineOptions::default()
    };
    check_with(kind, text, vision, options);
}

fn check_with(kind: &str, text: &Gguf<Vec<u8>>, vision: Gguf<Vec<u8>>, options: EngineOptions) {
    let device = options.device;
    let expected = Tensors::open(&demo("golden.safetensors"));
    let image = picture(&demo(&expected.metadata("image")));
    let vision = Box::new(vision);
    let tokenizer = Tokenizer::from_metadata(text.metadata()).unwrap();
    let mut progress = ();
    let loading = Engine::load_with(text, Some(vision), tokenizer, options, &mut progress);
    let mut engine = pollster::block_on(loading).unwrap();
    for (prompt, images) in [("text", &[][..]), ("image", std::slice::from_ref(&image))] {
        let what = format!("demo {kind} {prompt} {device:?}");
        let tokens = expected.ids(&format!("{kind}.{prompt}.tokens"));
        let wanted = expected.f32(&format!("{kind}.{prompt}.logits"));
        let found = pollster::block_on(engine.logits(&tokens, images)).unwrap();
        assert_close(&what, &found, &wanted, LOGITS * largest(&wanted));
        let wanted = expected.ids(&format!("{kind}.{prompt}.continuation"));
        assert_eq!(wanted.len(), 64);
        assert_eq!(
            greedy(&mut engine, &tokens, images, 64),
            wanted,
            "{what}: continuation"
        );
    }
    let wanted = expected.f32(&format!("{kind}.image.features"));
    let found = pollster::block_on(engine.image_features(&image)).unwrap();
    assert_close(
        &format!("demo {kind} features"),
        &found,
        &wanted,
        FEATURES * largest(&wanted),
    );
}

fn check_file(kind: &str, device: DeviceChoice) {
    let text = gguf(&demo(&format!("demo-{kind}.gguf")));
    check(kind, &text, gguf(&demo("mmproj-demo-f16.gguf")), device);
}

/// Every BF16 and F16 number is an F32 number, so the reference is the same.
fn check_widened(device: DeviceChoice) {
    let widen = |file: &str| Gguf::open(gguf_writer::expand_to_f32(&gguf(&demo(file)))).unwrap();
    check(
        "bf16",
        &widen("demo-bf16.gguf"),
        widen("mmproj-demo-f16.gguf"),
        device,
    );
}

#[test]
fn f32_gives_the_references_answers_on_the_cpu() {
    check_widened(Cpu);
}

#[test]
fn f32_gives_the_references_answers_on_the_gpu() {
    check_widened(Gpu);
}

#[test]
fn bf16_gives_the_references_answers() {
    check_file("bf16", Cpu);
    check_file("bf16", Gpu);
}

#[test]
fn q8_0_gives_the_answers_of_its_dequantised_values() {
    check_file("q8_0", Cpu);
    check_file("q8_0", Gpu);
}

#[test]
fn q4_0_gives_the_answers_of_its_dequantised_values() {
    check_file("q4_0", Cpu);
    check_file("q4_0", Gpu);
}

/// Keys and values are rounded to eleven bits, and a trained model does not mind.
#[test]
fn a_cache_in_half_precision_gives_the_references_answers() {
    for device in [Cpu, Gpu] {
        let options = EngineOptions {
            device,
            cache: Some(CacheType::F16),
            ..EngineOptions::default()
        };
        let text = gguf(&demo("demo-q8_0.gguf"));
        check_with("q8_0", &text, gguf(&demo("mmproj-demo-f16.gguf")), options);
    }
}
