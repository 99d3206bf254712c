//! The shapes that files are made in: Gemma 3's text decoders and the SigLIP image encoder.
//!
//! The numbers are those of google-deepmind/gemma, `gemma/gm/nn/_gemma.py` (classes `Gemma3_270M`, `Gemma3_1B`, `Gemma3_4B`,
//! `Gemma3_27B`); rows of the embedding and the image encoder's numbers are the defaults of `transformers`
//! (`models/gemma3/configuration_gemma3.py`, `models/siglip/configuration_siglip.py`), contexts those of the model cards.

use clap::ValueEnum;

/// A shape by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// Gemma 3 270M, text only.
    #[value(name = "270m")]
    M270,
    /// Gemma 3 1B, text only.
    #[value(name = "1b")]
    B1,
    /// Gemma 3 4B and MedGemma 4B.
    #[value(name = "4b")]
    B4,
    /// The widths of 27B with four layers instead of 62.
    #[value(name = "27b-4-layers")]
    B27Layers4,
}

/// A text decoder's numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextShape {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Width inside the feed-forward network.
    pub inner: u64,
    /// Number of layers.
    pub layers: u64,
    /// Query heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Values of a head.
    pub head_dim: u64,
    /// Positions that a sliding layer sees.
    pub window: u64,
    /// Positions that the model was made for.
    pub context: u64,
    /// What positions are divided by in full layers, if they are.
    pub rope_factor: Option<f32>,
    /// Rows of the embedding.
    pub vocab: u64,
    /// Whether an image encoder belongs to it.
    pub sees: bool,
}

/// An image encoder's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisionShape {
    /// Pixels along each edge of a picture.
    pub image: u64,
    /// Pixels along each edge of a patch.
    pub patch: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Width inside the feed-forward network.
    pub inner: u64,
    /// Number of layers.
    pub layers: u64,
    /// Heads.
    pub heads: u64,
}

/// SigLIP so400m, as Gemma 3 and MedGemma have it.
pub const SO400M: VisionShape = VisionShape {
    image: 896,
    patch: 14,
    hidden: 1152,
    inner: 4304,
    layers: 27,
    heads: 16,
};

impl Shape {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::M270 => "270m",
            Self::B1 => "1b",
            Self::B4 => "4b",
            Self::B27Layers4 => "27b-4-layers",
        }
    }

    /// Its numbers.
    pub fn text(self) -> TextShape {
        let small = TextShape {
            hidden: 640,
            inner: 2048,
            layers: 18,
            heads: 4,
            kv_heads: 1,
            head_dim: 256,
            window: 512,
            context: 32_768,
            rope_factor: None,
            vocab: 262_144,
            sees: false,
        };
        let large = TextShape {
            hidden: 2560,
            inner: 10_240,
            layers: 34,
            heads: 8,
            kv_heads: 4,
            head_dim: 256,
            window: 1024,
            context: 131_072,
            rope_factor: Some(8.0),
            vocab: 262_208,
            sees: true,
        };
        match self {
            Self::M270 => small,
            Self::B1 => TextShape {
                hidden: 1152,
                inner: 6912,
                layers: 26,
                ..small
            },
            Self::B4 => large,
            Self::B27Layers4 => TextShape {
                hidden: 5376,
                inner: 21_504,
                layers: 4,
                heads: 32,
                kv_heads: 16,
                head_dim: 128,
                ..large
            },
        }
    }
}
