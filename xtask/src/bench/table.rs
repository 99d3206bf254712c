//! Figures for a person to read.

use std::fmt::Write;

use serde_json::Value;

use super::figures::{Contestant, Kernel, Spread};

/// Rates of each contestant, then ratios, then what else is to be known.
pub fn answers(
    place: &str,
    contestants: &[Contestant],
    ratios: &[Value],
    notes: &[String],
) -> String {
    let mut text = heading(place, &["load ms", "prefill tokens/s", "decode tokens/s"]);
    for contestant in contestants {
        let cells = [
            contestant.loading_ms().map(|ms| format!("{ms:.0}")),
            contestant.spread("prefill_tok_s").map(shown),
            contestant.spread("decode_tok_s").map(shown),
        ];
        line(&mut text, &contestant.name(), &cells);
        if let Some(why) = &contestant.failed {
            let _ = writeln!(text, "    failed: {why}");
        }
    }
    if !ratios.is_empty() {
        text += &heading("times as fast", &["", "prefill", "decode"]);
    }
    for ratio in ratios {
        let name = format!("{} / {}", word(&ratio["of"]), word(&ratio["to"]));
        let cell = |key: &str| {
            let found = ratio[key].as_f64()?;
            Some(match ratio[format!("{key}_target")].as_f64() {
                Some(least) => format!("{found:.2}, {} {least:.1}", verdict(found >= least)),
                None => format!("{found:.2}"),
            })
        };
        line(&mut text, &name, &[None, cell("prefill"), cell("decode")]);
    }
    for note in notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

/// Milliseconds for a token behind prompts of several lengths.
pub fn positions(positions: &[(u32, Vec<Contestant>)]) -> String {
    let mut text = String::new();
    for (prompt_tokens, contestants) in positions {
        let place = format!("behind {prompt_tokens} tokens");
        text += &heading(&place, &["prefill tokens/s", "decode ms/token"]);
        for contestant in contestants {
            let decode = contestant.spread("decode_tok_s");
            let cells = [
                contestant.spread("prefill_tok_s").map(shown),
                decode.map(|speed| format!("{:.2}", 1000.0 / speed.median)),
            ];
            line(&mut text, &contestant.name(), &cells);
            if let Some(why) = &contestant.failed {
                let _ = writeln!(text, "    failed: {why}");
            }
        }
    }
    text
}

/// Milliseconds of each product.
pub fn kernels(kernels: &[Kernel]) -> String {
    let mut text = heading(
        "Q4 products, ms",
        &["outpost", "ONNX Runtime", "times as fast"],
    );
    for kernel in kernels {
        let (rows, cols, tokens) = kernel.shape;
        let ratio = kernel.ratio().map(|ratio| {
            let target = Kernel::TARGET;
            format!("{ratio:.2}, {} {target:.1}", verdict(ratio >= target))
        });
        let cells = [
            kernel.outpost_ms.map(shown),
            kernel.other_ms.map(shown),
            ratio,
        ];
        line(
            &mut text,
            &format!("{rows}x{cols}, {tokens} rows of x"),
            &cells,
        );
    }
    if let Some(kernel) = kernels.first() {
        let _ = writeln!(text, "on {}", kernel.adapter);
    }
    text
}

/// Times of a token under each schema.
pub fn constraint(report: &Value) -> String {
    let mut text = heading(
        "a token under a schema, in WebAssembly",
        &["tokens", "median ms", "99 %", "worst", "worst of best"],
    );
    for schema in report["schemas"].as_array().into_iter().flatten() {
        let ms = |key: &str| schema[key].as_f64().map(|ms| format!("{ms:.3}"));
        let cells = [
            schema["tokens"].as_u64().map(|tokens| tokens.to_string()),
            ms("median_ms"),
            ms("p99_ms"),
            ms("worst_ms"),
            ms("worst_of_best_ms"),
        ];
        line(&mut text, word(&schema["name"]), &cells);
        let shown: Vec<&str> = schema["schema"]
            .as_str()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let _ = writeln!(text, "    {}", shown.join(" "));
    }
    text
}

fn heading(title: &str, columns: &[&str]) -> String {
    let mut text = format!("\n{title:<44}");
    for column in columns {
        let _ = write!(text, " {column:>26}");
    }
    text.push('\n');
    text
}

fn line(text: &mut String, name: &str, cells: &[Option<String>]) {
    let _ = write!(text, "{name:<44}");
    for cell in cells {
        let _ = write!(text, " {:>26}", cell.as_deref().unwrap_or(""));
    }
    text.push('\n');
}

/// The median, and the quartiles around it.
fn shown(spread: Spread) -> String {
    let Spread {
        median,
        lower,
        upper,
    } = spread;
    format!("{median:.2} ({lower:.2} to {upper:.2})")
}

fn verdict(met: bool) -> &'static str {
    if met { "at least" } else { "BELOW" }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_missed_target_stands_out_and_a_failure_says_why() {
        let failed = Contestant {
            engine: "wllama".to_owned(),
            device: "cpu".to_owned(),
            threads: 2,
            failed: Some("no memory".to_owned()),
            ..Contestant::default()
        };
        let ratio = json!({
            "of": "a", "to": "b", "prefill": 3.0, "decode": 2.5, "prefill_target": 4.0, "decode_target": 2.0,
        });
        let text = answers("here", &[failed], &[ratio], &["a note".to_owned()]);
        for part in [
            "wllama, 2 threads",
            "failed: no memory",
            "3.00, BELOW 4.0",
            "2.50, at least 2.0",
            "note: a note",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
