//! What an engine is and what it has counted: the figures of `outpost bench` and of the page.

use serde::{Deserialize, Serialize};

use super::bench::rate;
use super::generation::Outcome;
use crate::kernels::{CacheType, ComputeDevice, DeviceKind};
use crate::model::{KvCache, MedGemma};

/// Facts and counters of one engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// The adapter's own name.
    pub adapter: String,
    /// GPU or CPU.
    pub device: DeviceKind,
    /// Threads that compute on the processor.
    pub threads: usize,
    /// What the GPU was found to compute wrongly, and what is therefore not used.
    pub switched_off: Vec<String>,
    /// Bytes of weights on the device.
    pub weight_bytes: u64,
    /// Bytes of the key-value cache.
    pub cache_bytes: u64,
    /// How keys and values are kept.
    pub cache: CacheType,
    /// Positions that prompt and answer share.
    pub context_tokens: usize,
    /// Answers finished.
    pub answers: u64,
    /// Pictures that went through the image encoder.
    pub pictures_encoded: u64,
    /// Tokens of all prompts.
    pub prompt_tokens: u64,
    /// Tokens of all answers.
    pub completion_tokens: u64,
    /// Prompt tokens a second in the last answer.
    pub prefill_tok_s: f64,
    /// Answer tokens a second in the last answer.
    pub decode_tok_s: f64,
    /// Weight bytes that the kernels read for one decoded token: every matrix once.
    pub bytes_read_per_token: u64,
    /// Kernels dispatched to the GPU for the last decoded token; 0 on the CPU.
    pub dispatches_per_token: u64,
    /// Submits to the GPU's queue for the last decoded token; 0 on the CPU.
    pub submits_per_token: u64,
    /// Bytes read back from the device for one decoded token of the last answer.
    pub readback_bytes_per_token: u64,
    /// Bytes that the GPU's allocator had reserved when the last answer ended; absent on the CPU.
    pub gpu_bytes: Option<u64>,
    /// Most of them that were seen when an answer ended or a picture had been encoded.
    pub gpu_bytes_peak: Option<u64>,
}

impl Stats {
    pub(super) fn new(model: &MedGemma, cache: &KvCache, device: &ComputeDevice) -> Self {
        Self {
            adapter: device.adapter().to_owned(),
            device: device.kind(),
            threads: device.threads(),
            switched_off: Vec::new(),
            weight_bytes: model.weight_bytes(),
            cache_bytes: cache.bytes(),
            cache: cache.cache_type(),
            context_tokens: cache.context_tokens(),
            answers: 0,
            pictures_encoded: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
            prefill_tok_s: 0.0,
            decode_tok_s: 0.0,
            bytes_read_per_token: model.bytes_read_per_token(),
            dispatches_per_token: 0,
            submits_per_token: 0,
            readback_bytes_per_token: 0,
            gpu_bytes: device.reserved_bytes(),
            gpu_bytes_peak: device.reserved_bytes(),
        }
    }

    /// Looks how many bytes are reserved.
    pub(super) fn saw_memory(&mut self, device: &ComputeDevice) {
        self.gpu_bytes = device.reserved_bytes();
        self.gpu_bytes_peak = self.gpu_bytes_peak.max(self.gpu_bytes);
    }

    pub(super) fn answered(&mut self, outcome: &Outcome, device: &ComputeDevice) {
        self.saw_memory(device);
        self.answers += 1;
        self.prompt_tokens += outcome.prompt_tokens as u64;
        self.completion_tokens += outcome.completion_tokens as u64;
        self.prefill_tok_s = rate(outcome.prompt_tokens, outcome.prefill_ms);
        self.decode_tok_s = rate(outcome.completion_tokens, outcome.decode_ms);
    }
}
