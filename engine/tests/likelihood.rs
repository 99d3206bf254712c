//! How likely continuations are: against the reference's logits, and the same however the cache came to be.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/golden.rs"]
mod golden;

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Waker};

use golden::{NoClock, Tensors, case, engine_with, picture};
use outpost_engine::image::RgbImage;
use outpost_engine::kernels::DeviceChoice::{self, Cpu, Gpu};
use outpost_engine::likelihood::LogLikelihood;
use outpost_engine::ports::Clock;
use outpost_engine::session::{Engine, EngineOptions};

/// Tolerances of a logit, as `random/case.toml` says.
const LOGITS: f32 = 5e-4;
const LOGITS_I16: f32 = 1e-2;

const VOCAB: usize = 440;

fn model(kind: &str, device: DeviceChoice, chunk_tokens: usize) -> Engine {
    let folder = case("random");
    let vision = match kind {
        "f32" => "f32",
        _ => "q8_0",
    };
    let options = EngineOptions {
        device,
        chunk_tokens,
        context_tokens: 164,
        ..EngineOptions::default()
    };
    let mmproj = folder.join(format!("mmproj-{vision}.gguf"));
    engine_with(
        &folder.join(format!("model-{kind}.gguf")),
        Some(&mmproj),
        options,
    )
}

fn expected(kind: &str) -> Tensors {
    Tensors::open(&case("random").join(format!("expected-{kind}.safetensors")))
}

fn images(count: usize) -> Vec<RgbImage> {
    let files = ["first.png", "second.png"].into_iter().take(count);
    files
        .map(|file| picture(&case("random").join(file)))
        .collect()
}

fn score(
    engine: &mut Engine,
    prompt: &[u32],
    images: &[RgbImage],
    continuations: &[Vec<u32>],
) -> Vec<LogLikelihood> {
    pollster::block_on(engine.score(prompt, images, continuations, &NoClock)).unwrap()
}

/// From whole rows of scores: `logits` [tokens, vocab] of `tokens`, of which `continuation` begins at `start`.
fn from_logits(logits: &[f32], continuation: &[u32], start: usize) -> f64 {
    let rows = logits.chunks_exact(VOCAB).skip(start - 1);
    let each = rows.zip(continuation).map(|(row, id)| {
        let total: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
        f64::from(row[*id as usize]) - total.ln()
    });
    each.sum()
}

/// A logit that is off by the tolerance, and a normalisation that is, for each token.
fn tolerance(kind: &str, device: DeviceChoice, tokens: usize) -> f64 {
    let logit = match (kind, device) {
        ("f32", _) | (_, Gpu) => LOGITS,
        _ => LOGITS_I16,
    };
    2.0 * f64::from(logit) * tokens as f64
}

fn check_reference(device: DeviceChoice) {
    for (kind, name, pictures) in [
        ("f32", "short", 0),
        ("f32", "long", 0),
        ("f32", "image", 1),
        ("f32", "two_images", 2),
        ("q8_0", "short", 0),
        ("q4_0", "image", 1),
    ] {
        let mut engine = model(kind, device, 32);
        let expected = expected(kind);
        let tokens = expected.ids(&format!("{name}.tokens"));
        let logits = expected.f32(&format!("{name}.logits"));
        // Behind all pictures: what continues is text.
        let start = tokens.len() - 12;
        let (prompt, rest) = tokens.split_at(start);
        let continuations: Vec<_> = [1, 2, 7, 12, 1].map(|n| rest[..n].to_vec()).into();
        let found = score(&mut engine, prompt, &images(pictures), &continuations);
        for (found, continuation) in found.iter().zip(&continuations) {
            let wanted = from_logits(&logits, continuation, start);
            let off = (found.sum - wanted).abs();
            let limit = tolerance(kind, device, continuation.len());
            assert!(
                off <= limit,
                "{kind} {name} {device:?}, {} tokens: {} where {wanted} is expected",
                continuation.len(),
                found.sum
            );
            assert_eq!(found.tokens, continuation.len());
        }
    }
}

#[test]
fn likelihoods_are_those_of_the_references_logits_on_the_cpu() {
    check_reference(Cpu);
}

#[test]
fn likelihoods_are_those_of_the_references_logits_on_the_gpu() {
    check_reference(Gpu);
}

fn check_greedy(device: DeviceChoice) {
    let expected = expected("f32");
    let (prompt, greedy) = (expected.ids("short.tokens"), expected.ids("short.greedy"));
    let mut other = greedy[..9].to_vec();
    other[8] = (other[8] + 1) % VOCAB as u32;
    let continuations = [greedy[..40].to_vec(), other, greedy[..1].to_vec()];
    let found = score(&mut model("f32", device, 64), &prompt, &[], &continuations);
    let flags: Vec<_> = found.iter().map(|found| found.greedy).collect();
    assert_eq!(flags, [true, false, true]);
}

#[test]
fn only_the_greedy_answer_is_greedy_on_the_cpu() {
    check_greedy(Cpu);
}

#[test]
fn only_the_greedy_answer_is_greedy_on_the_gpu() {
    check_greedy(Gpu);
}

fn assert_same(found: &[LogLikelihood], wanted: &[LogLikelihood], device: DeviceChoice) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        let off = (found.sum - wanted.sum).abs();
        let limit = tolerance("f32", device, found.tokens);
        assert!(off <= limit, "{found:?} where {wanted:?} is expected");
        assert_eq!(found.greedy, wanted.greedy);
    }
}

fn check_reuse(device: DeviceChoice) {
    let expected = expected("f32");
    let tokens = expected.ids("image.tokens");
    let (prompt, rest) = tokens.split_at(tokens.len() - 6);
    let picture = images(1);
    let continuations: Vec<_> = [6, 3, 1].map(|n| rest[..n].to_vec()).into();
    let mut engine = model("f32", device, 32);
    let first = score(&mut engine, prompt, &picture, &continuations);
    // The cache holds prompt and last continuation; then another prompt's beginning; then nothing.
    let again = score(&mut engine, prompt, &picture, &continuations);
    assert_same(&again, &first, device);
    let encoded = engine.stats().pictures_encoded;
    score(&mut engine, &expected.ids("short.tokens"), &[], &[vec![7]]);
    let after_another = score(&mut engine, prompt, &picture, &continuations);
    assert_same(&after_another, &first, device);
    engine.forget();
    let from_nothing = score(&mut engine, prompt, &picture, &continuations);
    assert_same(&from_nothing, &first, device);
    assert!(engine.stats().pictures_encoded > encoded);
    // One by one, from nothing: what one continuation leaves in the cache is not seen by the next.
    for (continuation, wanted) in continuations.iter().zip(&first) {
        engine.forget();
        let alone = score(
            &mut engine,
            prompt,
            &picture,
            std::slice::from_ref(continuation),
        );
        assert_same(&alone, std::slice::from_ref(wanted), device);
    }
}

#[test]
fn a_cache_that_is_reused_changes_nothing_on_the_cpu() {
    check_reuse(Cpu);
}

#[test]
fn a_cache_that_is_reused_changes_nothing_on_the_gpu() {
    check_reuse(Gpu);
}

fn check_long(device: DeviceChoice) {
    let expected = expected("f32");
    let tokens = expected.ids("two_images.tokens");
    let logits = expected.f32("two_images.logits");
    let (prompt, short) = tokens.split_at(tokens.len() - 6);
    // Much longer than rings of a window and four tokens can go back.
    let long = expected.ids("short.greedy");
    let continuations = [short.to_vec(), long[..50].to_vec(), short.to_vec()];
    let mut engine = model("f32", device, 4);
    let found = score(&mut engine, prompt, &images(2), &continuations);
    let wanted = from_logits(&logits, short, prompt.len());
    for found in [found[0], found[2]] {
        let limit = tolerance("f32", device, short.len());
        assert!((found.sum - wanted).abs() <= limit, "{found:?} {wanted}");
    }
    let mut roomy = model("f32", device, 64);
    let in_one = score(&mut roomy, prompt, &images(2), &continuations[1..2]);
    assert_same(&found[1..2], &in_one, device);
}

#[test]
fn a_continuation_longer_than_the_rings_does_no_harm_to_the_next_on_the_cpu() {
    check_long(Cpu);
}

#[test]
fn a_continuation_longer_than_the_rings_does_no_harm_to_the_next_on_the_gpu() {
    check_long(Gpu);
}

/// Every look at it is a quarter of an hour after the last one.
struct SlowClock(Cell<f64>);

impl Clock for SlowClock {
    fn now_ms(&self) -> f64 {
        self.0.set(self.0.get() + 9e5);
        self.0.get()
    }
}

#[test]
fn on_the_processor_the_clock_changes_no_bit() {
    for kind in ["f32", "q8_0"] {
        let tokens = expected("f32").ids("long.tokens");
        let (prompt, rest) = tokens.split_at(80);
        let continuations: Vec<_> = [20, 2, 1].map(|n| rest[..n].to_vec()).into();
        let mut engine = model(kind, Cpu, 64);
        let wanted = score(&mut engine, prompt, &[], &continuations);
        for _ in 0..2 {
            engine.forget();
            let clock = SlowClock(Cell::new(0.0));
            let scoring = engine.score(prompt, &[], &continuations, &clock);
            assert_eq!(pollster::block_on(scoring).unwrap(), wanted);
        }
    }
}

#[test]
fn what_cannot_be_scored_is_refused_and_the_engine_stays_usable() {
    let mut engine = model("f32", Cpu, 32);
    let prompt = expected("f32").ids("short.tokens");
    let right = score(&mut engine, &prompt, &[], &[vec![7, 8]]);
    let mut refusal = |prompt: &[u32], continuation: Vec<u32>| {
        let continuations = [continuation];
        let scoring = engine.score(prompt, &[], &continuations, &NoClock);
        let refused = pollster::block_on(scoring).unwrap_err().to_string();
        assert_eq!(score(&mut engine, &[2, 7], &[], &[vec![7]]).len(), 1);
        refused
    };
    assert!(refusal(&prompt, Vec::new()).contains("no tokens"));
    assert!(refusal(&prompt, vec![7, 440]).contains("token 440"));
    assert!(refusal(&[], vec![7]).contains("no tokens"));
    assert!(refusal(&prompt, vec![7; 150]).contains("164"));
    assert_same(
        &score(&mut engine, &prompt, &[], &[vec![7, 8]]),
        &right,
        Cpu,
    );
    assert!(score(&mut engine, &prompt, &[], &[]).is_empty());
}

#[test]
fn scoring_that_is_given_up_leaves_nothing_wrong_behind() {
    let expected = expected("f32");
    let tokens = expected.ids("short.tokens");
    let (prompt, rest) = tokens.split_at(10);
    let continuations = [rest.to_vec(), rest[..3].to_vec()];
    let mut engine = model("f32", Gpu, 32);
    let wanted = score(&mut engine, prompt, &[], &continuations);
    for polls in 1..6 {
        engine.forget();
        {
            let mut scoring = pin!(engine.score(prompt, &[], &continuations, &NoClock));
            for _ in 0..polls {
                let waker = Waker::noop();
                if scoring
                    .as_mut()
                    .poll(&mut Context::from_waker(waker))
                    .is_ready()
                {
                    break;
                }
            }
        }
        assert_same(
            &score(&mut engine, prompt, &[], &continuations),
            &wanted,
            Gpu,
        );
    }
}
