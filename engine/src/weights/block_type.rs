//! The ways in which elements are stored, as one table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a tensor's elements are stored: ggml's types (ggml.h, `enum ggml_type`; ggml-common.h has their blocks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BlockType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    #[serde(rename = "BF16")]
    Bf16,
    /// 4 bits; a scale for 32 elements.
    Q4_0,
    /// 4 bits; a scale and a minimum for 32 elements.
    Q4_1,
    /// 5 bits; a scale for 32 elements.
    Q5_0,
    /// 5 bits; a scale and a minimum for 32 elements.
    Q5_1,
    /// Signed bytes; a scale for 32 elements.
    Q8_0,
    /// 2 bits; a scale and a minimum of 4 bits for 16 elements, scaled once more for 256.
    #[serde(rename = "Q2_K")]
    Q2K,
    /// 3 bits; a scale of 6 bits for 16 elements, scaled once more for 256.
    #[serde(rename = "Q3_K")]
    Q3K,
    /// 4 bits; a scale and a minimum of 6 bits for 32 elements, scaled once more for 256.
    #[serde(rename = "Q4_K")]
    Q4K,
    /// 5 bits; a scale and a minimum of 6 bits for 32 elements, scaled once more for 256.
    #[serde(rename = "Q5_K")]
    Q5K,
    /// 6 bits; a scale of 8 bits for 16 elements, scaled once more for 256.
    #[serde(rename = "Q6_K")]
    Q6K,
}

/// One of the byte streams that a tensor has in a shard set and on the GPU.
///
/// A GPU reads whole words at aligned addresses, so the parts of blocks lie in streams of their own, each padded with zeros
/// to a multiple of four bytes. Bits change their place, never their meaning. Dense types have only `Values`: their
/// elements, little endian. For the others a *group* is 32 elements of a row, and a part holds, for each group in order:
///
/// - `Values`: the lowest bits of each element. 4 bits (Q4, Q5, Q6): 16 bytes, element j in the low half of byte j, element
///   j + 16 in its high half. 2 bits (Q2, Q3): two words, element j in bits 2 (j mod 16) of word j / 16. Q8_0: 32 signed
///   bytes.
/// - `High`: the bits above. 1 bit (Q5, Q3): a word, element j in bit j. 2 bits (Q6_K): two words like the values of Q2.
/// - `Scales`: Q4_0, Q5_0, Q8_0: a half. Q4_1, Q5_1: scale and minimum, two halves. The K types have, for 256 elements, the
///   bytes of their scales as ggml stores them; those of Q4_K and Q5_K begin with the two halves `d` and `dmin`.
/// - `SuperScales`, for 256 elements: Q2_K `d` and `dmin`, Q3_K and Q6_K `d`, as halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Elements, or the lowest bits of what is multiplied by scales to give them.
    Values,
    /// The bits above those.
    High,
    /// Factors of groups.
    Scales,
    /// Factors of scales.
    SuperScales,
}

/// A row of the table.
struct Format {
    name: &'static str,
    ggml_id: u32,
    /// Elements of a block.
    elements: usize,
    /// Bytes of a block in a GGUF file.
    bytes: usize,
    /// Bytes that a block has in each part, in the order of [`Part::ALL`]. Together they are `bytes`.
    parts: [usize; 4],
}

impl BlockType {
    /// All types, in the order of their numbers in GGUF.
    pub const ALL: [Self; 13] = [
        Self::F32,
        Self::F16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Bf16,
    ];

    #[rustfmt::skip]
    const fn format(self) -> Format {
        let (name, ggml_id, elements, bytes, parts) = match self {
            Self::F32  => ("F32",   0,   1,   4, [  4,  0,  0, 0]),
            Self::F16  => ("F16",   1,   1,   2, [  2,  0,  0, 0]),
            Self::Q4_0 => ("Q4_0",  2,  32,  18, [ 16,  0,  2, 0]),
            Self::Q4_1 => ("Q4_1",  3,  32,  20, [ 16,  0,  4, 0]),
            Self::Q5_0 => ("Q5_0",  6,  32,  22, [ 16,  4,  2, 0]),
            Self::Q5_1 => ("Q5_1",  7,  32,  24, [ 16,  4,  4, 0]),
            Self::Q8_0 => ("Q8_0",  8,  32,  34, [ 32,  0,  2, 0]),
            Self::Q2K  => ("Q2_K", 10, 256,  84, [ 64,  0, 16, 4]),
            Self::Q3K  => ("Q3_K", 11, 256, 110, [ 64, 32, 12, 2]),
            Self::Q4K  => ("Q4_K", 12, 256, 144, [128,  0, 16, 0]),
            Self::Q5K  => ("Q5_K", 13, 256, 176, [128, 32, 16, 0]),
            Self::Q6K  => ("Q6_K", 14, 256, 210, [128, 64, 16, 2]),
            Self::Bf16 => ("BF16", 30,   1,   2, [  2,  0,  0, 0]),
        };
        Format { name, ggml_id, elements, bytes, parts }
    }

    /// Elements of a block. A row holds whole blocks.
    pub const fn block_elements(self) -> usize {
        self.format().elements
    }

    /// Bytes of a block in a GGUF file.
    pub const fn block_bytes(self) -> usize {
        self.format().bytes
    }

    /// The type with number `id` in GGUF.
    pub fn from_ggml(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|block| block.ggml_id() == id)
    }

    /// Its number in GGUF.
    pub const fn ggml_id(self) -> u32 {
        self.format().ggml_id
    }

    /// Its name in GGUF.
    pub const fn name(self) -> &'static str {
        self.format().name
    }

    /// Whether its elements stand alone, without scales.
    pub const fn is_dense(self) -> bool {
        self.format().elements == 1
    }

    /// The parts that a tensor of this type has, in the order in which they are stored.
    pub const fn parts(self) -> &'static [Part] {
        use Part::{High, Scales, SuperScales, Values};
        match self.format().parts {
            [_, 0, 0, 0] => &[Values],
            [_, 0, _, 0] => &[Values, Scales],
            [_, 0, _, _] => &[Values, Scales, SuperScales],
            [_, _, _, 0] => &[Values, High, Scales],
            _ => &[Values, High, Scales, SuperScales],
        }
    }

    /// Bytes that a block has in a part. Zero for a part that the type does not have.
    pub const fn block_part_bytes(self, part: Part) -> usize {
        self.format().parts[part as usize]
    }

    /// Bytes of a part for `elements` elements, padding included. Zero for a part that the type does not have.
    pub fn part_bytes(self, part: Part, elements: u64) -> u64 {
        let blocks = elements.div_ceil(self.block_elements() as u64);
        let bytes = blocks.saturating_mul(self.block_part_bytes(part) as u64);
        bytes.checked_next_multiple_of(4).unwrap_or(u64::MAX)
    }
}

impl Part {
    /// All parts, in the order in which they are stored.
    pub const ALL: [Self; 4] = [Self::Values, Self::High, Self::Scales, Self::SuperScales];

    /// Its name in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::High => "high",
            Self::Scales => "scales",
            Self::SuperScales => "super_scales",
        }
    }
}

impl fmt::Display for BlockType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_block_are_the_block() {
        for block in BlockType::ALL {
            let bytes = Part::ALL.map(|part| block.block_part_bytes(part));
            assert_eq!(bytes.iter().sum::<usize>(), block.block_bytes(), "{block}");
            let present = |part: &Part| block.block_part_bytes(*part) > 0;
            let expected: Vec<_> = Part::ALL.into_iter().filter(present).collect();
            assert_eq!(block.parts(), expected, "{block}");
        }
    }

    #[test]
    fn a_type_is_found_by_its_number_and_named_in_manifests_as_in_gguf() {
        for block in BlockType::ALL {
            assert_eq!(BlockType::from_ggml(block.ggml_id()), Some(block));
            let json = serde_json::to_string(&block).unwrap_or_default();
            assert_eq!(json, format!("\"{block}\""));
        }
        assert_eq!(BlockType::from_ggml(9), None);
        for part in Part::ALL {
            let json = serde_json::to_string(&part).unwrap_or_default();
            assert_eq!(json, format!("\"{}\"", part.name()));
        }
    }
}
