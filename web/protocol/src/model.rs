//! What there is: models, their state, and what computes.

use serde::{Deserialize, Serialize};

/// An installed model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name in storage.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Bytes that it takes in storage.
    pub bytes: u64,
    /// Whether it can look at pictures.
    pub vision: bool,
    /// What its maker wants to be said wherever it is used.
    pub notice: Option<String>,
    /// Under which terms it may be used, if anybody said.
    #[serde(default)]
    pub terms: Option<String>,
    /// When the person accepted them on this device, in milliseconds since 1970; `None` if nobody was asked.
    #[serde(default)]
    pub accepted_ms: Option<u64>,
    /// Where it came from: an address, or names of files.
    pub source: String,
    /// Whether it can be used.
    pub status: ModelStatus,
}

/// Whether a model can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ModelStatus {
    /// All of it is there.
    Installed,
    /// Its installation was broken off, and can go on.
    Unfinished {
        /// Bytes that are there.
        done_bytes: u64,
        /// Bytes of all of it; 0 while nobody knows.
        total_bytes: u64,
    },
    /// Parts of it are gone, or no longer what they were.
    Damaged {
        /// Their names.
        missing: Vec<String>,
    },
}

/// How far a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelState {
    /// Nothing is there.
    #[default]
    Absent,
    /// Shards come from the network.
    Downloading,
    /// What is stored is compared with its manifest.
    Verifying,
    /// Files are copied, or weights go to the device.
    Loading,
    /// It answers.
    Ready,
    /// It cannot be used.
    Error,
}

impl ModelState {
    /// The state's name, as tests and style sheets know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Error => "error",
        }
    }

    /// Whether work is going on.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Downloading | Self::Verifying | Self::Loading)
    }
}

/// What kind of device computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The graphics processor, through WebGPU.
    Gpu,
    /// The processor.
    Cpu,
}

/// What computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// What kind of device.
    pub kind: DeviceKind,
    /// Its name as far as the browser tells.
    pub name: String,
    /// Why it is not the GPU, for people.
    pub why_not_gpu: Option<String>,
}

/// Counters with the names of `outpost bench`; `None` where nothing was measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Name of what computes.
    pub adapter: Option<String>,
    /// From storage to the device.
    pub load_ms: Option<f64>,
    /// Tokens a second while reading the last conversation.
    pub prefill_tok_s: Option<f64>,
    /// Tokens a second while writing the last answer.
    pub decode_tok_s: Option<f64>,
    /// Pictures that went through the image encoder since the model was loaded.
    pub pictures_encoded: Option<u64>,
    /// Bytes of weights on the device.
    pub weight_bytes: Option<u64>,
    /// Weight bytes that the device reads for each token.
    pub bytes_read_per_token: Option<f64>,
    /// Kernel launches for each token.
    pub dispatches_per_token: Option<f64>,
    /// Queue submits for each token.
    pub submits_per_token: Option<f64>,
    /// Bytes read back for each token.
    pub readback_bytes_per_token: Option<f64>,
    /// Most bytes on the device at once.
    pub gpu_bytes_peak: Option<u64>,
    /// Bytes on the GPU when the last answer ended.
    pub gpu_bytes: Option<u64>,
    /// Bytes of the engine's WebAssembly memory, which never shrinks: its peak.
    pub wasm_heap_bytes: Option<u64>,
}

/// An installed model as one file: an archive (tar) of its manifest and its shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Where the browser has it: a `blob:` address that is valid until it is revoked or the Worker ends.
    pub address: String,
    /// What to call it.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}
