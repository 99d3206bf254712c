//! Products of packed weights with activations of 8 bits, for GPUs that multiply four such integers at once.
//!
//! CubeCL writes no WGSL for packed dot products, so these kernels are WGSL themselves and are launched as CubeCL's own are:
//! `quantise.wgsl` makes the integers, `integer.wgsl` says what weights and products are, `integer_rows.wgsl` multiplies few
//! tokens, `integer_tiled.wgsl` many. Bytes read of an activation: 1.5, not 4.

use burn::backend::wgpu::CubeTensor;
use cubecl::client::Client;
use cubecl::ir::metadata::Info;
use cubecl::ir::settings::Dim3;
use cubecl::ir::{ElemType, UIntKind};
use cubecl::prelude::*;
use cubecl::server::{Handle, KernelArguments, MetadataBindingInfo};

use super::super::params::{FEW_TOKENS, LinearParams, Tuning};
use super::linear::tile_by_row;
use super::{UNITS, flat_grid, grid};
use crate::weights::BlockType;

/// Values that share a scale.
const GROUP: usize = 32;

/// Bytes of a group of activations: its integers, its scale, and two sums.
const GROUP_BYTES: usize = 48;

/// How weights of a type are read, as `integer.wgsl` has it.
struct Stored {
    low_bits: u32,
    high_bits: u32,
    offset: u32,
    scales: &'static str,
}

/// `None` for types that [`Arithmetic::I8`](super::super::params::Arithmetic) does not serve.
const fn stored(block: BlockType) -> Option<Stored> {
    let (low_bits, high_bits, offset, scales) = match block {
        BlockType::Q4_0 => (4, 0, 8, "HALF"),
        BlockType::Q5_0 => (4, 1, 16, "HALF"),
        BlockType::Q8_0 => (8, 0, 0, "HALF"),
        BlockType::Q4_1 => (4, 0, 0, "HALF_AND_MINIMUM"),
        BlockType::Q5_1 => (4, 1, 0, "HALF_AND_MINIMUM"),
        BlockType::Q4K => (4, 0, 0, "Q4_K"),
        BlockType::Q5K => (4, 1, 0, "Q4_K"),
        BlockType::Q6K => (4, 2, 32, "Q6_K"),
        _ => return None,
    };
    Some(Stored {
        low_bits,
        high_bits,
        offset,
        scales,
    })
}

/// A kernel, as far as its text differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Text {
    Quantise,
    Rows {
        block: BlockType,
        tile_rows: usize,
        tile_tokens: usize,
        threads_per_row: usize,
        paired: bool,
    },
    Tiled {
        block: BlockType,
        square: usize,
    },
}

impl Text {
    fn wgsl(self) -> String {
        let (block, split, end) = match self {
            Self::Quantise => return include_str!("quantise.wgsl").to_owned(),
            Self::Rows {
                block,
                tile_rows,
                tile_tokens,
                threads_per_row,
                paired,
            } => {
                // Threads that share nothing need no memory for it.
                let parts = match threads_per_row {
                    1 => 1,
                    _ => UNITS * tile_rows * tile_tokens,
                };
                let split = format!(
                    "const ROWS = {tile_rows}u; const TOKENS = {tile_tokens}u; const THREADS = {threads_per_row}u; \
                     const PARTS = {parts}u; const PAIRED = {paired};"
                );
                (block, split, include_str!("integer_rows.wgsl"))
            }
            Self::Tiled { block, square } => {
                let split = format!("const SQUARE = {square}u;");
                (block, split, include_str!("integer_tiled.wgsl"))
            }
        };
        let Some(stored) = stored(block) else {
            // The launch would report it.
            return format!("// no integers in {}", block.name());
        };
        format!(
            "const LOW_BITS = {}u; const HIGH_BITS = {}u; const OFFSET = {}.0; const SCALES = {};\n{split}\n{}{end}",
            stored.low_bits,
            stored.high_bits,
            stored.offset,
            stored.scales,
            include_str!("integer.wgsl"),
        )
    }
}

/// A kernel that is WGSL.
struct WrittenKernel(Text);

impl KernelMetadata for WrittenKernel {
    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info(self.0)
    }

    fn address_type(&self) -> ElemType {
        ElemType::UInt(UIntKind::U32)
    }
}

impl CubeKernel for WrittenKernel {
    fn define(&self) -> KernelDefinition {
        let settings = KernelSettings::new(
            Dim3::new_1d(UNITS as u32),
            ExecutionMode::Unchecked,
            AddressType::U32,
        );
        KernelDefinition {
            body: Scope::root(settings.clone()),
            settings,
            info: Info::default(),
        }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        let entrypoint_name = match self.0 {
            Text::Quantise => "quantise",
            _ => "multiply",
        };
        Some(PrecompiledSource {
            source: self.0.wgsl(),
            entrypoint_name: entrypoint_name.to_owned(),
            lang: "wgsl",
        })
    }
}

/// Launches a kernel with buffers and, after them, words.
fn launch(client: &Client, text: Text, count: CubeCount, buffers: &[Handle], words: &[usize]) {
    let pairs = words.chunks(2);
    let words = pairs.map(|pair| pair[0] as u64 | (pair.get(1).copied().unwrap_or(0) as u64) << 32);
    let mut arguments = KernelArguments::new();
    for buffer in buffers {
        arguments = arguments.with_buffer(buffer.clone().binding());
    }
    arguments.info = MetadataBindingInfo::custom(words.collect());
    client.launch(Box::new(WrittenKernel(text)), count, arguments);
}

/// The integers of `x`. x: [tokens, cols], cols a multiple of 32.
fn quantised(x: &CubeTensor, p: &LinearParams) -> Handle {
    let groups = p.tokens * p.cols / GROUP;
    let integers = x.client.empty(groups * GROUP_BYTES);
    let buffers = [x.handle.clone(), integers.clone()];
    launch(
        &x.client,
        Text::Quantise,
        flat_grid(groups),
        &buffers,
        &[groups],
    );
    integers
}

/// Writes the piece's columns of `y`, as `linear` does.
pub fn linear(
    x: &CubeTensor,
    weights: &CubeTensor,
    y: &CubeTensor,
    p: &LinearParams,
    tuning: Tuning,
) {
    if p.tokens > FEW_TOKENS && tuning.square > 0 {
        let square = tuning.square;
        let tile = 8 * square;
        let count = grid(p.rows.div_ceil(tile), p.tokens.div_ceil(tile));
        multiply(
            x,
            weights,
            y,
            p,
            Text::Tiled {
                block: p.block,
                square,
            },
            count,
        );
        return;
    }
    let threads_per_row = tuning.threads_per_row;
    let (tile_rows, tile_tokens) = tile_by_row(p.tokens, threads_per_row);
    let text = Text::Rows {
        block: p.block,
        tile_rows,
        tile_tokens,
        threads_per_row,
        paired: false,
    };
    let rows_of_group = UNITS / threads_per_row * tile_rows;
    let count = grid(
        p.rows.div_ceil(rows_of_group),
        p.tokens.div_ceil(tile_tokens),
    );
    multiply(x, weights, y, p, text, count);
}

/// The same for a gate's rows and those below them, as `linear_geglu` does.
pub fn linear_geglu(
    x: &CubeTensor,
    weights: &CubeTensor,
    y: &CubeTensor,
    p: &LinearParams,
    threads_per_row: usize,
) {
    let text = Text::Rows {
        block: p.block,
        tile_rows: 2,
        tile_tokens: 1,
        threads_per_row,
        paired: true,
    };
    let count = grid((p.rows / 2).div_ceil(UNITS / threads_per_row), 1);
    multiply(x, weights, y, p, text, count);
}

fn multiply(
    x: &CubeTensor,
    weights: &CubeTensor,
    y: &CubeTensor,
    p: &LinearParams,
    text: Text,
    count: CubeCount,
) {
    let buffers = [weights.handle.clone(), quantised(x, p), y.handle.clone()];
    let sizes = [
        p.tokens,
        p.rows,
        p.cols,
        p.first_row,
        p.out_cols,
        p.planes.high,
        p.planes.scales,
        p.planes.super_scales,
    ];
    launch(&x.client, text, count, &buffers, &sizes);
}
