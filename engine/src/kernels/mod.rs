//! The model's operations, and the devices that carry them out.
//!
//! `cpu` has each operation plainly, on slices, and `simd` with vector instructions; `gpu` as CubeCL kernels; `ops` joins
//! them as an extension of burn's backends, and `tensor` wraps that for burn's tensors. Nothing here knows which model it
//! serves.

pub mod cpu;
pub mod params;
pub mod simd;

#[cfg(feature = "compute")]
mod device;
#[cfg(feature = "compute")]
mod device_words;
#[cfg(feature = "compute")]
mod flex;
#[cfg(feature = "compute")]
mod gpu;
#[cfg(feature = "compute")]
mod lent_rows;
#[cfg(feature = "compute")]
mod matrix;
#[cfg(feature = "compute")]
mod ops;
#[cfg(feature = "compute")]
mod recording;
#[cfg(feature = "compute")]
mod step_state;
#[cfg(feature = "compute")]
mod tensor;
#[cfg(feature = "compute")]
mod token_rules;

pub use params::{
    Activation, Arithmetic, AttentionParams, CacheType, CandidateParams, HeadParams, StepParams,
    Tuning,
};

#[cfg(feature = "compute")]
pub use {
    device::{ComputeDevice, DeviceChoice, DeviceKind},
    flex::{use_level, with_level},
    gpu::counters::Traffic,
    matrix::{Matrix, PIECE_BYTES},
    recording::Recording,
    step_state::StepState,
    tensor::*,
    token_rules::TokenRules,
};
