//! Which type each matrix gets: the mixes of llama.cpp's quantisation.
//!
//! From `llama_tensor_get_type` and `tensor_type_fallback` (llama.cpp, src/llama-quant.cpp), without an importance matrix.
//! Gemma ties its embedding to the output, so the embedding follows the rule of the output.

use std::str::FromStr;

use outpost_engine::weights::BlockType;

/// What a file's types are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Every matrix of the layers in this type.
    Plain(BlockType),
    /// Q4_K, and more bits for what suffers most.
    Q4KM,
    /// Q4_K, and more bits for the first layers.
    Q4KS,
    /// Q5_K, and more bits for what suffers most.
    Q5KM,
}

/// What a matrix is for, as far as that decides its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The embedding, which is the output too.
    Embedding,
    /// The value projection of this layer.
    Value(u64),
    /// The second feed-forward matrix of this layer.
    Down(u64),
    /// Any other matrix of a layer.
    Other,
}

impl Mix {
    /// The type of a matrix with rows of `cols` elements, in a model of `layers` layers.
    pub fn block(self, place: Place, layers: u64, cols: u64) -> BlockType {
        let base = match self {
            Self::Plain(block) => block,
            Self::Q4KM | Self::Q4KS => BlockType::Q4K,
            Self::Q5KM => BlockType::Q5K,
        };
        let block = match (self, place) {
            (_, Place::Embedding) if base.is_dense() || base == BlockType::Q8_0 => base,
            (_, Place::Embedding) => BlockType::Q6K,
            (Self::Q4KM | Self::Q5KM, Place::Value(layer) | Place::Down(layer))
                if deserves_more(layer, layers) =>
            {
                BlockType::Q6K
            }
            (Self::Q4KS, Place::Value(0..4)) => BlockType::Q5K,
            (Self::Q4KS, Place::Down(layer)) if layer < layers / 8 => BlockType::Q5K,
            _ => base,
        };
        fitting(block, cols)
    }

    /// `general.file_type`: llama.h, `enum llama_ftype`.
    pub fn file_type(self) -> u32 {
        match self {
            Self::Plain(BlockType::F32) => 0,
            Self::Plain(BlockType::F16) => 1,
            Self::Plain(BlockType::Q4_0) => 2,
            Self::Plain(BlockType::Q4_1) => 3,
            Self::Plain(BlockType::Q8_0) => 7,
            Self::Plain(BlockType::Q5_0) => 8,
            Self::Plain(BlockType::Q5_1) => 9,
            Self::Plain(BlockType::Q2K) => 10,
            Self::Plain(BlockType::Q3K) => 11,
            Self::Q4KS | Self::Plain(BlockType::Q4K) => 14,
            Self::Q4KM => 15,
            Self::Plain(BlockType::Q5K) => 16,
            Self::Q5KM => 17,
            Self::Plain(BlockType::Q6K) => 18,
            Self::Plain(BlockType::Bf16) => 32,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain(block) => block.name(),
            Self::Q4KM => "Q4_K_M",
            Self::Q4KS => "Q4_K_S",
            Self::Q5KM => "Q5_K_M",
        }
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_uppercase().as_str() {
            "Q4_K_M" => Ok(Self::Q4KM),
            "Q4_K_S" => Ok(Self::Q4KS),
            "Q5_K_M" => Ok(Self::Q5KM),
            _ => block_type(text)
                .map(Self::Plain)
                .map_err(|known| format!("{known}, and the mixes Q4_K_M, Q4_K_S and Q5_K_M")),
        }
    }
}

/// A type by its name, in any case.
pub fn block_type(text: &str) -> Result<BlockType, String> {
    let known = |block: &BlockType| block.name().eq_ignore_ascii_case(text);
    BlockType::ALL.into_iter().find(known).ok_or_else(|| {
        let names: Vec<_> = BlockType::ALL.map(BlockType::name).into();
        format!("the types are {}", names.join(", "))
    })
}

/// The type, or what stands for it where blocks do not fill a row.
fn fitting(block: BlockType, cols: u64) -> BlockType {
    let fits = |block: BlockType| cols.is_multiple_of(block.block_elements() as u64);
    let smaller = match block {
        BlockType::Q2K | BlockType::Q3K => BlockType::Q4_0,
        BlockType::Q4K => BlockType::Q5_0,
        BlockType::Q5K => BlockType::Q5_1,
        BlockType::Q6K => BlockType::Q8_0,
        other => other,
    };
    match () {
        () if fits(block) => block,
        () if fits(smaller) => smaller,
        () => BlockType::F16,
    }
}

/// The layers of the first and the last eighth, and every third between.
fn deserves_more(layer: u64, layers: u64) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}
