//! Directions of texts: the rows of the embedding matrix, averaged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/golden.rs"]
mod golden;

use golden::{case, engine, gguf};
use outpost_engine::kernels::DeviceChoice::{self, Cpu, Gpu};
use outpost_engine::session::Engine;
use outpost_engine::tokenizer::Span;
use outpost_engine::weights::WeightSource;

fn embed(engine: &mut Engine, texts: &[&str]) -> Vec<Vec<f32>> {
    pollster::block_on(engine.embed(texts)).unwrap()
}

fn length(direction: &[f32]) -> f32 {
    direction
        .iter()
        .map(|value| value * value)
        .sum::<f32>()
        .sqrt()
}

/// Rows of the table as they stand in the file, averaged and made of length 1.
fn from_table(kind: &str, ids: &[u32]) -> Vec<f32> {
    let file = gguf(&case("random").join(format!("model-{kind}.gguf")));
    let tensor = file.tensor("token_embd.weight").unwrap();
    let values = file.read_f32(tensor).unwrap();
    let hidden = tensor.cols() as usize;
    let mut mean = vec![0.0f32; hidden];
    for id in ids {
        let row = &values[*id as usize * hidden..][..hidden];
        mean.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += value / ids.len() as f32);
    }
    let length = length(&mean);
    mean.iter().map(|value| value / length).collect()
}

fn check(device: DeviceChoice) {
    let long = "one two three four five six seven eight nine ten ".repeat(20);
    let texts = [
        "fever",
        "a sore throat for two days",
        "",
        "<end_of_turn>",
        &long,
    ];
    for kind in ["f32", "bf16", "q8_0", "q4_0"] {
        let mut engine = engine(
            &case("random").join(format!("model-{kind}.gguf")),
            None,
            device,
        );
        let found = embed(&mut engine, &texts);
        assert_eq!(found.len(), texts.len());
        for (text, direction) in texts.iter().zip(&found) {
            let ids = engine
                .tokenizer()
                .encode_spans(&[Span::untrusted(text)])
                .unwrap();
            if ids.is_empty() {
                assert!(direction.iter().all(|value| *value == 0.0));
                continue;
            }
            golden::assert_close(text, direction, &from_table(kind, &ids), 1e-5);
            assert!((length(direction) - 1.0).abs() < 1e-5);
            let alone = embed(&mut engine, &[text]);
            golden::assert_close("alone", &alone[0], direction, 1e-6);
        }
        assert!(
            engine.tokenizer().encode(&long).unwrap().len() > 256,
            "several reads"
        );
        assert_eq!(embed(&mut engine, &[]), Vec::<Vec<f32>>::new());
    }
}

#[test]
fn a_text_is_the_mean_of_its_tokens_rows_on_the_cpu() {
    check(Cpu);
}

#[test]
fn a_text_is_the_mean_of_its_tokens_rows_on_the_gpu() {
    check(Gpu);
}
