//! Packed weights to f32 inside a kernel, bit for bit what [`crate::weights::block`] gives.
//!
//! A piece of a matrix is one buffer of quads, four words each, in which the parts of [`crate::weights::Part`] lie one after
//! the other. A thread takes a group of 32 neighbours at a time: its bits into `words`, its factors into `scales`, and then
//! eight values at once, so that few of them need registers.

use cubecl::prelude::*;

use crate::weights::{BlockType, Part};

/// Values of a group.
pub const GROUP: usize = 32;

/// Values that are decoded at once.
pub const OCTET: usize = 8;

/// Octets of a group.
pub const OCTETS: usize = GROUP / OCTET;

/// Factors of a group: scale and minimum of its first 16 values, then of the others.
pub const SCALES: usize = 4;

/// Where the parts of a piece begin, in quads. Values begin at 0.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct PlaneStarts {
    high: u32,
    scales: u32,
    super_scales: u32,
}

/// Words of a group's values and of the bits above them.
pub fn group_words(block: BlockType) -> usize {
    value_words(block) + high_words(block)
}

fn value_words(block: BlockType) -> usize {
    block.block_part_bytes(Part::Values) * GROUP / block.block_elements() / 4
}

fn high_words(block: BlockType) -> usize {
    block.block_part_bytes(Part::High) * GROUP / block.block_elements() / 4
}

/// Quads of a group's values; 0 where two groups share one.
pub fn group_quads(block: BlockType) -> usize {
    value_words(block) / 4
}

/// Where the two quads of `x` are that meet octet `octet`, within the eight quads of a group.
pub fn octet_quads(block: BlockType, octet: usize) -> (usize, usize) {
    match block.is_dense() {
        true => (2 * octet, 2 * octet + 1),
        false => (octet, octet + 4),
    }
}

/// The f32 value of IEEE half-precision bits. Subnormals are built by arithmetic, because a GPU may flush
/// f32 denormals that a shifted bit pattern would pass through.
#[cube]
pub fn half_to_float(bits: u32) -> f32 {
    let magnitude = bits & 32767u32;
    let shifted = magnitude << 13u32;
    // What an exponent is raised by: 112, or to 255 from that of infinity.
    let raised = shifted + select(magnitude > 31743u32, 1_879_048_192u32, 939_524_096u32);
    // A subnormal is what 2⁻¹⁴ has too much once its bits stand behind that exponent.
    let tiny = f32::reinterpret(shifted + 947_912_704u32) - 6.103_515_6e-5f32;
    let number = select(magnitude < 1024u32, tiny, f32::reinterpret(raised));
    f32::reinterpret(u32::reinterpret(number) | ((bits & 32768u32) << 16u32))
}

/// Word `index` of the part that begins at quad `start`.
#[cube]
fn word(weights: &[Vector<u32, Const<4>>], start: u32, index: usize) -> u32 {
    let quad = weights[start as usize + index / 4usize];
    quad.extract_dynamic(index % 4usize)
}

/// Half `index` of the part that begins at quad `start`.
#[cube]
fn half_of(weights: &[Vector<u32, Const<4>>], start: u32, index: usize) -> f32 {
    let bits = word(weights, start, index / 2usize);
    half_to_float((bits >> (u32::cast_from(index % 2usize) * 16u32)) & 65535u32)
}

/// A byte as a signed number: 128..255 stand for -128..-1.
#[cube]
fn signed(byte: u32) -> f32 {
    f32::cast_from(byte) - select(byte > 127u32, 256.0f32, 0.0f32)
}

/// Puts the first `count` values of group `group` of a row, of `cols` columns, and their factors into place `place` of `words`
/// and `scales`.
#[cube]
pub fn load_row(
    weights: &[Vector<u32, Const<4>>],
    planes: &PlaneStarts,
    row: usize,
    cols: usize,
    group: usize,
    words: &mut Array<u32>,
    scales: &mut Array<f32>,
    #[comptime] place: usize,
    #[comptime] block: BlockType,
    #[comptime] count: usize,
) {
    let index = row * (cols / comptime!(GROUP)) + group;
    let mut quad = row * (cols / comptime!(values_in_quad(block)))
        + group * comptime!(GROUP / values_in_quad(block));
    if comptime!(group_quads(block) == 0) {
        quad = index / 2usize;
    }
    let first_word = comptime!(place * group_words(block));
    load_values(
        weights, planes, quad, index, words, first_word, block, count,
    );
    load_scales(
        weights,
        planes,
        index,
        scales,
        comptime!(place * SCALES),
        block,
    );
}

/// Values that a quad of words holds; of types whose groups share a quad, as many as keep the arithmetic whole.
fn values_in_quad(block: BlockType) -> usize {
    let bits = block.block_part_bytes(Part::Values) * 8 / block.block_elements();
    (128 / bits).min(GROUP)
}

/// [`load_group`], or the quads that a dense row has left for its last, shorter group.
#[cube]
fn load_values(
    weights: &[Vector<u32, Const<4>>],
    planes: &PlaneStarts,
    quad: usize,
    index: usize,
    words: &mut Array<u32>,
    #[comptime] first: usize,
    #[comptime] block: BlockType,
    #[comptime] count: usize,
) {
    if comptime!(count == GROUP) {
        load_group(weights, planes, quad, index, words, first, block);
    } else {
        #[unroll]
        for i in 0..comptime!(count / values_in_quad(block)) {
            let four = weights[quad + i];
            #[unroll]
            for j in 0..4usize {
                words[comptime!(first + 4 * i + j)] = four.extract(j);
            }
        }
    }
}

/// Puts the bits of group `group` into `words` from `first` on. `quad` is where its values begin.
#[cube]
pub fn load_group(
    weights: &[Vector<u32, Const<4>>],
    planes: &PlaneStarts,
    quad: usize,
    group: usize,
    words: &mut Array<u32>,
    #[comptime] first: usize,
    #[comptime] block: BlockType,
) {
    let quads = comptime!(group_quads(block));
    if comptime!(quads == 0) {
        // 2 bits an element: two groups to a quad.
        let pair = weights[quad];
        let odd = group % 2usize == 1usize;
        words[first] = select(odd, pair.extract(2usize), pair.extract(0usize));
        words[comptime!(first + 1)] = select(odd, pair.extract(3usize), pair.extract(1usize));
    } else {
        #[unroll]
        for i in 0..quads {
            let four = weights[quad + i];
            #[unroll]
            for j in 0..4usize {
                words[comptime!(first + 4 * i + j)] = four.extract(j);
            }
        }
    }
    let above = comptime!(first + value_words(block));
    if comptime!(high_words(block) == 1) {
        words[above] = word(weights, planes.high, group);
    }
    if comptime!(high_words(block) == 2) {
        words[above] = word(weights, planes.high, 2usize * group);
        words[comptime!(above + 1)] = word(weights, planes.high, 2usize * group + 1usize);
    }
}

/// Puts the factors of group `group` into `scales` from `first` on.
#[cube]
pub fn load_scales(
    weights: &[Vector<u32, Const<4>>],
    planes: &PlaneStarts,
    group: usize,
    scales: &mut Array<f32>,
    #[comptime] first: usize,
    #[comptime] block: BlockType,
) {
    let block_index = group / 8usize;
    let place = group % 8usize;
    match comptime!(block) {
        BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Q8_0 => {
            let d = half_of(weights, planes.scales, group);
            same_halves(scales, d, 0.0f32, first);
        }
        BlockType::Q4_1 | BlockType::Q5_1 => {
            let both = word(weights, planes.scales, group);
            let d = half_to_float(both & 65535u32);
            same_halves(scales, d, -half_to_float(both >> 16u32), first);
        }
        BlockType::Q2K => {
            let both = word(weights, planes.super_scales, block_index);
            let d = half_to_float(both & 65535u32);
            let m = half_to_float(both >> 16u32);
            // Two bytes a group, each with a scale below and a minimum above.
            let bytes = word(weights, planes.scales, group / 2usize)
                >> (u32::cast_from(group % 2usize) * 16u32);
            #[unroll]
            for half in 0..2usize {
                let byte = (bytes >> comptime!(8 * half as u32)) & 255u32;
                scales[comptime!(first + 2 * half)] = d * f32::cast_from(byte & 15u32);
                scales[comptime!(first + 2 * half + 1)] = m * f32::cast_from(byte >> 4u32);
            }
        }
        BlockType::Q3K => {
            let d = half_of(weights, planes.super_scales, block_index);
            let low_word = word(
                weights,
                planes.scales,
                block_index * 3usize + place % 4usize / 2usize,
            );
            let high_word = word(weights, planes.scales, block_index * 3usize + 2usize);
            #[unroll]
            for half in 0..2usize {
                // Scale 2 place + half of sixteen: four bits in byte (index mod 8), two in byte 8 + (index mod 4).
                let index = 2usize * place + half;
                let low_shift =
                    u32::cast_from(index % 4usize) * 8u32 + u32::cast_from(index / 8usize) * 4u32;
                let high_shift =
                    u32::cast_from(index % 4usize) * 8u32 + u32::cast_from(index / 4usize) * 2u32;
                let low = (low_word >> low_shift) & 15u32;
                let high = (high_word >> high_shift) & 3u32;
                let scale = f32::cast_from(low | (high << 4u32)) - 32.0f32;
                scales[comptime!(first + 2 * half)] = d * scale;
                scales[comptime!(first + 2 * half + 1)] = 0.0f32;
            }
        }
        BlockType::Q4K | BlockType::Q5K => {
            let quad = weights[planes.scales as usize + block_index];
            let d = half_to_float(quad.extract(0usize) & 65535u32);
            let m = half_to_float(quad.extract(0usize) >> 16u32);
            let shift = u32::cast_from(place % 4usize) * 8u32;
            let a = (quad.extract(1usize) >> shift) & 255u32;
            let b = (quad.extract(2usize) >> shift) & 255u32;
            let c = (quad.extract(3usize) >> shift) & 255u32;
            let early = place < 4usize;
            let scale = select(early, a & 63u32, (c & 15u32) | ((a >> 6u32) << 4u32));
            let minimum = select(early, b & 63u32, (c >> 4u32) | ((b >> 6u32) << 4u32));
            same_halves(
                scales,
                d * f32::cast_from(scale),
                m * f32::cast_from(minimum),
                first,
            );
        }
        BlockType::Q6K => {
            let d = half_of(weights, planes.super_scales, block_index);
            let bytes = word(weights, planes.scales, group / 2usize)
                >> (u32::cast_from(group % 2usize) * 16u32);
            #[unroll]
            for half in 0..2usize {
                let byte = (bytes >> comptime!(8 * half as u32)) & 255u32;
                scales[comptime!(first + 2 * half)] = d * signed(byte);
                scales[comptime!(first + 2 * half + 1)] = 0.0f32;
            }
        }
        BlockType::F32 | BlockType::F16 | BlockType::Bf16 => {}
    }
}

#[cube]
fn same_halves(scales: &mut Array<f32>, d: f32, m: f32, #[comptime] first: usize) {
    scales[first] = d;
    scales[comptime!(first + 1)] = m;
    scales[comptime!(first + 2)] = d;
    scales[comptime!(first + 3)] = m;
}

/// Puts eight values of a group into `out` from `first_out` on: of a dense type neighbours from `8 octet` on, of the others
/// four from `4 octet` on and four from `16 + 4 octet` on. The group is in `words` and `scales` from `first_word` and
/// `first_scale` on.
#[cube]
pub fn decode_octet(
    words: &Array<u32>,
    scales: &Array<f32>,
    out: &mut Array<f32>,
    #[comptime] octet: usize,
    #[comptime] first_out: usize,
    #[comptime] first_word: usize,
    #[comptime] first_scale: usize,
    #[comptime] block: BlockType,
) {
    match comptime!(block) {
        BlockType::F32 =>
        {
            #[unroll]
            for i in 0..8usize {
                out[comptime!(first_out + i)] =
                    f32::reinterpret(words[comptime!(first_word + 8 * octet + i)]);
            }
        }
        BlockType::F16 =>
        {
            #[unroll]
            for i in 0..4usize {
                let bits = words[comptime!(first_word + 4 * octet + i)];
                out[comptime!(first_out + 2 * i)] = half_to_float(bits & 65535u32);
                out[comptime!(first_out + 2 * i + 1)] = half_to_float(bits >> 16u32);
            }
        }
        BlockType::Bf16 =>
        {
            #[unroll]
            for i in 0..4usize {
                let bits = words[comptime!(first_word + 4 * octet + i)];
                out[comptime!(first_out + 2 * i)] = f32::reinterpret(bits << 16u32);
                out[comptime!(first_out + 2 * i + 1)] = f32::reinterpret((bits >> 16u32) << 16u32);
            }
        }
        _ => {
            #[unroll]
            for half in 0..2usize {
                let d = scales[comptime!(first_scale + 2 * half)];
                let m = scales[comptime!(first_scale + 2 * half + 1)];
                #[unroll]
                for i in 0..4usize {
                    let q = quant(words, octet, half, i, first_word, block);
                    // Written only where there is a minimum, so that a zero keeps its sign.
                    if comptime!(has_minimum(block)) {
                        out[comptime!(first_out + 4 * half + i)] = d * q - m;
                    } else {
                        out[comptime!(first_out + 4 * half + i)] = d * q;
                    }
                }
            }
        }
    }
}

fn has_minimum(block: BlockType) -> bool {
    matches!(
        block,
        BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q2K | BlockType::Q4K | BlockType::Q5K
    )
}

/// Element `16 half + 4 octet + i` of a group, before its factors.
#[cube]
fn quant(
    words: &Array<u32>,
    #[comptime] octet: usize,
    #[comptime] half: usize,
    #[comptime] i: usize,
    #[comptime] first: usize,
    #[comptime] block: BlockType,
) -> f32 {
    let above = comptime!(first + value_words(block));
    let four_shift = comptime!((8 * i + 4 * half) as u32);
    let two_shift = comptime!((8 * octet + 2 * i) as u32);
    let one_shift = comptime!((16 * half + 4 * octet + i) as u32);
    match comptime!(block) {
        BlockType::Q4_0 => {
            f32::cast_from((words[comptime!(first + octet)] >> four_shift) & 15u32) - 8.0f32
        }
        BlockType::Q4_1 | BlockType::Q4K => {
            f32::cast_from((words[comptime!(first + octet)] >> four_shift) & 15u32)
        }
        BlockType::Q5_0 => {
            let low = (words[comptime!(first + octet)] >> four_shift) & 15u32;
            let high = (words[above] >> one_shift) & 1u32;
            f32::cast_from(low | (high << 4u32)) - 16.0f32
        }
        BlockType::Q5_1 | BlockType::Q5K => {
            let low = (words[comptime!(first + octet)] >> four_shift) & 15u32;
            let high = (words[above] >> one_shift) & 1u32;
            f32::cast_from(low | (high << 4u32))
        }
        BlockType::Q8_0 => {
            let bits = words[comptime!(first + 4 * half + octet)];
            signed((bits >> comptime!(8 * i as u32)) & 255u32)
        }
        BlockType::Q2K => f32::cast_from((words[comptime!(first + half)] >> two_shift) & 3u32),
        BlockType::Q3K => {
            let low = (words[comptime!(first + half)] >> two_shift) & 3u32;
            let high = (words[above] >> one_shift) & 1u32;
            f32::cast_from(low | (high << 2u32)) - 4.0f32
        }
        BlockType::Q6K => {
            let low = (words[comptime!(first + octet)] >> four_shift) & 15u32;
            let high = (words[comptime!(above + half)] >> two_shift) & 3u32;
            f32::cast_from(low | (high << 4u32)) - 32.0f32
        }
        BlockType::F32 | BlockType::F16 | BlockType::Bf16 => 0.0f32.runtime(),
    }
}

/// One element of a dense matrix, counted from the start of the piece.
#[cube]
pub fn decode_dense(
    weights: &[Vector<u32, Const<4>>],
    element: usize,
    #[comptime] block: BlockType,
) -> f32 {
    match comptime!(block) {
        BlockType::F32 => f32::reinterpret(word(weights, 0u32, element)),
        BlockType::Bf16 => {
            let bits = word(weights, 0u32, element / 2usize);
            let shifted = (bits >> (u32::cast_from(element % 2usize) * 16u32)) & 65535u32;
            f32::reinterpret(shifted << 16u32)
        }
        _ => half_of(weights, 0u32, element),
    }
}
