//! The engine against `transformers`: logits at every position, image features, greedy continuations.
//!
//! `tests/golden/random` holds a random Gemma 3 with SigLIP in every stored type, each with what the reference
//! computes on exactly those weights; `random_awkward` other shapes. See `tests/golden/README.md`.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/golden.rs"]
mod golden;

use golden::{Tensors, assert_close, case, engine, engine_with, greedy, picture};
use outpost_engine::image::RgbImage;
use outpost_engine::kernels::DeviceChoice::{self, Cpu, Gpu};
use outpost_engine::kernels::simd::Level;
use outpost_engine::kernels::{Arithmetic, ComputeDevice, Tuning};
use outpost_engine::session::{Engine, EngineOptions};
use std::path::Path;

/// Greatest absolute difference of a logit; logits reach about 16. As `case.toml` says.
const LOGITS: f32 = 5e-4;

/// Greatest absolute difference of an image feature; features reach about 5. As `case.toml` says.
const FEATURES: f32 = 1e-4;

/// The same where activations meet quantised weights as 16-bit integers, as the processor's vector kernels have it.
const LOGITS_I16: f32 = 1e-2;
const FEATURES_I16: f32 = 2e-3;

/// The same where a GPU rounds activations to 8 bits, 256 times as coarsely as to 16: a random model makes much of it.
const LOGITS_I8: f32 = 2.5;
const FEATURES_I8: f32 = 1e-1;

/// The same where it multiplies in half precision.
const LOGITS_F16: f32 = 2.5e-1;
const FEATURES_F16: f32 = 1e-2;

/// How an engine computes, and how near it comes: logits and features.
struct Way {
    device: DeviceChoice,
    tuning: Option<Tuning>,
    logits: f32,
    features: f32,
}

impl Way {
    fn is_exact(&self) -> bool {
        let exact = |tuning: Tuning| tuning.is_exact(1) && tuning.is_exact(usize::MAX);
        self.tuning.is_none_or(exact)
    }
}

/// The ways of a device for weights of this kind: every variant of its kernels, and what the engine picks by itself.
fn ways(kind: &str, device: DeviceChoice) -> Vec<Way> {
    let way = |tuning, logits, features| Way {
        device,
        tuning,
        logits,
        features,
    };
    let level = |level| Tuning {
        level: Some(level),
        ..Tuning::PLAIN
    };
    let split = |(threads_per_row, square)| Tuning {
        threads_per_row,
        square,
        ..Tuning::PLAIN
    };
    let (logits, features) = match (device, kind.starts_with('q')) {
        (Cpu, true) => (LOGITS_I16, FEATURES_I16),
        _ => (LOGITS, FEATURES),
    };
    let picked = way(None, logits, features);
    let others: Vec<Way> = match device {
        Cpu => std::iter::once(way(Some(Tuning::PLAIN), LOGITS, FEATURES))
            .chain(Level::available().map(|l| way(Some(level(l)), logits, features)))
            .collect(),
        _ => {
            let gpu = pollster::block_on(ComputeDevice::open(Gpu)).unwrap();
            let splits = [(4, 4), (16, 8), (64, 0)];
            let mut ways = Vec::from(splits.map(|s| way(Some(split(s)), logits, features)));
            if gpu.has_subgroups_of(4) {
                let tuning = Tuning {
                    subgroups: true,
                    ..split((4, 0))
                };
                ways.push(way(Some(tuning), logits, features));
            }
            let in_tiles = |arithmetic| Tuning {
                few: arithmetic,
                many: arithmetic,
                ..split((16, 4))
            };
            if gpu.offers(Arithmetic::F16) {
                let tuning = in_tiles(Arithmetic::F16);
                ways.push(way(Some(tuning), LOGITS_F16, FEATURES_F16));
            }
            if gpu.offers(Arithmetic::I8) && kind.starts_with('q') {
                let tuning = in_tiles(Arithmetic::I8);
                ways.push(way(Some(tuning), LOGITS_I8, FEATURES_I8));
            }
            ways
        }
    };
    std::iter::once(picked).chain(others).collect()
}

fn engine_on(model: &Path, mmproj: Option<&Path>, way: &Way) -> Engine {
    let options = EngineOptions {
        device: way.device,
        tuning: way.tuning,
        ..EngineOptions::default()
    };
    engine_with(model, mmproj, options)
}

fn check_random(kind: &str, vision: &str, prompts: &[&str], device: DeviceChoice) {
    for way in ways(kind, device) {
        check_way(kind, vision, prompts, &way);
    }
}

fn check_way(kind: &str, vision: &str, prompts: &[&str], way: &Way) {
    let device = way.device;
    let folder = case("random");
    let expected = Tensors::open(&folder.join(format!("expected-{kind}.safetensors")));
    let mmproj = folder.join(format!("mmproj-{vision}.gguf"));
    let model = folder.join(format!("model-{kind}.gguf"));
    let mut engine = engine_on(&model, Some(&mmproj), way);
    let first = picture(&folder.join("first.png"));
    let second = picture(&folder.join("second.png"));
    for prompt in prompts {
        let images: &[RgbImage] = match *prompt {
            "image" => std::slice::from_ref(&first),
            "two_images" => &[first.clone(), second.clone()],
            _ => &[],
        };
        let what = format!("{kind} {device:?} {:?} {prompt}", way.tuning);
        let tokens = expected.ids(&format!("{prompt}.tokens"));
        let logits = pollster::block_on(engine.logits(&tokens, images)).unwrap();
        assert_close(
            &what,
            &logits,
            &expected.f32(&format!("{prompt}.logits")),
            way.logits,
        );
        if !images.is_empty() {
            let features: Vec<f32> = images
                .iter()
                .flat_map(|i| pollster::block_on(engine.image_features(i)).unwrap())
                .collect();
            let wanted = expected.f32(&format!("{prompt}.features"));
            assert_close(
                &format!("{what} features"),
                &features,
                &wanted,
                way.features,
            );
        }
        // Rounded logits may prefer another token once two are near each other.
        if way.is_exact() && matches!(*prompt, "short" | "image") {
            let wanted = expected.ids(&format!("{prompt}.greedy"));
            assert_eq!(
                greedy(&mut engine, &tokens, images, wanted.len()),
                wanted,
                "{what}: greedy"
            );
        }
    }
}

fn check_awkward(device: DeviceChoice) {
    for way in ways("q4_0", device) {
        check_awkward_way(&way);
    }
}

fn check_awkward_way(way: &Way) {
    let device = way.device;
    let folder = case("random_awkward");
    let expected = Tensors::open(&folder.join("expected-q4_0.safetensors"));
    let mut engine = engine_on(&folder.join("model-q4_0.gguf"), None, way);
    for prompt in ["short", "long"] {
        let tokens = expected.ids(&format!("{prompt}.tokens"));
        let logits = pollster::block_on(engine.logits(&tokens, &[])).unwrap();
        let wanted = expected.f32(&format!("{prompt}.logits"));
        assert_close(
            &format!("awkward {device:?} {:?} {prompt}", way.tuning),
            &logits,
            &wanted,
            way.logits,
        );
    }
    if way.is_exact() {
        let tokens = expected.ids("short.tokens");
        let wanted = expected.ids("short.greedy");
        assert_eq!(greedy(&mut engine, &tokens, &[], wanted.len()), wanted);
    }
}

fn check_trace(device: DeviceChoice) {
    let (folder, random) = (case("trace"), case("random"));
    let expected = Tensors::open(&folder.join("trace.safetensors"));
    let mmproj = random.join("mmproj-f32.gguf");
    let mut engine = engine(&random.join("model-f32.gguf"), Some(&mmproj), device);
    let image = picture(&random.join("first.png"));
    let found = pollster::block_on(engine.trace(&expected.ids("tokens"), &[image])).unwrap();
    let mut compared = 0;
    for name in expected.names() {
        if let Some(tensor) = found.iter().find(|tensor| tensor.name == name) {
            assert_close(
                &format!("{name} {device:?}"),
                &tensor.values,
                &expected.f32(&name),
                LOGITS,
            );
            compared += 1;
        }
    }
    assert_eq!(
        compared,
        expected.names().len() - 1,
        "every tensor but the tokens is traced"
    );
}

/// Small chunks make the rings of the sliding layers wrap, and cut the prompt at every kind of place.
fn check_chunks(device: DeviceChoice) {
    let folder = case("random");
    let expected = Tensors::open(&folder.join("expected-f32.safetensors"));
    let images = [
        picture(&folder.join("first.png")),
        picture(&folder.join("second.png")),
    ];
    for chunk_tokens in [4, 7, 23] {
        let options = EngineOptions {
            device,
            chunk_tokens,
            context_tokens: 164,
            cache: None,
            ..EngineOptions::default()
        };
        let mmproj = folder.join("mmproj-f32.gguf");
        let mut engine = engine_with(&folder.join("model-f32.gguf"), Some(&mmproj), options);
        for (prompt, images) in [
            ("long", &images[..0]),
            ("image", &images[..1]),
            ("two_images", &images[..]),
        ] {
            let tokens = expected.ids(&format!("{prompt}.tokens"));
            let logits = pollster::block_on(engine.logits(&tokens, images)).unwrap();
            let wanted = expected.f32(&format!("{prompt}.logits"));
            assert_close(
                &format!("chunks of {chunk_tokens} {prompt}"),
                &logits,
                &wanted,
                LOGITS,
            );
        }
        let wanted = expected.ids("short.greedy");
        assert_eq!(
            greedy(
                &mut engine,
                &expected.ids("short.tokens"),
                &[],
                wanted.len()
            ),
            wanted
        );
    }
}

const ALL: &[&str] = &["short", "long", "image", "two_images"];
const SHORT: &[&str] = &["short", "image"];

#[test]
fn every_named_tensor_is_the_references_on_the_cpu() {
    check_trace(Cpu);
}

#[test]
fn every_named_tensor_is_the_references_on_the_gpu() {
    check_trace(Gpu);
}

#[test]
fn chunks_and_wrapping_rings_change_nothing_on_the_cpu() {
    check_chunks(Cpu);
}

#[test]
fn chunks_and_wrapping_rings_change_nothing_on_the_gpu() {
    check_chunks(Gpu);
}

#[test]
fn f32_weights_give_the_references_logits_on_the_cpu() {
    check_random("f32", "f32", ALL, Cpu);
}

#[test]
fn f32_weights_give_the_references_logits_on_the_gpu() {
    check_random("f32", "f32", ALL, Gpu);
}

#[test]
fn half_precision_weights_give_the_references_logits_on_the_cpu() {
    check_random("f16", "f16", SHORT, Cpu);
    check_random("bf16", "f16", SHORT, Cpu);
}

#[test]
fn half_precision_weights_give_the_references_logits_on_the_gpu() {
    check_random("f16", "f16", SHORT, Gpu);
    check_random("bf16", "f16", SHORT, Gpu);
}

#[test]
fn quantised_weights_give_the_logits_of_their_dequantised_values_on_the_cpu() {
    check_random("q8_0", "q8_0", SHORT, Cpu);
    check_random("q4_0", "q8_0", SHORT, Cpu);
}

#[test]
fn quantised_weights_give_the_logits_of_their_dequantised_values_on_the_gpu() {
    check_random("q8_0", "q8_0", SHORT, Gpu);
    check_random("q4_0", "q8_0", SHORT, Gpu);
}

#[test]
fn awkward_shapes_give_the_references_logits_on_the_cpu() {
    check_awkward(Cpu);
}

#[test]
fn awkward_shapes_give_the_references_logits_on_the_gpu() {
    check_awkward(Gpu);
}

#[test]
fn the_self_test_finds_rounded_products_right_where_they_are_allowed() {
    let options = EngineOptions {
        device: Gpu,
        rounded_products: true,
        ..EngineOptions::default()
    };
    for kind in ["q8_0", "q4_0"] {
        let model = case("random").join(format!("model-{kind}.gguf"));
        let engine = engine_with(&model, None, options.clone());
        assert!(
            engine.stats().switched_off.is_empty(),
            "{kind}: {:?}",
            engine.stats().switched_off
        );
    }
}
