//! The engine on WebGPU inside a dedicated Worker: every kernel, and one golden model from pixels to tokens.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use outpost_engine::kernels::DeviceChoice;
use outpost_engine::ports::Clock;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::Engine;
use outpost_engine::weights::Gguf;
use safetensors::SafeTensors;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

#[path = "../../../engine/tests/support/kernel_cases/mod.rs"]
mod cases;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

macro_rules! golden {
    ($file:literal) => {
        include_bytes!(concat!("../../../tests/golden/random/", $file))
    };
}

#[wasm_bindgen_test]
async fn products_with_packed_weights_match_the_reference() {
    cases::products_match().await;
}

#[wasm_bindgen_test]
async fn rounded_products_round_as_the_reference_does() {
    cases::rounded_products_round_as_the_reference().await;
}

#[wasm_bindgen_test]
async fn transposed_products_match_the_reference() {
    cases::transposed_products_match().await;
}

#[wasm_bindgen_test]
async fn looked_up_rows_are_dequantised_bit_for_bit() {
    cases::looked_up_rows_are_exact().await;
}

#[wasm_bindgen_test]
async fn norms_and_rotations_match_the_reference() {
    cases::norms_match().await;
}

#[wasm_bindgen_test]
async fn attention_matches_the_reference() {
    cases::attention_matches().await;
}

#[wasm_bindgen_test]
async fn heads_are_made_ready_and_rings_hold_what_was_stored() {
    cases::heads_and_rings_match().await;
}

#[wasm_bindgen_test]
async fn a_single_tokens_attention_matches_the_reference() {
    cases::steps_match().await;
}

#[wasm_bindgen_test]
async fn stacked_matrices_match_the_reference() {
    cases::stacked_products_match().await;
}

#[wasm_bindgen_test]
async fn candidates_are_those_of_the_reference() {
    cases::candidates_match().await;
}

#[wasm_bindgen_test]
async fn elementwise_work_matches_the_reference() {
    cases::elementwise_matches().await;
}

struct NoClock;

impl Clock for NoClock {
    fn now_ms(&self) -> f64 {
        0.0
    }
}

fn words(tensors: &SafeTensors<'_>, name: &str) -> Vec<[u8; 4]> {
    let data = tensors.tensor(name).unwrap();
    data.data()
        .chunks_exact(4)
        .map(|word| word.try_into().unwrap())
        .collect()
}

/// Q4_0 text and Q8_0 vision: logits at every position, then 64 greedy tokens, for a prompt with a picture.
async fn golden_model(device: DeviceChoice) {
    let text = Gguf::open(golden!("model-q4_0.gguf").to_vec()).unwrap();
    let vision = Gguf::open(golden!("mmproj-q8_0.gguf").to_vec()).unwrap();
    let mut engine = Engine::load(&text, Some(Box::new(vision)), device, &mut ())
        .await
        .unwrap();
    let image = outpost_engine::image::decode(golden!("first.png")).unwrap();
    let expected = SafeTensors::deserialize(golden!("expected-q4_0.safetensors")).unwrap();
    let ids = |name: &str| -> Vec<u32> {
        words(&expected, name)
            .into_iter()
            .map(u32::from_le_bytes)
            .collect()
    };

    let tokens = ids("image.tokens");
    let found = engine
        .logits(&tokens, std::slice::from_ref(&image))
        .await
        .unwrap();
    let wanted: Vec<f32> = words(&expected, "image.logits")
        .into_iter()
        .map(f32::from_le_bytes)
        .collect();
    assert_eq!(found.len(), wanted.len());
    // `logits_f32` and `logits_i16` of tests/golden/random/case.toml.
    let tolerance = match device {
        DeviceChoice::Cpu => 1e-2,
        _ => 5e-4,
    };
    for (f, w) in found.iter().zip(&wanted) {
        assert!((f - w).abs() <= tolerance, "{f} where {w} is expected");
    }

    let wanted = ids("image.greedy");
    let options = SamplerOptions::default();
    let mut generation = engine
        .start_tokens(&tokens, &[image], wanted.len(), &options, &NoClock)
        .unwrap();
    while generation.step().await.unwrap().is_some() {}
    assert_eq!(generation.finish().token_ids, wanted);
}

#[wasm_bindgen_test]
async fn a_golden_model_answers_as_the_reference_on_webgpu() {
    golden_model(DeviceChoice::Gpu).await;
}

#[wasm_bindgen_test]
async fn a_golden_model_answers_as_the_reference_on_the_cpu() {
    golden_model(DeviceChoice::Cpu).await;
}
