//! A piece of a matrix as rows of bytes, checked once: every row that is said to be there is there in every part.

use super::decode::Row;
use crate::kernels::params::Planes;
use crate::weights::{BlockType, Part};

/// Rows of packed weights.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// The bytes from the beginning of each part on.
    parts: [&'a [u8]; 4],
    /// Bytes of a row in each part.
    row_bytes: [usize; 4],
    /// How many there are.
    pub(super) rows: usize,
    /// Elements of a row: whole blocks.
    pub(super) cols: usize,
}

impl<'a> Rows<'a> {
    /// At most `rows` rows; as many as the bytes hold.
    pub(super) fn new(
        weights: &'a [u8],
        block: BlockType,
        planes: Planes,
        rows: usize,
        cols: usize,
    ) -> Self {
        let starts = [0, planes.high, planes.scales, planes.super_scales];
        let parts = starts.map(|quads| {
            let start = quads.checked_mul(16);
            start
                .and_then(|start| weights.get(start..))
                .unwrap_or_default()
        });
        let blocks = cols / block.block_elements();
        let row_bytes = Part::ALL.map(|part| block.block_part_bytes(part).saturating_mul(blocks));
        let held = |part: &Part| {
            parts[*part as usize]
                .len()
                .checked_div(row_bytes[*part as usize])
        };
        Self {
            parts,
            row_bytes,
            rows: block.parts().iter().filter_map(held).fold(rows, usize::min),
            cols: blocks * block.block_elements(),
        }
    }

    /// Row `index`, which is below `rows`.
    #[inline(always)]
    pub(super) fn row(&self, index: usize) -> Row<'a> {
        let part = |part: usize| &self.parts[part][index * self.row_bytes[part]..];
        Row([part(0), part(1), part(2), part(3)])
    }
}
