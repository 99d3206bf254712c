//! Shard sets: how a model is stored on a device, in pieces that can be fetched, checked and read one by one.
//!
//! Each file of a model (the text model, the image encoder) becomes one stream of bytes: the metadata as GGUF encodes
//! them, then every part of every tensor in the layout of [`Part`](super::Part), each at a multiple of
//! [`PART_ALIGNMENT`]. The stream is cut into shards of equal size. The manifest says where everything is, so that loading
//! is reading and copying.

mod hash;
mod manifest;
mod packing;
mod set;

pub use hash::{Sha256Stream, verify_shard};
pub use manifest::{
    FORMAT_VERSION, Manifest, ManifestFile, ManifestPart, ManifestTensor, PART_ALIGNMENT, Role,
    Shard,
};
pub use packing::{HAI_DEF, LAYOUT_VERSION, Packable, Packing, ShardPlan, is_hai_def};
pub use set::ShardSet;
