//! `outpost generate`: one question, its answer as it comes.

use outpost_engine::kernels::DeviceChoice;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Event, FinishReason, Flow, Request};
use serde::Serialize;
use serde_json::Value;

use crate::args::GenerateArgs;
use crate::bench::counter;
use crate::error::Result;
use crate::{load, output};

#[derive(Serialize)]
struct Answer {
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thought: String,
    prompt_tokens: usize,
    completion_tokens: usize,
    finish_reason: FinishReason,
    prefill_ms: f64,
    decode_ms: f64,
    /// Null where the device does not say.
    gpu_bytes_peak: Value,
    token_ids: Vec<u32>,
    adapter: String,
}

/// Prints the answer; what the model thinks before it goes to stderr.
pub fn run(args: &GenerateArgs, device: DeviceChoice) -> Result<()> {
    let request = Request {
        conversation: load::question(
            args.system.as_deref(),
            &args.prompt,
            args.images.len(),
            true,
        )?,
        max_tokens: args.max_tokens,
        sampler: SamplerOptions {
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
            seed: args.seed,
            ..SamplerOptions::default()
        },
    };
    request.sampler.validate()?;
    let pictures = load::pictures(&args.images)?;
    let mut loaded = load::engine(&args.model, device)?;

    let mut shown = String::new();
    let mut printed = Ok(());
    let mut on_event = |event: Event| {
        if let Event::Token { text, thought, .. } = event
            && !args.json
        {
            match thought {
                true => eprint!("{text}"),
                false => {
                    printed = output::piece(&text);
                    shown.push_str(&text);
                }
            }
        }
        match printed {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Stop,
        }
    };
    let outcome = pollster::block_on(loaded.engine.generate(
        &request,
        &pictures,
        &loaded.clock,
        &mut on_event,
    ))?;
    printed?;

    if !args.json {
        // An answer that ends within a character shows that only at its end.
        output::line(outcome.text.strip_prefix(&shown).unwrap_or_default())?;
        let seconds = outcome.decode_ms / 1000.0;
        eprintln!(
            "{} tokens in, {} out, {:.1} a second, {:?}",
            outcome.prompt_tokens,
            outcome.completion_tokens,
            outcome.completion_tokens as f64 / seconds.max(1e-9),
            outcome.finish_reason,
        );
        return Ok(());
    }
    output::json(&Answer {
        text: outcome.text,
        thought: outcome.thought,
        prompt_tokens: outcome.prompt_tokens,
        completion_tokens: outcome.completion_tokens,
        finish_reason: outcome.finish_reason,
        prefill_ms: outcome.prefill_ms,
        decode_ms: outcome.decode_ms,
        gpu_bytes_peak: counter(loaded.engine.stats(), "gpu_bytes_peak"),
        token_ids: outcome.token_ids,
        adapter: loaded.engine.stats().adapter.clone(),
    })
}
