//! The model's configuration, which needs no more of the engine than its metadata.

#[path = "../../../engine/src/model/config.rs"]
mod source;

pub use source::{TextConfig, VisionConfig};
