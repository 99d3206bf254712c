//! `outpost bench`: how fast, and with how much memory and traffic.

use outpost_engine::kernels::DeviceChoice;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Engine, Event, Flow, Outcome, Request, Stats};
use serde_json::{Map, Value, json};

use crate::args::BenchArgs;
use crate::error::Result;
use crate::load::{self, Loaded};
use crate::output;

/// Answers that are measured at most: a model may end each of them early.
const MAX_ANSWERS: u64 = 32;

/// Keys that are always printed; null where the engine or its device does not count them.
const COUNTERS: [&str; 6] = [
    "weight_bytes",
    "bytes_read_per_token",
    "dispatches_per_token",
    "submits_per_token",
    "readback_bytes_per_token",
    "gpu_bytes_peak",
];

/// Measures until enough tokens were decoded, and prints rates and counters.
pub fn run(args: &BenchArgs, device: DeviceChoice) -> Result<()> {
    let mut loaded = load::engine(&args.model, device)?;
    let prompt = prompt(&loaded.engine, args.prompt_tokens)?;
    // The first answer compiles kernels; it counts for nothing.
    answer(&mut loaded, &prompt, args.tokens.min(2), 0)?;

    let (mut prompt_tokens, mut prefill_ms) = (0, 0.0);
    let (mut decoded_tokens, mut decode_ms) = (0, 0.0);
    for seed in 1..=MAX_ANSWERS {
        let left = args.tokens - decoded_tokens;
        // The first token of an answer comes from the prefill.
        let outcome = answer(&mut loaded, &prompt, left + 1, seed)?;
        prompt_tokens += outcome.prompt_tokens;
        prefill_ms += outcome.prefill_ms;
        decoded_tokens += outcome.completion_tokens.saturating_sub(1);
        decode_ms += outcome.decode_ms;
        if decoded_tokens >= args.tokens {
            break;
        }
    }

    let stats = loaded.engine.stats();
    let mut report = Map::new();
    report.insert("adapter".to_owned(), json!(stats.adapter));
    report.insert("device".to_owned(), json!(stats.device));
    report.insert("load_ms".to_owned(), json!(loaded.load_ms));
    report.insert(
        "prefill_tok_s".to_owned(),
        json!(rate(prompt_tokens, prefill_ms)),
    );
    report.insert(
        "decode_tok_s".to_owned(),
        json!(rate(decoded_tokens, decode_ms)),
    );
    report.insert("prompt_tokens".to_owned(), json!(prompt_tokens));
    report.insert("decoded_tokens".to_owned(), json!(decoded_tokens));
    for name in COUNTERS {
        report.insert(name.to_owned(), counter(stats, name));
    }
    if args.json {
        return output::json(&report);
    }
    for (name, value) in &report {
        let text = match value {
            Value::Null => "not counted".to_owned(),
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_f64() => {
                format!("{:.1}", number.as_f64().unwrap_or_default())
            }
            other => other.to_string(),
        };
        output::line(&format!("{name:<26} {text}"))?;
    }
    Ok(())
}

/// A counter of the engine by its name; null where it is not counted.
pub fn counter(stats: &Stats, name: &str) -> Value {
    let stats = serde_json::to_value(stats).unwrap_or_default();
    stats.get(name).cloned().unwrap_or_default()
}

/// Words that make a prompt of `tokens` tokens, or as few more as the template allows.
fn prompt(engine: &Engine, tokens: usize) -> Result<String> {
    let words = |count: usize| format!("Count.{}", " 1".repeat(count));
    let length = |count: usize| -> Result<usize> {
        let conversation = load::question(None, &words(count), 0, true)?;
        let prompt = engine
            .template()
            .render(engine.tokenizer(), &conversation)?;
        Ok(prompt.tokens.len())
    };
    // More words never make fewer tokens: the largest number of words that fits.
    let (mut fits, mut exceeds) = (0, tokens + 1);
    while fits + 1 < exceeds {
        let middle = usize::midpoint(fits, exceeds);
        match length(middle)? <= tokens {
            true => fits = middle,
            false => exceeds = middle,
        }
    }
    Ok(words(fits))
}

fn answer(loaded: &mut Loaded, prompt: &str, max_tokens: usize, seed: u64) -> Result<Outcome> {
    loaded.engine.forget();
    let request = Request {
        conversation: load::question(None, prompt, 0, true)?,
        max_tokens,
        // The engine's own distribution, so that answers differ when one ends early.
        sampler: SamplerOptions {
            temperature: 1.0,
            top_k: 64,
            seed,
            ..SamplerOptions::default()
        },
    };
    let mut on_event = |_: Event| Flow::Continue;
    let answering = loaded
        .engine
        .generate(&request, &[], &loaded.clock, &mut on_event);
    Ok(pollster::block_on(answering)?)
}

fn rate(tokens: usize, milliseconds: f64) -> f64 {
    match milliseconds > 0.0 {
        true => tokens as f64 * 1000.0 / milliseconds,
        false => 0.0,
    }
}
