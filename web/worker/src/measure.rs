//! What the loaded engine has counted, and how fast it is.

use outpost_engine::kernels::{ComputeDevice, DeviceChoice};
use outpost_engine::session::{self, Engine, Flow};
use outpost_protocol as protocol;
use outpost_protocol::{Adapter, BenchReport, ProductShape, ProductTime, Stage, Unit};

use crate::desk::Task;
use crate::event_loop::{BrowserClock, heap_bytes};
use crate::host::Loaded;
use crate::problem::{Problem, Result};

/// Counters of the last answer.
pub fn stats(engine: &Engine, load_ms: f64) -> protocol::Stats {
    let stats = engine.stats();
    let measured = |value: f64| (value > 0.0).then_some(value);
    protocol::Stats {
        adapter: Some(stats.adapter.clone()),
        load_ms: Some(load_ms),
        prefill_tok_s: measured(stats.prefill_tok_s),
        decode_tok_s: measured(stats.decode_tok_s),
        pictures_encoded: Some(stats.pictures_encoded),
        weight_bytes: Some(stats.weight_bytes),
        bytes_read_per_token: measured(stats.bytes_read_per_token as f64),
        dispatches_per_token: measured(stats.dispatches_per_token as f64),
        submits_per_token: measured(stats.submits_per_token as f64),
        readback_bytes_per_token: measured(stats.readback_bytes_per_token as f64),
        gpu_bytes_peak: stats.gpu_bytes_peak,
        gpu_bytes: stats.gpu_bytes,
        wasm_heap_bytes: heap_bytes(),
    }
}

/// Reads a prompt of `prompt_tokens` tokens, writes `tokens` after the first, and says how long that took.
///
/// # Errors
/// [`Problem::Cancelled`] if the page stops it; what [`Engine::bench`] says.
pub async fn bench(
    task: &Task,
    loaded: &mut Loaded,
    adapter: Adapter,
    prompt_tokens: u32,
    tokens: u32,
) -> Result<BenchReport> {
    let Loaded {
        engine, load_ms, ..
    } = loaded;
    let (prompt, answer) = (prompt_tokens as usize, tokens as usize);
    // Their sum may not fit in 32 bits.
    let needed_tokens = prompt.saturating_add(answer).saturating_add(1);
    let context_tokens = engine.stats().context_tokens;
    if needed_tokens > context_tokens {
        return Err(Problem::new(
            format!(
                "The model holds {context_tokens} tokens, and this would take {needed_tokens}."
            ),
            "Measure with fewer.",
        ));
    }
    let total = needed_tokens as u64;
    task.progress(Stage::Measuring, 0, total, Unit::Tokens);
    task.check().await?;
    let (mut done, mut furthest) = (0, 0);
    let mut on_event = async |event: session::Event| {
        done = match event {
            session::Event::Prefill { done_tokens, .. } => done_tokens as u64,
            _ => done + 1,
        };
        // A warm-up goes over the same ground first, and progress never goes back.
        furthest = done.max(furthest);
        task.progress(Stage::Measuring, furthest, total, Unit::Tokens);
        match task.check().await {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Stop,
        }
    };
    let measuring = engine.bench(prompt, answer, &BrowserClock, &mut on_event);
    let measured = match measuring.await.map_err(Problem::from) {
        Err(Problem::Failed { .. }) if task.is_cancelled() => return Err(Problem::Cancelled),
        measured => measured?,
    };
    let stats = engine.stats();
    let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
    Ok(BenchReport {
        adapter: adapter.name,
        device: adapter.kind,
        threads: u32::try_from(stats.threads).unwrap_or(u32::MAX),
        switched_off: stats.switched_off.clone(),
        load_ms: *load_ms,
        prompt_tokens: count(measured.prompt_tokens),
        prefill_ms: measured.prefill_ms,
        prefill_tok_s: measured.prefill_tok_s,
        decoded_tokens: count(measured.decoded_tokens),
        decode_ms: measured.decode_ms,
        decode_tok_s: measured.decode_tok_s,
        weight_bytes: Some(stats.weight_bytes),
        bytes_read_per_token: Some(stats.bytes_read_per_token),
        dispatches_per_token: Some(stats.dispatches_per_token),
        submits_per_token: Some(stats.submits_per_token),
        readback_bytes_per_token: Some(stats.readback_bytes_per_token),
        gpu_bytes_peak: stats.gpu_bytes_peak,
        wasm_heap_bytes: heap_bytes(),
    })
}

/// Measures single products on a device, one after the other.
///
/// # Errors
/// [`Problem::Cancelled`] if the page stops it; what [`session::product_ms`] says.
pub async fn products(
    task: &Task,
    shapes: &[ProductShape],
    device: DeviceChoice,
) -> Result<Vec<ProductTime>> {
    let device = ComputeDevice::open(device).await?;
    let mut times = Vec::with_capacity(shapes.len());
    for &shape in shapes {
        task.check().await?;
        let product = session::ProductShape {
            rows: shape.rows as usize,
            cols: shape.cols as usize,
            tokens: shape.tokens as usize,
        };
        let ms = session::product_ms(&device, product, &BrowserClock).await?;
        times.push(ProductTime { shape, ms });
    }
    Ok(times)
}
