//! MedGemma (Gemma 3 with a SigLIP image encoder) on burn: natively and as WebAssembly on WebGPU.
//!
//! The engine is pure: bytes, time and progress come in through [`ports`]. [`session::Engine`] is the way in.

pub mod chat;
pub mod constraint;
pub mod error;
pub mod image;
pub mod kernels;
pub mod likelihood;
#[cfg(feature = "compute")]
pub mod model;
pub mod ports;
pub mod sampler;
#[cfg(feature = "compute")]
pub mod session;
pub mod tokenizer;
pub mod weights;
