//! The numbers that go with an operation: shapes and options, never tensors.

use serde::{Deserialize, Serialize};

use super::simd::Level;
use crate::weights::BlockType;

/// What products are computed in. Sums are f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arithmetic {
    /// IEEE single precision.
    #[default]
    F32,
    /// On a GPU, with many tokens in tiles: IEEE half precision within a group of 32.
    F16,
    /// On a GPU, with quantised weights: activations are rounded to 8 bits, 32 of them with a scale of their own, and multiplied
    /// as integers.
    I8,
}

/// Most tokens that count as few: rows of a matrix are met with them one by one, since a tile would mostly be empty.
pub const FEW_TOKENS: usize = 16;

/// How products are worked out. What comes out is the same but for rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// On a GPU: threads that share one row of a matrix; a power of two, at most 64.
    pub threads_per_row: usize,
    /// On a GPU, with many tokens: rows, and as many tokens, whose sums a thread keeps; 4 or 8, or 0 for products row by row.
    pub square: usize,
    /// What products with few tokens are computed in.
    pub few: Arithmetic,
    /// What products with many tokens are computed in.
    pub many: Arithmetic,
    /// On a GPU, with few tokens in f32: threads that share a row belong to one subgroup, and add up within it.
    pub subgroups: bool,
    /// On the processor: which vector instructions; `None` for the plain reference.
    pub level: Option<Level>,
}

impl Tuning {
    /// The plain reference.
    pub const PLAIN: Self = Self {
        threads_per_row: 1,
        square: 0,
        few: Arithmetic::F32,
        many: Arithmetic::F32,
        subgroups: false,
        level: None,
    };

    /// What products are computed in, where their weights allow it.
    fn wanted(&self, tokens: usize) -> Arithmetic {
        match tokens > FEW_TOKENS {
            true => self.many,
            false => self.few,
        }
    }

    /// What this product is computed in.
    pub fn arithmetic(&self, p: &LinearParams) -> Arithmetic {
        let wanted = self.wanted(p.tokens);
        let in_tiles = p.tokens > FEW_TOKENS && self.square > 0;
        match wanted.serves(p.block, in_tiles) {
            true => wanted,
            false => Arithmetic::F32,
        }
    }

    /// Whether products with so many tokens differ from the plain reference by no more than sums in another order do.
    pub fn is_exact(&self, tokens: usize) -> bool {
        self.wanted(tokens) == Arithmetic::F32
    }

    /// The plain reference of the same arithmetic.
    pub fn plainly(&self) -> Self {
        Self {
            few: self.few,
            many: self.many,
            ..Self::PLAIN
        }
    }
}

impl Arithmetic {
    /// Whether weights of this type are multiplied in it.
    fn serves(self, block: BlockType, in_tiles: bool) -> bool {
        match self {
            Self::F32 => true,
            Self::F16 => in_tiles,
            Self::I8 => !block.is_dense() && !matches!(block, BlockType::Q2K | BlockType::Q3K),
        }
    }
}

/// Where the parts of a piece of a matrix begin in its buffer, in quads of 16 bytes. Values begin at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Planes {
    /// Bits above those of the values.
    pub high: usize,
    /// Factors of groups.
    pub scales: usize,
    /// Factors of scales.
    pub super_scales: usize,
}

/// One product `y[:, first_row..first_row + rows] = x · Wᵀ`, where `W` is a piece of a larger matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearParams {
    /// How `W` is stored.
    pub block: BlockType,
    /// Where its parts are.
    pub planes: Planes,
    /// Rows of `x` and `y`.
    pub tokens: usize,
    /// Rows of this piece of `W`.
    pub rows: usize,
    /// Columns of `W` and of `x`.
    pub cols: usize,
    /// Row of the whole matrix at which this piece begins.
    pub first_row: usize,
    /// Columns of `y`: rows of the whole matrix.
    pub out_cols: usize,
}

/// Rows of a matrix looked up by id, from one piece of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbedParams {
    /// How the matrix is stored.
    pub block: BlockType,
    /// Where its parts are.
    pub planes: Planes,
    /// Number of ids.
    pub tokens: usize,
    /// Rows of this piece.
    pub rows: usize,
    /// Columns of the matrix.
    pub cols: usize,
    /// Row of the whole matrix at which this piece begins.
    pub first_row: usize,
    /// Factor on every value.
    pub scale: f32,
}

/// A normalisation over the last dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormParams {
    /// Rows of `x`.
    pub rows: usize,
    /// Columns of `x`.
    pub cols: usize,
    /// Added to the mean square or the variance.
    pub epsilon: f32,
}

/// Normalisation of each head, then rotary position embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeParams {
    /// Rows of `x`.
    pub tokens: usize,
    /// Heads in a row.
    pub heads: usize,
    /// Values of a head; even.
    pub head_dim: usize,
    /// Position of the first row.
    pub position: usize,
    /// Added to the mean square.
    pub epsilon: f32,
}

/// Heads of rows [q | k | v]: queries and keys are normalised and turned by their position, keys and values go to rings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadParams {
    /// Rows of `qkv`.
    pub tokens: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Values of a head; even.
    pub head_dim: usize,
    /// Position of the first row.
    pub position: usize,
    /// Rows of the rings; position `p` is in row `p % capacity`.
    pub capacity: usize,
    /// Added to the mean square.
    pub epsilon: f32,
    /// How the rings keep keys and values.
    pub cache: CacheType,
}

impl HeadParams {
    /// Columns of `qkv`.
    pub fn width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }
}

/// [`HeadParams`] and attention for a single token whose position is on the device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepParams {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Values of a head; even.
    pub head_dim: usize,
    /// Rows of the rings; position `p` is in row `p % capacity`.
    pub capacity: usize,
    /// The query sees this many latest positions, itself among them; 0 means all.
    pub window: usize,
    /// Factor on each score.
    pub scale: f32,
    /// Added to the mean square.
    pub epsilon: f32,
    /// How the rings keep keys and values.
    pub cache: CacheType,
}

impl StepParams {
    /// Columns of `qkv`.
    pub fn width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }
}

/// Copy of whole rows between two matrices of equal width; the target is a ring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CopyParams {
    /// Rows to copy.
    pub rows: usize,
    /// Columns of both matrices.
    pub cols: usize,
    /// First row to read.
    pub source_row: usize,
    /// First row to write, before wrapping at `target_rows`.
    pub target_row: usize,
    /// Rows of the target; row `i` lands in `i % target_rows`.
    pub target_rows: usize,
}

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheType {
    /// IEEE single precision, one number a word: exact.
    F32,
    /// IEEE half precision, two numbers a word: half of the memory, and eleven significant bits.
    F16,
}

impl CacheType {
    /// Words that `count` numbers take; `count` is even.
    pub fn words(self, count: usize) -> usize {
        match self {
            Self::F32 => count,
            Self::F16 => count / 2,
        }
    }
}

/// Attention of `tokens` queries at positions `position..` over keys kept in a ring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionParams {
    /// Rows of `q`.
    pub tokens: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// Position of the first query.
    pub position: usize,
    /// Rows of the key and value rings; position `p` is in row `p % capacity`.
    pub capacity: usize,
    /// A query sees this many latest positions, itself among them; 0 means all.
    pub window: usize,
    /// Whether queries see all queries of this call, or only those up to themselves.
    pub bidirectional: bool,
    /// Factor on each score.
    pub scale: f32,
}

impl AttentionParams {
    /// Positions that the query at row `token` may see.
    pub fn visible(&self, token: usize) -> std::ops::Range<usize> {
        let position = self.position + token;
        let end = if self.bidirectional {
            self.position + self.tokens
        } else {
            position + 1
        };
        let start = if self.window == 0 {
            0
        } else {
            (position + 1).saturating_sub(self.window)
        };
        start..end
    }
}

/// Which logits are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CandidateParams {
    /// How many of the largest.
    pub count: usize,
    /// Where there are rules: divides the logits of tokens that have occurred, and multiplies negative ones.
    pub penalty: Option<f32>,
}

/// What follows an added bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    GeluTanh,
}

/// Mean over square patches of a grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoolParams {
    /// Rows and columns of the input grid.
    pub side: usize,
    /// Rows and columns of a pooled patch; divides `side`.
    pub kernel: usize,
    /// Values at each grid point.
    pub cols: usize,
}
