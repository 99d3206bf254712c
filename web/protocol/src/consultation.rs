//! What a consultation is turned into data with, and whether this device is ready for it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Adapter;

/// A consultation, and how it is turned into facts, a Bundle and danger signs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Consultation {
    /// What was said.
    pub transcript: String,
    /// Whether a FHIR R4 Bundle is made. It is validated, or there is none.
    pub validate_fhir: bool,
    /// Whether simple rules may do what the model could not.
    pub use_fallback: bool,
    /// Whether the Bundle is one that a server carries out.
    pub transaction: bool,
    /// Most tokens of a draft.
    pub max_tokens: u32,
    /// 0 always takes the likeliest token.
    pub temperature: f32,
    /// The same seed gives the same facts.
    pub seed: u64,
    /// What is known of the patient: `{"age": {"years": 40}, "sex": "female", "pregnancy": "no"}`, each of them optional.
    pub patient: Value,
    /// When, for the Bundle; now if not given.
    pub recorded: Option<String>,
}

impl Default for Consultation {
    fn default() -> Self {
        Self {
            transcript: String::new(),
            validate_fhir: true,
            use_fallback: true,
            transaction: false,
            max_tokens: 1024,
            temperature: 0.0,
            seed: 0,
            patient: Value::Null,
            recorded: None,
        }
    }
}

/// The model in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInUse {
    /// Its name.
    pub model: String,
    /// The type of most of its bytes.
    pub quantization: String,
    /// What computes.
    pub device: String,
    /// Where: always `on-device`.
    pub privacy: String,
}

/// A table of codes that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeTable {
    /// Its name.
    pub title: String,
    /// Its release.
    pub release: String,
    /// Its address in FHIR.
    pub system: String,
    /// How many codes it has.
    pub codes: u64,
}

/// Something that keeps a consultation from being processed, or from being processed well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Whether this device is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Whether nothing is in the way.
    pub ok: bool,
    /// What there is to compute on.
    pub adapter: Adapter,
    /// Bytes of WebAssembly memory.
    pub wasm_heap_bytes: Option<u64>,
    /// Bytes that the browser says may be stored still.
    pub free_bytes: Option<u64>,
    /// Whether the browser has promised not to clear the page's storage by itself.
    pub is_kept: bool,
    /// The model in use.
    pub model: Option<ModelInUse>,
    /// The tables of codes.
    pub terminology: Vec<CodeTable>,
    /// What is in the way, and what would be better.
    pub troubles: Vec<Trouble>,
}
