//! How fast a model is on a device.

use serde::{Deserialize, Serialize};

use crate::model::DeviceKind;

/// Tokens of the prompt that is read, unless the caller asks for another number.
pub const BENCH_PROMPT_TOKENS: u32 = 128;

/// Tokens that are written after the first one, unless the caller asks for another number.
pub const BENCH_TOKENS: u32 = 32;

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
