//! How fast a model is on a device.

use serde::{Deserialize, Serialize};

use crate::model::DeviceKind;

/// Tokens of the prompt that is read, unless the caller asks for another number.
pub const BENCH_PROMPT_TOKENS: u32 = 128;

/// Tokens that are written after the first one, unless the caller asks for another number.
pub const BENCH_TOKENS: u32 = 32;

/// A product `x · Wᵀ` whose weights have 4 bits (Q4_0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductShape {
    /// Rows of `W`.
    pub rows: u32,
    /// Columns of `W` and of `x`: blocks of 32.
    pub cols: u32,
    /// Rows of `x`.
    pub tokens: u32,
}

/// How long a product took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProductTime {
    /// Which one.
    #[serde(flatten)]
    pub shape: ProductShape,
    /// Milliseconds, of many one after the other with one wait at the end.
    pub ms: f64,
}

/// What was measured, with the keys of `outpost bench --json`; `None` where nothing is counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// Name of what computes.
    pub adapter: String,
    /// What kind of device.
    pub device: DeviceKind,
    /// Threads on the processor, the engine's own among them.
    pub threads: u32,
    /// From storage to the device.
    pub load_ms: f64,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// From the prompt to the first token.
    pub prefill_ms: f64,
    /// Prompt tokens a second.
    pub prefill_tok_s: f64,
    /// Tokens written after the first one.
    pub decoded_tokens: u32,
    /// From the first token to the last.
    pub decode_ms: f64,
    /// Written tokens a second.
    pub decode_tok_s: f64,
    /// What the GPU was found to compute wrongly, and what is therefore not used; for people.
    pub switched_off: Vec<String>,
    /// Bytes of weights on the device.
    pub weight_bytes: Option<u64>,
    /// Weight bytes that the device reads for each token.
    pub bytes_read_per_token: Option<u64>,
    /// Kernel launches for each token.
    pub dispatches_per_token: Option<u64>,
    /// Queue submits for each token.
    pub submits_per_token: Option<u64>,
    /// Bytes read back for each token.
    pub readback_bytes_per_token: Option<u64>,
    /// Most bytes on the GPU at once.
    pub gpu_bytes_peak: Option<u64>,
    /// Bytes of the engine's WebAssembly memory, which never shrinks: its peak.
    pub wasm_heap_bytes: Option<u64>,
}
