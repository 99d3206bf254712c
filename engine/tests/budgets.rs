//! What a decoded token may cost on a GPU. These numbers only ever go down.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/golden.rs"]
mod golden;

use golden::{NoClock, case, engine_with, gguf};
use outpost_engine::kernels::DeviceChoice;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Engine, EngineOptions, Stats};
use outpost_engine::weights::{TensorInfo, WeightSource};
use std::path::PathBuf;

/// Layers of the demonstration model.
const DEMO_LAYERS: u64 = 6;

/// Products with three matrices, attention, output, sum and norm, gate and up, down, sum and norm.
const DISPATCHES_PER_LAYER: u64 = 7;

/// Looking the token up, the first norm, the scores, and two for the candidates.
const OTHER_DISPATCHES: u64 = 6;

fn demo_file() -> PathBuf {
    PathBuf::from("../models/demo/demo-q8_0.gguf")
}

fn demo() -> Engine {
    let options = EngineOptions {
        device: DeviceChoice::Gpu,
        ..EngineOptions::default()
    };
    engine_with(&demo_file(), None, options)
}

/// Counters of an answer of some tokens.
fn stats_of(engine: &mut Engine, sampler: &SamplerOptions) -> Stats {
    let prompt: Vec<u32> = (2..42).collect();
    let mut generation = engine
        .start_tokens(&prompt, &[], 8, sampler, &NoClock)
        .unwrap();
    while pollster::block_on(generation.step()).unwrap().is_some() {}
    generation.finish();
    engine.stats().clone()
}

#[test]
fn a_token_takes_few_dispatches_and_one_submit() {
    let mut engine = demo();
    let stats = stats_of(&mut engine, &SamplerOptions::default());
    let most = DISPATCHES_PER_LAYER * DEMO_LAYERS + OTHER_DISPATCHES;
    assert!(stats.dispatches_per_token > 0);
    assert!(
        stats.dispatches_per_token <= most,
        "{} dispatches, at most {most}",
        stats.dispatches_per_token
    );
    assert_eq!(stats.submits_per_token, 1);
}

#[test]
fn candidates_are_read_back_and_never_all_scores() {
    let mut engine = demo();
    let greedy = stats_of(&mut engine, &SamplerOptions::default());
    assert_eq!(greedy.readback_bytes_per_token, 8);
    let drawn = SamplerOptions {
        temperature: 1.0,
        top_k: 64,
        top_p: 0.95,
        ..SamplerOptions::default()
    };
    let drawn = stats_of(&mut engine, &drawn);
    assert_eq!(drawn.readback_bytes_per_token, 512);
    assert_eq!(drawn.submits_per_token, 1);
    let penalised = SamplerOptions {
        repetition_penalty: 1.2,
        ..SamplerOptions::default()
    };
    let penalised = stats_of(&mut engine, &penalised);
    assert!(penalised.readback_bytes_per_token <= 64);
    assert_eq!(penalised.submits_per_token, 1);
}

#[test]
fn every_weight_is_read_once_for_a_token() {
    let stats = demo().stats().clone();
    let stored: u64 = gguf(&demo_file())
        .tensors()
        .iter()
        .map(TensorInfo::stored_bytes)
        .sum();
    let most = stored as f64 * 1.02;
    assert!(stats.bytes_read_per_token as f64 <= most, "{stats:?}");
    assert!(
        stats.bytes_read_per_token as f64 >= stored as f64 * 0.98,
        "{stats:?}"
    );
}

#[test]
fn drawing_from_candidates_gives_the_tokens_of_drawing_from_all_scores() {
    let folder = case("random");
    let engine = |device| {
        let options = EngineOptions {
            device,
            ..EngineOptions::default()
        };
        engine_with(&folder.join("model-f32.gguf"), None, options)
    };
    let (mut gpu, mut cpu) = (engine(DeviceChoice::Gpu), engine(DeviceChoice::Cpu));
    for seed in 0..6 {
        let sampler = SamplerOptions {
            temperature: 0.9,
            top_k: 20,
            top_p: 0.9,
            min_p: 0.01,
            seed,
            ..SamplerOptions::default()
        };
        let mut ids = Vec::new();
        for engine in [&mut gpu, &mut cpu] {
            let prompt: Vec<u32> = (2..20).collect();
            let mut generation = engine
                .start_tokens(&prompt, &[], 24, &sampler, &NoClock)
                .unwrap();
            while pollster::block_on(generation.step()).unwrap().is_some() {}
            ids.push(generation.finish().token_ids);
        }
        // The CPU has all scores, the GPU gives its candidates.
        assert_eq!(ids[0], ids[1], "seed {seed}");
    }
}
