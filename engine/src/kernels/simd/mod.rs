//! The operations on slices again, fast: with the vector instructions of the processor at hand.
//!
//! Each algorithm is written once, over `lanes`; `level` compiles it for each set of instructions, and a [`Level`] says
//! which to use. The plain operations in [`super::cpu`] are what these are tested against.

mod activations;
mod attention;
mod decode;
mod dense;
mod elementwise;
mod integer_panel;
pub mod job;
mod lanes;
mod level;
mod line;
mod linear;
mod math;
mod norm;
mod panel;
mod rows;
mod tile;

pub use activations::Activations;
pub use attention::{attention, cached_attention};
pub use elementwise::{bias_activation, geglu};
pub use level::Level;
pub use linear::{linear, linear_with};
pub use norm::{head_norm_rope, layer_norm, rms_norm};
