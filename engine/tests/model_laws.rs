//! What holds for every prompt: how it is cut into pieces, kept in the cache or batched changes nothing.
//!
//! On the CPU each result is computed by the same arithmetic in the same order, so it is compared bit by bit; a GPU kernel
//! may take another path for one token than for several.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/golden.rs"]
mod golden;

use std::cell::RefCell;

use golden::{Tensors, assert_close, case, engine_with, greedy, picture};
use outpost_engine::image::RgbImage;
use outpost_engine::kernels::simd::Level;
use outpost_engine::kernels::{CacheType, DeviceChoice, Tuning};
use outpost_engine::session::{Engine, EngineOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Window of the sliding layers of `tests/golden/random`.
const WINDOW: usize = 16;

/// Ids of that model.
const VOCABULARY: u32 = 437;

/// Tokens of a picture, and the id that stands for each.
const IMAGE_TOKENS: usize = 4;
const IMAGE: u32 = 439;

fn random_model(device: DeviceChoice, chunk_tokens: usize, context_tokens: usize) -> Engine {
    let folder = case("random");
    let options = EngineOptions {
        device,
        chunk_tokens,
        context_tokens,
        cache: Some(CacheType::F32),
        // Sums in one order, however many tokens there are: so that laws hold to the last bit.
        tuning: (device == DeviceChoice::Cpu).then_some(Tuning::PLAIN),
        ..EngineOptions::default()
    };
    let mmproj = folder.join("mmproj-f32.gguf");
    engine_with(&folder.join("model-f32.gguf"), Some(&mmproj), options)
}

fn pictures() -> [RgbImage; 2] {
    let folder = case("random");
    ["first.png", "second.png"].map(|name| picture(&folder.join(name)))
}

/// A prompt of text with up to two pictures in it, and how many there are.
fn any_prompt(most: usize) -> impl Strategy<Value = (Vec<u32>, usize)> {
    let text = prop::collection::vec(6..VOCABULARY, 1..most);
    let places = prop::collection::vec(any::<prop::sample::Index>(), 0..=2);
    (text, places).prop_map(|(mut tokens, places)| {
        for place in &places {
            // Never inside of a picture that is there already.
            let mut at = place.index(tokens.len());
            while at > 0 && tokens[at - 1] == IMAGE {
                at -= 1;
            }
            tokens.splice(at..at, [IMAGE; IMAGE_TOKENS]);
        }
        (tokens, places.len())
    })
}

fn logits(engine: &mut Engine, tokens: &[u32], images: &[RgbImage]) -> Vec<f32> {
    pollster::block_on(engine.logits(tokens, images)).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn cases(count: u32) -> TestRunner {
    TestRunner::new(Config {
        cases: count,
        failure_persistence: None,
        ..Config::default()
    })
}

/// Place of the largest value.
fn best(row: &[f32]) -> u32 {
    let order = |a: &(usize, &f32), b: &(usize, &f32)| a.1.total_cmp(b.1);
    row.iter().enumerate().max_by(order).unwrap().0 as u32
}

#[test]
fn a_prompt_in_pieces_gives_what_it_gives_token_by_token() {
    let images = pictures();
    // A chunk holds a picture at least, so single tokens come from a model that is shown each as its own prompt piece.
    let engines: Vec<_> = [IMAGE_TOKENS, 5, 23, 200]
        .map(|chunk| RefCell::new(random_model(DeviceChoice::Cpu, chunk, 256)))
        .into();
    cases(24)
        .run(&any_prompt(90), |(tokens, count)| {
            let results = engines
                .iter()
                .map(|engine| bits(&logits(&mut engine.borrow_mut(), &tokens, &images[..count])));
            let results: Vec<_> = results.collect();
            prop_assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_the_cache_gives_is_what_the_whole_text_gives() {
    let images = pictures();
    let engine = RefCell::new(random_model(DeviceChoice::Cpu, 8, 256));
    cases(12)
        .run(&any_prompt(60), |(mut tokens, count)| {
            let engine = &mut engine.borrow_mut();
            let prompt = tokens.len();
            let answer = greedy(engine, &tokens, &images[..count], 3 * WINDOW);
            // In an answer it is a token like any other, in a prompt it stands for a picture.
            prop_assume!(!answer.contains(&IMAGE));
            tokens.extend(&answer);
            let all = logits(engine, &tokens, &images[..count]);
            let vocab = all.len() / tokens.len();
            let rows = all.chunks_exact(vocab).skip(prompt - 1);
            let expected: Vec<_> = rows.take(answer.len()).map(best).collect();
            prop_assert_eq!(answer, expected);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_ring_past_three_windows_gives_what_a_full_cache_gives() {
    // With chunks as long as the context no ring is shorter than it, so nothing is ever overwritten.
    let full = RefCell::new(random_model(DeviceChoice::Cpu, 256, 256));
    let ring = RefCell::new(random_model(DeviceChoice::Cpu, IMAGE_TOKENS, 256));
    let images = pictures();
    let prompt = any_prompt(120).prop_filter("past three windows", |(tokens, _)| {
        tokens.len() > 3 * WINDOW
    });
    cases(12)
        .run(&prompt, |(tokens, count)| {
            let images = &images[..count];
            let expected = logits(&mut full.borrow_mut(), &tokens, images);
            let found = logits(&mut ring.borrow_mut(), &tokens, images);
            prop_assert_eq!(bits(&found), bits(&expected));
            let expected = greedy(&mut full.borrow_mut(), &tokens, images, 64);
            prop_assert_eq!(
                greedy(&mut ring.borrow_mut(), &tokens, images, 64),
                expected
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn pictures_together_have_the_features_that_each_has_alone() {
    let images = pictures();
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        let mut engine = random_model(device, 64, 256);
        let alone = images.each_ref().map(|image| {
            let features = pollster::block_on(engine.image_features(image)).unwrap();
            bits(&features)
        });
        let tokens = [vec![2, 50], vec![IMAGE; 2 * IMAGE_TOKENS], vec![60]].concat();
        let traced = pollster::block_on(engine.trace(&tokens, &images)).unwrap();
        let together = traced.iter().find(|t| t.name == "image_features").unwrap();
        assert_eq!(bits(&together.values), alone.concat(), "{device:?}");
    }
}

#[test]
fn keys_and_values_in_half_precision_stay_within_the_case_s_tolerance() {
    // `logits_f16_kv` of case.toml: random weights make the most of every rounding.
    const LOGITS: f32 = 1e-1;
    let folder = case("random");
    let expected = Tensors::open(&folder.join("expected-f32.safetensors"));
    let images = pictures();
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        let options = EngineOptions {
            device,
            cache: Some(CacheType::F16),
            ..EngineOptions::default()
        };
        let mmproj = folder.join("mmproj-f32.gguf");
        let mut engine = engine_with(&folder.join("model-f32.gguf"), Some(&mmproj), options);
        assert_eq!(engine.stats().cache, CacheType::F16);
        for (prompt, count) in [("long", 0), ("two_images", 2)] {
            let tokens = expected.ids(&format!("{prompt}.tokens"));
            let wanted = expected.f32(&format!("{prompt}.logits"));
            let found = logits(&mut engine, &tokens, &images[..count]);
            assert_close(&format!("{prompt} {device:?}"), &found, &wanted, LOGITS);
        }
    }
}

#[test]
fn vector_instructions_change_nothing_but_the_last_bits() {
    // Relative to the largest logit, as `logits_i16` of case.toml.
    const LOGITS: f32 = 1e-3;
    let folder = case("random");
    let images = pictures();
    for kind in ["f32", "q4_0", "q8_0"] {
        let expected = Tensors::open(&folder.join("expected-f32.safetensors"));
        let tokens = expected.ids("two_images.tokens");
        let found = [None, Some(Level::Portable), Some(Level::detect())].map(|level| {
            let options = EngineOptions {
                device: DeviceChoice::Cpu,
                tuning: Some(Tuning {
                    level,
                    ..Tuning::PLAIN
                }),
                ..EngineOptions::default()
            };
            let mmproj = folder.join("mmproj-f32.gguf");
            let model = folder.join(format!("model-{kind}.gguf"));
            logits(
                &mut engine_with(&model, Some(&mmproj), options),
                &tokens,
                &images,
            )
        });
        let largest = found[0].iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for other in &found[1..] {
            assert_close(kind, other, &found[0], LOGITS * largest);
        }
    }
}
