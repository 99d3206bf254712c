//! What findings in pictures are asked for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is asked about pictures, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Imaging {
    /// What is known, and what to look for; may be empty.
    pub question: String,
    /// What is known of the patient, as in [`crate::Consultation::patient`].
    pub patient: Value,
    /// Most tokens of a draft.
    pub max_tokens: u32,
    /// 0 always takes the likeliest token.
    pub temperature: f32,
    /// The same seed gives the same findings.
    pub seed: u64,
}

impl Default for Imaging {
    fn default() -> Self {
        Self {
            question: String::new(),
            patient: Value::Null,
            max_tokens: 1024,
            temperature: 0.0,
            seed: 0,
        }
    }
}
