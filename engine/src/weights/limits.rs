//! What a model file may hold at most. Each limit is far above real models and far below what could hurt a host.

/// Tensors in one file; Gemma 3 27B has 808.
pub const MAX_TENSORS: u64 = 65_536;

/// Metadata keys in one file.
pub const MAX_METADATA_KEYS: u64 = 65_536;

/// Dimensions of a tensor.
pub const MAX_DIMS: u64 = 4;

/// Bytes of a tensor's name or a metadata key.
pub const MAX_NAME_BYTES: u64 = 256;

/// Bytes before the tensor data of a GGUF file. A vocabulary of 262,144 pieces needs 6.5 MB. Parsed strings take at most
/// four times their bytes in the file, so this also bounds memory.
pub const MAX_HEADER_BYTES: u64 = 64 << 20;

/// Bytes of a JSON document: a shard set's manifest or the header of a safetensors file.
pub const MAX_JSON_BYTES: u64 = 16 << 20;

/// Value of `general.alignment`.
pub const MAX_ALIGNMENT: u64 = 1 << 20;

/// Files of a split GGUF.
pub const MAX_SPLITS: u64 = 1_024;

/// Elements that [`read_f32`](super::WeightSource::read_f32) returns; larger tensors stay in their stored bits.
pub const MAX_F32_ELEMENTS: u64 = 64 << 20;

/// Bytes of a shard.
pub const MAX_SHARD_BYTES: u64 = 64 << 20;

/// Shards of one file of a shard set: 1 TiB of weights.
pub const MAX_SHARDS: u64 = 16_384;

/// Bytes of each text in a manifest that people read.
pub const MAX_TEXT_BYTES: u64 = 65_536;
