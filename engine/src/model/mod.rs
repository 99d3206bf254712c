//! MedGemma as arithmetic: Gemma 3 decoder, SigLIP encoder, projector. No file format, no tokenizer.
//!
//! Tensor names are those of the GGUF converter; each module's `load` is its part of the name table.

mod attention;
mod config;
mod decoder;
mod kv_cache;
mod loader;
mod medgemma;
mod mlp;
mod projector;
mod rope;
mod siglip;
mod trace;

pub use attention::Span;
pub use config::{TextConfig, VisionConfig};
pub use decoder::Decoder;
pub use kv_cache::{KvCache, LayerCache};
pub use medgemma::{Encoding, MedGemma, Vision};
pub use trace::Trace;
