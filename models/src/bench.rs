//! `outpost bench`: how fast, and with how much memory and traffic.

use outpost_engine::session::{Event, Flow, Stats};
use serde_json::{Map, Value, json};

use crate::args::BenchArgs;
use crate::error::{Error, Result};
use crate::load::{self, Compute};
use crate::output;

/// Keys that are always printed; null where the engine or its device does not count them.
const COUNTERS: [&str; 7] = [
    "switched_off",
    "weight_bytes",
    "bytes_read_per_token",
    "dispatches_per_token",
    "submits_per_token",
    "readback_bytes_per_token",
    "gpu_bytes_peak",
];

/// Measures, and prints rates and counters.
pub fn run(args: &BenchArgs, compute: Compute) -> Result<()> {
    let mut loaded = load::engine(&args.model, compute)?;
    let failed = || Error::of(&args.model.model);
    let mut on_event = async |_: Event| Flow::Continue;
    let measuring = loaded.engine.bench(
        args.prompt_tokens,
        args.tokens,
        &loaded.clock,
        &mut on_event,
    );
    let measured = pollster::block_on(measuring).map_err(failed())?;
    let stats = loaded.engine.stats().clone();
    let mut positions = Vec::new();
    for &position in &args.positions {
        let measuring = loaded.engine.bench_at(position, args.tokens, &loaded.clock);
        let ms = pollster::block_on(measuring).map_err(failed())?;
        positions.push(json!({"position": position, "ms_per_token": ms}));
    }

    let mut report = Map::new();
    report.insert("adapter".to_owned(), json!(stats.adapter));
    report.insert("device".to_owned(), json!(stats.device));
    report.insert("threads".to_owned(), json!(stats.threads));
    report.insert("load_ms".to_owned(), json!(loaded.load_ms));
    if let Ok(Value::Object(measured)) = serde_json::to_value(&measured) {
        report.extend(measured);
    }
    for name in COUNTERS {
        report.insert(name.to_owned(), counter(&stats, name));
    }
    if !positions.is_empty() {
        report.insert("positions".to_owned(), json!(positions));
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
