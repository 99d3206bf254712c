//! The numbers that shape a model, read from its metadata and checked before anything is made of them.

use crate::error::{Error, Result, shown};
use crate::weights::Metadata;

/// Largest value accepted for any width, count or length: far above the 27B model, far below overflow.
const MAX_SIZE: u64 = 1 << 20;

/// Shape of the Gemma 3 text decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct TextConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward network.
    pub intermediate_size: usize,
    /// Number of layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// Rows of the embedding, padding among them.
    pub vocab_size: usize,
    /// Positions that a sliding layer sees.
    pub sliding_window: usize,
    /// Every this many-th layer sees everything.
    pub sliding_pattern: usize,
    /// Base of the rotary angles in full layers.
    pub rope_base_full: f32,
    /// Base of the rotary angles in sliding layers.
    pub rope_base_sliding: f32,
    /// Positions are divided by this in full layers.
    pub rope_factor: f32,
    /// Added to mean squares.
    pub norm_epsilon: f32,
    /// Factor on attention scores.
    pub query_scale: f32,
    /// Longest context that the model was made for.
    pub max_positions: usize,
}

impl TextConfig {
    /// As many of `wanted` positions as the model was made for, and at least one.
    pub fn usable_positions(&self, wanted: usize) -> usize {
        wanted.clamp(1, self.max_positions)
    }

    /// Reads the keys of architecture `gemma3`.
    pub fn from_metadata(metadata: &Metadata, vocab_size: u64) -> Result<Self> {
        let architecture = metadata.str("general.architecture")?;
        if architecture != "gemma3" {
            return Err(Error::Unsupported {
                what: format!("a model of architecture `{}`", shown(architecture)),
                remedy: "choose a Gemma 3 or MedGemma model".to_owned(),
            });
        }
        let size = |key: &str| size(metadata, key);
        let layers = size("gemma3.block_count")?;
        let heads = size("gemma3.attention.head_count")?;
        let hidden_size = size("gemma3.embedding_length")?;
        let head_dim = size("gemma3.attention.key_length")?;
        let rope_factor = match metadata.opt_str("gemma3.rope.scaling.type")? {
            Some("linear") => positive(metadata, "gemma3.rope.scaling.factor")?,
            None | Some("none") => 1.0,
            Some(other) => {
                return Err(Error::BadKey {
                    key: "gemma3.rope.scaling.type".to_owned(),
                    problem: format!(
                        "is `{}` where only `linear` and `none` are known",
                        shown(other)
                    ),
                });
            }
        };
        // The scale is not stored; only the 27B model's differs from the head's width (llama.cpp, gemma3.cpp).
        let query_width = if layers == 62 {
            hidden_size / heads
        } else {
            head_dim
        };
        let config = Self {
            hidden_size,
            intermediate_size: size("gemma3.feed_forward_length")?,
            layers,
            heads,
            kv_heads: size("gemma3.attention.head_count_kv")?,
            head_dim,
            vocab_size: bounded("the vocabulary", vocab_size)?,
            sliding_window: size("gemma3.attention.sliding_window")?,
            sliding_pattern: match metadata.opt_u64("gemma3.attention.sliding_window_pattern")? {
                Some(pattern) => bounded("gemma3.attention.sliding_window_pattern", pattern)?,
                None => 6,
            },
            rope_base_full: positive(metadata, "gemma3.rope.freq_base")?,
            // Absent in files of older converters.
            rope_base_sliding: match metadata.opt_f32("gemma3.rope.freq_base_swa")? {
                Some(_) => positive(metadata, "gemma3.rope.freq_base_swa")?,
                None => 10_000.0,
            },
            rope_factor,
            norm_epsilon: positive(metadata, "gemma3.attention.layer_norm_rms_epsilon")?,
            query_scale: 1.0 / (query_width as f32).sqrt(),
            max_positions: size("gemma3.context_length")?,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let problem = if !self.heads.is_multiple_of(self.kv_heads) {
            Some((
                "gemma3.attention.head_count",
                format!(
                    "is {}, no multiple of {} key heads",
                    self.heads, self.kv_heads
                ),
            ))
        } else if !self.head_dim.is_multiple_of(4) || self.head_dim > 512 {
            Some((
                "gemma3.attention.key_length",
                format!("is {}, no multiple of 4 up to 512", self.head_dim),
            ))
        } else if self.layers > 1024 {
            Some((
                "gemma3.block_count",
                format!("is {}, above 1024", self.layers),
            ))
        } else {
            None
        };
        match problem {
            Some((key, problem)) => Err(Error::BadKey {
                key: key.to_owned(),
                problem,
            }),
            None => Ok(()),
        }
    }

    /// Whether `layer` sees only the sliding window.
    pub fn is_sliding(&self, layer: usize) -> bool {
        !(layer + 1).is_multiple_of(self.sliding_pattern)
    }
}

/// Shape of the SigLIP image encoder and its projector.
#[derive(Debug, Clone, PartialEq)]
pub struct VisionConfig {
    /// Rows and columns of the picture, in pixels.
    pub image_size: usize,
    /// Rows and columns of a patch, in pixels.
    pub patch_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward network.
    pub intermediate_size: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Added to variances.
    pub norm_epsilon: f32,
    /// Rows and columns of patches that become one token.
    pub pool: usize,
    /// Width of the text model.
    pub text_hidden_size: usize,
    /// Mean of each colour, in 0..1.
    pub mean: [f32; 3],
    /// Standard deviation of each colour, in 0..1.
    pub std: [f32; 3],
}

impl VisionConfig {
    /// Reads the keys of architecture `clip` with projector `gemma3`.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let architecture = metadata.str("general.architecture")?;
        let projector = metadata.opt_str("clip.projector_type")?.unwrap_or("none");
        if architecture != "clip" || projector != "gemma3" {
            return Err(Error::Unsupported {
                what: format!(
                    "an image encoder `{}` with projector `{}`",
                    shown(architecture),
                    shown(projector)
                ),
                remedy: "choose the mmproj file that belongs to a Gemma 3 or MedGemma model"
                    .to_owned(),
            });
        }
        let size = |key: &str| size(metadata, key);
        let triple = |key: &str| -> Result<[f32; 3]> {
            <[f32; 3]>::try_from(metadata.f32s(key)?).map_err(|_| Error::BadKey {
                key: key.to_owned(),
                problem: "does not hold three numbers".to_owned(),
            })
        };
        let config = Self {
            image_size: size("clip.vision.image_size")?,
            patch_size: size("clip.vision.patch_size")?,
            hidden_size: size("clip.vision.embedding_length")?,
            intermediate_size: size("clip.vision.feed_forward_length")?,
            layers: size("clip.vision.block_count")?,
            heads: size("clip.vision.attention.head_count")?,
            norm_epsilon: positive(metadata, "clip.vision.attention.layer_norm_epsilon")?,
            pool: match metadata.opt_u64("clip.vision.projector.scale_factor")? {
                Some(factor) => bounded("clip.vision.projector.scale_factor", factor)?,
                None => 4,
            },
            text_hidden_size: size("clip.vision.projection_dim")?,
            mean: triple("clip.vision.image_mean")?,
            std: triple("clip.vision.image_std")?,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let bad = |key: &str, problem: String| {
            Err(Error::BadKey {
                key: key.to_owned(),
                problem,
            })
        };
        if self.image_size > 4096 || !self.image_size.is_multiple_of(self.patch_size) {
            return bad(
                "clip.vision.image_size",
                format!(
                    "is {}, no multiple of patch size {} up to 4096",
                    self.image_size, self.patch_size
                ),
            );
        }
        if !self.side().is_multiple_of(self.pool) {
            return bad(
                "clip.vision.projector.scale_factor",
                format!(
                    "is {}, which does not divide {} patches",
                    self.pool,
                    self.side()
                ),
            );
        }
        if !self.hidden_size.is_multiple_of(self.heads)
            || !(self.hidden_size / self.heads).is_multiple_of(4)
        {
            return bad(
                "clip.vision.attention.head_count",
                format!(
                    "is {}, which does not cut {} into multiples of 4",
                    self.heads, self.hidden_size
                ),
            );
        }
        if self.layers > 1024 {
            return bad(
                "clip.vision.block_count",
                format!("is {}, above 1024", self.layers),
            );
        }
        if !self.std.iter().all(|std| *std > 0.0) {
            return bad(
                "clip.vision.image_std",
                format!("is {:?}, which is not above 0", self.std),
            );
        }
        Ok(())
    }

    /// Patches along each edge.
    pub fn side(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Tokens that stand for one picture.
    pub fn image_tokens(&self) -> usize {
        (self.side() / self.pool).pow(2)
    }
}

fn size(metadata: &Metadata, key: &str) -> Result<usize> {
    bounded(key, metadata.u64(key)?)
}

fn bounded(key: &str, value: u64) -> Result<usize> {
    if value == 0 || value > MAX_SIZE {
        return Err(Error::BadKey {
            key: key.to_owned(),
            problem: format!("is {value}, outside of 1 to {MAX_SIZE}"),
        });
    }
    Ok(value as usize)
}

fn positive(metadata: &Metadata, key: &str) -> Result<f32> {
    let value = metadata.f32(key)?;
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(Error::BadKey {
        key: key.to_owned(),
        problem: format!("is {value}, which is not a positive number"),
    })
}
