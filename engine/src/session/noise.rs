//! A matrix of no meaning, to try products with: every number in it is one that a weight could be.

use crate::error::Result;
use crate::weights::{BlockType, Metadata, Part, TensorInfo, WeightSource};

/// The bits of 2⁻⁸ in half precision: factors of this size keep sums small.
const SMALL_HALF: u16 = 0x1c00;

/// One tensor, `noise`.
pub struct Noise {
    metadata: Metadata,
    tensors: [TensorInfo; 1],
}

impl Noise {
    /// [rows, cols], of whole blocks.
    pub fn new(block: BlockType, rows: usize, cols: usize) -> Self {
        Self {
            metadata: Metadata::default(),
            tensors: [TensorInfo {
                name: "noise".to_owned(),
                shape: vec![rows as u64, cols as u64],
                block,
            }],
        }
    }

    /// The tensor.
    pub fn info(&self) -> &TensorInfo {
        &self.tensors[0]
    }
}

/// Numbers in -1..1 that follow no pattern, the same each time.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    (0..count as u64)
        .map(|index| number(index + (seed << 32)))
        .collect()
}

/// A number in -1..1.
fn number(index: u64) -> f32 {
    scattered(index) as i32 as f32 / 2_147_483_648.0
}

/// 32 bits for a number, those of neighbours unlike (the finaliser of SplitMix64).
fn scattered(index: u64) -> u32 {
    let mut bits = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) as u32
}

impl WeightSource for Noise {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    fn read_part(
        &self,
        tensor: &TensorInfo,
        part: Part,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<()> {
        let half = |number: f32| match tensor.block {
            BlockType::Bf16 => half::bf16::from_f32(number).to_bits(),
            _ => half::f16::from_f32(number).to_bits(),
        };
        match (part, tensor.block) {
            (Part::Values, BlockType::F32) => {
                for (index, word) in (offset / 4..).zip(buf.chunks_exact_mut(4)) {
                    word.copy_from_slice(&number(index).to_le_bytes());
                }
            }
            (Part::Values, BlockType::F16 | BlockType::Bf16) => {
                for (index, bytes) in (offset / 2..).zip(buf.chunks_exact_mut(2)) {
                    bytes.copy_from_slice(&half(number(index)).to_le_bytes());
                }
            }
            (Part::Scales | Part::SuperScales, _) => {
                for (index, half) in (offset / 2..).zip(buf.chunks_exact_mut(2)) {
                    let bits = SMALL_HALF | (scattered(index) & 0x3ff) as u16;
                    half.copy_from_slice(&bits.to_le_bytes());
                }
            }
            _ => {
                for (index, byte) in (offset..).zip(buf.iter_mut()) {
                    *byte = scattered(index) as u8;
                }
            }
        }
        Ok(())
    }
}
